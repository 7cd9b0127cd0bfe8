"""Inputs of the stages: decision boundaries, special values, extreme operands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.format import Format

__all__ = [
    "MANY",
    "SPECIALS",
    "accumulators",
    "boundaries",
    "extreme_codes",
    "float_operands",
    "random_binary32",
    "thinned",
    "usable_codes",
]

_U32 = NDArray[np.uint32]

MANY = 4096  # codes that go through the whole machine one by one; single blocks see all of them

SPECIALS = np.array(
    [
        0x00000000,  # +0, -0
        0x80000000,
        0x00000001,  # smallest subnormals
        0x80000001,
        0x007FFFFF,  # largest subnormals
        0x807FFFFF,
        0x00800000,  # smallest normals
        0x80800000,
        0x3F7FFFFF,  # around 1
        0x3F800000,
        0x3F800001,
        0xBF800000,
        0x7F7FFFFF,  # largest finite values
        0xFF7FFFFF,
        0x7F800000,  # infinities
        0xFF800000,
        0x7FC00000,  # NaNs: canonical, negative, signalling, with payload
        0xFFC00000,
        0x7F800001,
        0xFF800001,
        0x7FFFFFFF,
        0xFFFFFFFF,
        0x7FBFFFFF,
    ],
    np.uint32,
)


def boundaries(fmt: Format) -> _U32:
    """binary32 bits around every decision of a format's projection, its values, and specials.

    Every threshold with its four nearest neighbours on each side, every codebook value with its
    two neighbours, and every midpoint between adjacent values.
    """
    keys = fmt.encoder().keys.astype(np.int64)
    near = (keys[:, None] + np.arange(-4, 5)).reshape(-1)
    points = fmt.codebook.points
    with np.errstate(over="ignore"):
        values = np.concatenate([points, (points[1:] + points[:-1]) / 2]).astype(np.float32)
    own = _keys(values)
    around = (own[:, None] + np.arange(-1, 2)).reshape(-1)
    inside = np.clip(np.concatenate([near, around]), 0, 0xFFFFFFFF).astype(np.uint32)
    return np.unique(np.concatenate([_from_keys(inside), SPECIALS]))


def _keys(values: NDArray[np.float32]) -> NDArray[np.int64]:
    bits = values.view(np.uint32)
    flip = np.where(bits >> np.uint32(31) == 1, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    return (bits ^ flip).astype(np.int64)


def _from_keys(keys: _U32) -> _U32:
    flip = np.where(keys >> np.uint32(31) == 1, np.uint32(0x80000000), np.uint32(0xFFFFFFFF))
    return np.asarray(keys ^ flip, dtype=np.uint32)


def random_binary32(rng: np.random.Generator, count: int, fmt: Format) -> _U32:
    """Half of them any bit pattern, half within the format's range."""
    half = count // 2
    anything = rng.integers(0, 1 << 32, count - half, dtype=np.uint32)
    exponent = rng.uniform(np.log2(fmt.quantum) - 2, np.log2(fmt.max) + 1, half)
    with np.errstate(over="ignore", under="ignore"):
        ranged = (np.exp2(exponent) * rng.choice([-1.0, 1.0], half)).astype(np.float32)
    return np.concatenate([anything, ranged.view(np.uint32)])


def usable_codes(fmt: Format, specials: bool) -> Codes:
    """All codes, or those of finite values."""
    codes = np.arange(1 << fmt.bits, dtype=np.uint16)
    return codes if specials else codes[np.isfinite(fmt.values)]


def thinned(codes: Codes) -> Codes:
    """All codes; evenly spaced ones, with the first and last, where there are many."""
    if len(codes) <= MANY:
        return codes
    chosen: Codes = codes[np.linspace(0, len(codes) - 1, MANY).astype(np.int64)]
    return chosen


def extreme_codes(fmt: Format) -> Codes:
    """Zero, the smallest and largest magnitudes of both signs, and one in between."""
    book = fmt.codebook
    points = book.points
    nonzero = np.flatnonzero(points != 0)
    negative, positive = nonzero[points[nonzero] < 0], nonzero[points[nonzero] > 0]
    chosen = {int(book.zero)}
    for side in (negative, positive):
        if len(side):
            chosen |= {int(book.codes[side[i]]) for i in (0, len(side) // 2, -1)}
    return np.array(sorted(chosen), np.uint16)


def float_operands(patterns: int) -> _U32:
    """binary32 operands in the manner of TestFloat: exponents and significands at their edges.

    Args:
        patterns: how many significand patterns stand beside each exponent.
    """
    exponents = [0, 1, 2, 23, 24, 25, 64, 100, 102, 103, 104, 125, 126, 127, 128, 129]
    exponents += [150, 151, 152, 200, 230, 231, 252, 253, 254, 255]
    fractions = [0, 1, 0x7FFFFF, 0x400000, 0x3FFFFF, 0x400001, 0x7FFFFE, 0x555555, 0x2AAAAA]
    values = [
        sign << 31 | exponent << 23 | fraction
        for sign in (0, 1)
        for exponent in exponents
        for fraction in fractions[:patterns]
    ]
    return np.array(values, np.uint32)


def accumulators(bits: int, is_float: bool, rng: np.random.Generator, count: int) -> _U32:
    """Extreme, zero and random accumulators, as words [count, words]."""
    words = -(-bits // 32)
    out = rng.integers(0, 1 << 32, (count, words), dtype=np.uint32)
    if is_float:
        edges = [0, 0x80000000, 0x7F7FFFFF, 0xFF7FFFFF, 0x00000001, 0x7F800000, 0x7FC00000]
        fixed = np.array(edges, np.uint32)[:, None]
    else:
        half = 1 << (bits - 1)
        numbers = [0, half - 1, half, (1 << bits) - 1, 1]
        fixed = np.array([[x >> 32 * i & 0xFFFFFFFF for i in range(words)] for x in numbers])
    fixed = fixed[:count].astype(np.uint32)
    out[: len(fixed)] = fixed
    top = bits - 32 * (words - 1)
    if top < 32:
        out[:, -1] &= np.uint32((1 << top) - 1)
    return out
