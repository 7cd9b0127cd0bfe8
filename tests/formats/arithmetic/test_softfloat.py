"""SoftFloat over arrays, and the processor's binary32 against it."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab.formats import get
from systolab.formats.arithmetic import softfloat
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.dot.product import dot
from systolab.formats.errors import SystolabError

F32 = NDArray[np.float32]


def patterns(count: int, seed: int) -> F32:
    """Binary32 values that are hostile: any bits, subnormals, close exponents, specials."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, count, dtype=np.uint32)
    kind = rng.integers(0, 4, count)
    bits = np.where(kind == 1, bits & np.uint32(0x80FF_FFFF), bits)  # subnormal or tiny
    bits = np.where(kind == 2, (bits & np.uint32(0x80FF_FFFF)) | np.uint32(0x3F00_0000), bits)
    special = rng.choice(
        np.array([0, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 0x7F7F_FFFF, 1]), count
    )
    return np.where(kind == 3, special, bits).astype(np.uint32).view(np.float32)


def same_but_for_nan(x: F32, y: F32) -> bool:
    both = np.isnan(x) & np.isnan(y)
    return bool(((x.view(np.uint32) == y.view(np.uint32)) | both).all())


def test_processor_and_softfloat_give_the_same_sums_and_products() -> None:
    x, y = patterns(200_000, 1), patterns(200_000, 2)
    with np.errstate(all="ignore"):
        assert same_but_for_nan(softfloat.add(x, y), x + y)
        assert same_but_for_nan(softfloat.multiply(x, y), x * y)


def test_slow_and_fast_ways_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = patterns(2000, 3).reshape(40, 50), patterns(50, 4)
    integers = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, (40, 50))
    integers >>= np.arange(50)

    def everything() -> list[F32]:
        limits = np.float32(-1e10), np.float32(3e-39)
        return [
            softfloat.add(x, y),
            softfloat.multiply(x, y),
            softfloat.scale_and_clamp(x, y, y[::-1], *limits),
            softfloat.from_int64(integers, -160),
        ]

    fast = everything()
    monkeypatch.setattr(softfloat, "available", lambda: False)
    for one, other in zip(fast, everything(), strict=True):
        assert one.shape == other.shape == (40, 50)
        assert one.tobytes() == other.tobytes()


def test_another_rounding_mode_is_refused() -> None:
    mode = ctypes.c_uint8.in_dll(softfloat.library(), "softfloat_roundingMode")
    x = np.ones(1, np.float32)
    mode.value = 1
    try:
        with pytest.raises(SystolabError, match="^SoftFloat's rounding mode must be 0 .* not 1: "):
            softfloat.add(x, x)
        fmt = get("e4m3fn")
        codes = np.zeros((1, 1), np.uint8)
        with pytest.raises(SystolabError, match="^SoftFloat's rounding mode must be 0"):
            dot(codes, codes, fmt, fmt, Float32(), 1, "softfloat")
    finally:
        mode.value = 0


def test_hidden_symbols_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    softfloat.library.cache_clear()
    monkeypatch.setattr(softfloat, "_has", lambda _, name: name != "f32_mul")
    try:
        with pytest.raises(
            SystolabError, match=r"must export SoftFloat's C functions, not hide f32_mul"
        ):
            softfloat.library()
    finally:
        softfloat.library.cache_clear()
