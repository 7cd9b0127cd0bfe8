"""Rounding to a format after every operation, without double rounding.

A product of two table values is exact in binary64 (24 + 24 significant bits). A sum may not be:
its binary64 rounding is then replaced by round-to-odd, from which any projection whose decision
thresholds have at most 51 significant bits is the projection of the exact sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format

__all__ = ["add_odd", "add_projected", "project"]

_Real = NDArray[np.float64]


def project(fmt: Format, x: _Real) -> _Real:
    """The value of the code of ``x``, specials as ``encode`` has them; a zero is +0."""
    values: _Real = fmt.values[fmt.encode(x)]
    return values + 0.0


def add_projected(fmt: Format, x: _Real, y: _Real) -> _Real:
    """The projection of the exact sum ``x + y``."""
    return project(fmt, add_odd(x, y))


def add_odd(x: _Real, y: _Real) -> _Real:
    """``x + y`` rounded to odd: exact, or the neighbour whose last bit is one.

    NaN, infinities and a zero's sign are IEEE 754's.
    """
    total = x + y
    # Knuth's two-sum: the rounding error of an addition is itself a binary64.
    back = total - x
    error = (x - (total - back)) + (y - back)
    even = (total.view(np.int64) & 1) == 0
    inexact = even & np.isfinite(total) & (error != 0)
    return np.where(inexact, np.nextafter(total, np.copysign(np.inf, error)), total)
