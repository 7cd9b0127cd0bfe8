"""Rounding to a format after every operation, without double rounding.

A product of two table values is exact in binary64 (24 + 24 significant bits). A sum may not be:
its binary64 rounding is then replaced by round-to-odd, from which any projection whose decision
thresholds have at most 51 significant bits is the projection of the exact sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format
from systolab.formats.projection.odd import add_odd

__all__ = ["add_projected", "project"]

_Real = NDArray[np.float64]


def project(fmt: Format, x: _Real) -> _Real:
    """The value of the code of ``x``, specials as ``encode`` has them; a zero is +0."""
    values: _Real = fmt.values[fmt.encode(x)]
    return values + 0.0


def add_projected(fmt: Format, x: _Real, y: _Real) -> _Real:
    """The projection of the exact sum ``x + y``."""
    return project(fmt, add_odd(x, y))
