"""Every engine against the next slower one, down to exact rationals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from systolab.formats import get, native
from systolab.formats.arithmetic.accumulator import (
    Accumulator,
    Exact,
    Float,
    Float32,
    Saturate,
    Wrap,
)
from systolab.formats.dot.product import ENGINES, DotResult, dot
from systolab.formats.engines.spec import Spec
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format

Codes = NDArray[np.uint8] | NDArray[np.uint16]

PAIRS = [
    ("adaptivfloat:8,3", "adaptivfloat:8,3"),
    ("adaptivfloat:8,5", "adaptivfloat:8,4"),
    ("adaptivfloat:4,2", "adaptivfloat:6,3"),
    ("int:8", "int:8"),
    ("int:4", "fixed:8,4"),
    ("e4m3fn", "e4m3fn"),
    ("e5m2", "e5m2"),
    ("e5m2", "int:8"),
    ("e2m1", "e2m3"),
    ("posit:8,0", "posit:8,1"),
    ("posit:8,2", "posit:8,2"),
    ("lns:8,3", "nf4"),
    ("binary16", "bfloat16"),
    ("bfloat16", "bfloat16"),
    ("posit:16,1", "e4m3fnuz"),
    ("bfloat16", "fixed:2,1"),
]
NARROW = [
    "e4m3fn",
    "e5m2:saturation=propagate",
    "adaptivfloat:8,3",
    "posit:8,1",
    "int:8",
    "binary16",
    "bfloat16",
    "bfloat16:rounding=up",
]
WIDE = {"bfloat16", "binary16", "posit:16,1", "adaptivfloat:8,5", "posit:8,2", "lns:8,3", "nf4"}


needs_native = pytest.mark.skipif(not native.available(), reason="no native library")


def codes_of(fmt: Format, shape: tuple[int, int], seed: int, finite: bool) -> Codes:
    """Uniform codes; without NaN and infinities if `finite`."""
    rng = np.random.default_rng(seed)
    allowed = np.flatnonzero(np.isfinite(fmt.values)) if finite else np.arange(2**fmt.bits)
    chosen = rng.choice(allowed, size=shape)
    return chosen.astype(np.uint8) if fmt.bits <= 8 else chosen.astype(np.uint16)


def accumulators(fmt_a: Format, fmt_w: Format) -> list[Accumulator]:
    """One of each kind, with registers narrow enough to wrap and to saturate."""
    product = (fmt_a.ratio * fmt_w.ratio).bit_length()
    found: list[Accumulator] = [Exact(), Wrap(7), Wrap(32), Wrap(64), Float32()]
    found += [Float(get(name)) for name in NARROW]
    if product < 60:
        lsb = Spec(fmt_a, fmt_w, Exact(), 1, 1).product_lsb
        found += [Saturate(product + 1), Saturate(product + 2), Saturate(product + 3, lsb - 2)]
        found += [Wrap(product + 3, lsb - 5)]
    return found


def same(x: DotResult, y: DotResult) -> bool:
    if x.lsb != y.lsb or x.acc.dtype != y.acc.dtype or x.acc.shape != y.acc.shape:
        return False
    if x.acc.dtype == np.object_:
        return bool(x.acc.tolist() == y.acc.tolist())
    return x.acc.tobytes() == y.acc.tobytes()


def assert_engines_agree(
    fmt_a: Format,
    fmt_w: Format,
    accumulator: Accumulator,
    shape: tuple[int, int, int],
    group: int,
    seed: int = 0,
    leave_out: tuple[str, ...] = (),
) -> set[str]:
    """Run every engine that is proved to apply; they must agree. The names of those that ran."""
    m, k, n = shape
    spec = Spec(fmt_a, fmt_w, accumulator, k, group)
    a = codes_of(fmt_a, (m, k), seed, spec.is_integer)
    w = codes_of(fmt_w, (k, n), seed + 1, spec.is_integer)
    ran: dict[str, DotResult] = {}
    for engine in ENGINES:
        if engine.lacks(spec) is None and engine.name not in leave_out:
            ran[engine.name] = dot(a, w, fmt_a, fmt_w, accumulator, group, engine.name)
            assert ran[engine.name].engine == engine.name
    results = list(ran.values())
    for faster, slower in itertools.pairwise(results):
        assert same(faster, slower), (faster.engine, slower.engine, fmt_a, fmt_w, accumulator)
    return set(ran)


@pytest.mark.parametrize("pair", PAIRS, ids="*".join)
def test_all_engines_agree_with_exact_rationals(pair: tuple[str, str]) -> None:
    fmt_a, fmt_w = get(pair[0]), get(pair[1])
    for i, accumulator in enumerate(accumulators(fmt_a, fmt_w)):
        for group in (1, 4):
            ran = assert_engines_agree(fmt_a, fmt_w, accumulator, (5, 17, 3), group, 10 * i + group)
            assert {"numpy", "rational"} <= ran


@pytest.mark.parametrize("pair", PAIRS, ids="*".join)
def test_fast_engines_agree_with_numpy_on_larger_products(pair: tuple[str, str]) -> None:
    fmt_a, fmt_w = get(pair[0]), get(pair[1])
    heavy = WIDE & set(pair)
    for i, accumulator in enumerate(accumulators(fmt_a, fmt_w)):
        projected = isinstance(accumulator, Float)
        shape = (7, 33, 19) if heavy or projected else (71, 150, 83)
        ran = assert_engines_agree(fmt_a, fmt_w, accumulator, shape, 16, i, ("rational",))
        assert "numpy" in ran


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(PAIRS),
    st.integers(0, 20),
    st.integers(0, 6),
    st.integers(0, 9),
    st.integers(0, 5),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_any_shape_and_group(
    pair: tuple[str, str], which: int, m: int, k: int, n: int, group: int, seed: int
) -> None:
    fmt_a, fmt_w = get(pair[0]), get(pair[1])
    choices = accumulators(fmt_a, fmt_w)
    assert_engines_agree(fmt_a, fmt_w, choices[which % len(choices)], (m, k, n), group, seed)


@needs_native
def test_every_engine_is_chosen_somewhere() -> None:
    e4m3fn, int8 = get("e4m3fn"), get("int:8")
    chosen = {
        dot(
            codes_of(fmt, (2, 40), 0, True),
            codes_of(fmt, (40, 2), 1, True),
            fmt,
            fmt,
            accumulator,
            4,
        ).engine
        for fmt, accumulator in (
            (int8, Exact()),
            (e4m3fn, Exact()),
            (get("e5m2"), Exact()),
            (e4m3fn, Float32()),
            (e4m3fn, Saturate(40)),
            (e4m3fn, Float(e4m3fn)),
            (e4m3fn, Float(get("posit:8,1"))),
        )
    }
    fast = [engine.name for engine in ENGINES if engine.name not in {"softfloat", "rational"}]
    assert chosen == set(fast) - {"numpy"}


def test_an_engine_without_proof_is_refused() -> None:
    e5m2 = get("e5m2")
    a = np.zeros((1, 8), dtype=np.uint8)
    with pytest.raises(
        SystolabError, match=r"^Engine blas64 must have K \* R_a \* R_w at most 2\^53, not 8 \* "
    ):
        dot(a, a.T, e5m2, e5m2, Exact(), 1, "blas64")
    with pytest.raises(
        SystolabError, match=r"^Engine softfloat must have accumulator float32, not exact$"
    ):
        dot(a, a.T, e5m2, e5m2, Exact(), 1, "softfloat")
    with pytest.raises(SystolabError, match=r"^Engine must be auto or one of blas32, .*, not 'f'$"):
        dot(a, a.T, e5m2, e5m2, Exact(), 1, "f")


@needs_native
def test_products_that_the_narrow_carrier_would_round_twice() -> None:
    """30-bit products, one in thousands of which lies just beside a midpoint of binary16."""
    fmt = get("fixed:16,15")
    ran = assert_engines_agree(
        fmt, fmt, Float(get("binary16")), (400, 1, 400), 1, 0, ("rational", "table")
    )
    assert ran == {"rounded", "numpy"}


def test_saturating_sums_beyond_binary64() -> None:
    """A register of 55 bits that takes the largest product twice, then the smallest one."""
    fmt_a, fmt_w = get("adaptivfloat:8,5"), get("adaptivfloat:8,4")
    a = np.array([[np.argmax(fmt_a.values)] * 2 + [1]], dtype=np.uint8)
    w = np.array([[np.argmax(fmt_w.values)] * 2 + [1]], dtype=np.uint8).T
    product = fmt_a.ratio * fmt_w.ratio
    assert product.bit_length() == 53
    smallest = round(float(fmt_a.values[1] / fmt_a.quantum))
    smallest *= round(float(fmt_w.values[1] / fmt_w.quantum))
    assert (2 * product + smallest) % 2 == 1
    for bits in (54, 55, 56):
        expected = min(2 ** (bits - 1) - 1, 2 * product + smallest)
        for engine in ENGINES:
            if engine.lacks(Spec(fmt_a, fmt_w, Saturate(bits), 3, 1)) is None:
                acc = dot(a, w, fmt_a, fmt_w, Saturate(bits), 1, engine.name).acc
                assert acc.tolist() == [[expected]], engine.name


@needs_native
def test_saturating_sums_at_the_widest_native_register() -> None:
    """52 bits: sums reach both limits, and every bit of them counts."""
    narrow = get("posit:8,1")
    accumulator = Saturate(52)
    spec = Spec(narrow, narrow, accumulator, 40, 4)
    top = np.flatnonzero(np.abs(narrow.values) >= 1024).astype(np.uint8)
    rng = np.random.default_rng(0)
    a, w = rng.choice(top, (20, 40)), rng.choice(top, (40, 20))
    a[:, 2::3], w[2::3] = 1, 1  # the smallest value, so that low bits are there to be lost
    results = [
        dot(a, w, narrow, narrow, accumulator, 4, engine.name)
        for engine in ENGINES
        if engine.lacks(spec) is None
    ]
    assert {result.engine for result in results} == {"ordered-saturate", "numpy", "rational"}
    assert all(same(results[0], other) for other in results)
    clipped = dot(a, w, narrow, narrow, Exact(), 4).acc != results[0].acc
    assert clipped.any()
    assert (results[0].acc % 2 == 1).any()


@pytest.mark.parametrize("name", ["adaptivfloat:8,3", "e4m3fn", "e5m2", "posit:8,1", "lns:8,3"])
def test_every_pair_of_codes(name: str) -> None:
    """All 65 536 products, then all sums of a product and a fixed one, by every engine."""
    fmt = get(name)
    every = np.arange(256, dtype=np.uint8)
    finite = every[np.isfinite(fmt.values)]
    last = finite[-1]
    for accumulator in (Exact(), Wrap(24), Float32(), Float(fmt), Float(get("binary16"))):
        spec = Spec(fmt, fmt, accumulator, 2, 1)
        codes = finite if spec.is_integer else every
        a = np.stack([np.full(len(codes), last), codes], axis=1)
        w = np.stack([np.full(len(codes), codes[3]), codes], axis=0)
        applicable = [engine.name for engine in ENGINES if engine.lacks(spec) is None]
        results = [
            dot(a, w, fmt, fmt, accumulator, 1, engine)
            for engine in applicable
            if engine != "rational"
        ]
        assert all(same(results[0], other) for other in results), (accumulator, applicable)
        rows = slice(0, None, 16)
        exact = dot(a[rows], w, fmt, fmt, accumulator, 1, "rational").acc
        found = results[0].acc[rows]
        assert np.array_equal(found, exact, equal_nan=exact.dtype != np.object_)
