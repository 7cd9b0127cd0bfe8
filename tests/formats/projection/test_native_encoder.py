"""The native projections against the ordered search that defines a projection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from systolab.formats import get, native
from systolab.formats.format import Format
from systolab.formats.projection import native_encoder as fast
from systolab.formats.projection.encode import BinaryLookup, Projector, search
from systolab.formats.projection.projection import EncoderTable

pytestmark = pytest.mark.skipif(not native.available(), reason="no native library")

COMPUTED = [
    "adaptivfloat:8,3",
    "adaptivfloat:4,2",
    "adaptivfloat:16,5",
    "e4m3fn",
    "e4m3fn:saturation=none",
    "e4m3fn:saturation=propagate",
    "e5m2",
    "e4m3fnuz",
    "e2m1",
    "binary16",
    "bfloat16",
    "int:8",
    "int:4",
    "fixed:8,4",
    "uint:8",
]
SEARCHED = [
    "adaptivfloat2022:8,3",
    "flexasr",
    "posit:8,1",
    "posit:16,1",
    "lns:8,3",
    "nf4",
    "e4m3fn:rounding=toward-zero",
    "binary16:rounding=odd",
    "int:8,rounding=up",
]


def hard_values(fmt: Format, seed: int) -> NDArray[np.float32]:
    """Random bit patterns, every step of the projection and its neighbours, specials."""
    bits = np.random.default_rng(seed).integers(0, 2**32, 100_000, dtype=np.uint32)
    keys = fmt.encoder().keys.astype(np.int64)[:, None] + np.arange(-2, 3)
    near = np.clip(keys, 0, 2**32 - 1).astype(np.uint32).reshape(-1)
    positive = near >= 2**31
    near = np.where(positive, near ^ np.uint32(2**31), ~near)
    special = np.array([0, 2**31, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 1, 2**31 + 1])
    return np.concatenate([bits, near, special.astype(np.uint32)]).view(np.float32)


@pytest.mark.parametrize("name", COMPUTED + SEARCHED)
def test_every_native_way_is_the_search(name: str) -> None:
    fmt = get(name)
    table, x = fmt.encoder(), hard_values(fmt, 1)
    expected = search(table, x)
    dtype = np.uint8 if fmt.bits <= 8 else np.uint16
    assert np.array_equal(fast.Search(table).encode(x), expected)
    binary = fast.binary_encoder(table, fmt.bits)
    assert (binary is not None) == (name in COMPUTED)
    if binary is not None:
        out = np.empty(x.shape, dtype)
        fast.encode_binary(binary, x, out)
        assert np.array_equal(out, expected)
    lookup = BinaryLookup(table, dtype)
    if lookup.is_exact:
        out = np.empty(x.shape, dtype)
        fast.encode_lookup(lookup.codes, x, out)
        assert np.array_equal(out, expected)


@pytest.mark.parametrize("name", COMPUTED + SEARCHED)
def test_binary64_and_quotients(name: str) -> None:
    fmt = get(name)
    projector = Projector(fmt.projection, fmt.bits)
    single = hard_values(fmt, 2)
    with np.errstate(all="ignore"):
        x = single.astype(np.float64) * (1 + np.ldexp(1.0, -np.arange(single.size) % 53))
        x = np.concatenate([x, np.nextafter(x, np.inf), fmt.projection.bounds])
        x = np.concatenate([x, np.nextafter(fmt.projection.bounds, -np.inf)])
        dtype = np.uint8 if fmt.bits <= 8 else np.uint16
        out = np.empty(x.shape, dtype)
        projector.project64(x, out)
        assert np.array_equal(out, fmt.projection.encode64(x))
        for divisor in (0.1, 2.0**-100, 0.25, 2.0**9, 2.0**90, 3e38):
            quotients = np.empty(single.shape, dtype)
            projector.project_quotients(single, float(np.float32(divisor)), quotients)
            exact = single.astype(np.float64) / float(np.float32(divisor))
            assert np.array_equal(quotients, fmt.projection.encode64(exact))


def test_a_changed_table_is_not_computed() -> None:
    """The proof looks at every step: moving any one of them by one unit must be noticed."""
    fmt = get("e4m3fn")
    table = fmt.encoder()
    assert fast.binary_encoder(table, 8) is not None
    for i in range(len(table.keys)):
        for by in (1, -1):
            keys = table.keys.copy()
            keys[i] = (int(keys[i]) + by) % 2**32
            moved = EncoderTable(keys, table.codes, table.nan_code)
            ends = np.concatenate([keys, keys - np.uint32(1)])
            positive = ends >= 2**31
            x = np.where(positive, ends ^ np.uint32(2**31), ~ends).view(np.float32)
            candidate = fast.binary_encoder(moved, 8)
            if candidate is not None:  # the moved step may lie on a parameter of its own
                out = np.empty(x.shape, np.uint8)
                fast.encode_binary(candidate, x, out)
                assert np.array_equal(out, search(moved, x))
    assert fast.binary_encoder(EncoderTable(table.keys, table.codes, 0), 8) is not None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 300))
def test_scaled_quantisation_by_channel(seed: int, channels: int, length: int) -> None:
    fmt = get("adaptivfloat:8,3")
    x = np.random.default_rng(seed).standard_normal((channels, length)).astype(np.float32)
    by_channel = fmt.quantize(x, axis=0)
    for i in range(channels):
        alone = fmt.quantize(x[i], scale=by_channel.scale[i, 0])
        assert np.array_equal(by_channel.codes[i], alone.codes)
    exact = fmt.projection.encode64(x.astype(np.float64) / by_channel.scale)
    assert np.array_equal(by_channel.codes, exact)
    assert np.array_equal(fmt.quantize(x.T, axis=1).codes, by_channel.codes.T)
