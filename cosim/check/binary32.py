"""binary32 values by their bits: canonical NaN, and the clamp, which rounds nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["canonical_bits", "clamp"]

_U32 = NDArray[np.uint32]
_F32 = NDArray[np.float32]

_CANONICAL_NAN = 0x7FC00000


def canonical_bits(x: _F32) -> _U32:
    """Bits of binary32 values, every NaN as 0x7fc00000."""
    bits = np.ascontiguousarray(x).view(np.uint32).copy()
    bits[np.isnan(x)] = _CANONICAL_NAN
    return bits


def clamp(x: _U32, low: int, high: int) -> _U32:
    """``x < low ? low : high < x ? high : x`` on bits; NaN passes unchanged, -0 equals +0."""
    limits = np.array([low, high], np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):
        values = x.view(np.float32)
        below, above = values < limits[0], limits[1] < values
    return np.where(below, np.uint32(low), np.where(above, np.uint32(high), x)).astype(np.uint32)
