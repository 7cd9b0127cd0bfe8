"""Which formats are a plain rounding to nearest even, decided from their tables and thresholds.

``binary_rounding`` reads the parameters off the table and then proves them: the parametric
rounding and the format's projection are both monotone step functions, so they are equal
everywhere if they are equal at both ends of every step of the projection.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format
from systolab.formats.projection.rounding import Rounding

__all__ = ["BinaryRounding", "NativeRounding", "binary_rounding"]

_BEYOND = 2.0**1000


class NativeRounding(ctypes.Structure):
    """``systolab_rounding``."""

    _fields_ = (
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("below", ctypes.c_double),
        ("above", ctypes.c_double),
        ("least", ctypes.c_int32),
        ("most", ctypes.c_int32),
        ("fraction", ctypes.c_int32),
    )


@dataclass(frozen=True)
class BinaryRounding:
    """Round to nearest even to ``fraction`` bits below the exponent, then replace what overflows.

    Attributes:
        low, high: the finite limits.
        below, above: what lies beyond them becomes: a limit, an infinity or NaN.
        least, most: exponents of the smallest normal and of the largest finite value.
        fraction: fraction bits.
        handles_specials: whether infinities and NaN are projected as this rounding leaves them.
    """

    low: float
    high: float
    below: float
    above: float
    least: int
    most: int
    fraction: int
    handles_specials: bool

    def apply(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Round binary64 values, by the operations of the native engine.

        NaN stays; an infinity and what is beyond the limits become ``below`` or ``above``.
        """
        exponent = np.clip(np.frexp(x)[1] - 1, self.least, self.most)
        magic = np.ldexp(1.5, exponent + (52 - self.fraction))
        rounded = np.asarray((x + magic) - magic)
        rounded[rounded > self.high] = self.above
        rounded[rounded < self.low] = self.below
        return rounded

    def native(self) -> NativeRounding:
        """The parameters as the native engines take them."""
        return NativeRounding(
            *(self.low, self.high, self.below, self.above, self.least, self.most, self.fraction)
        )


@lru_cache(maxsize=64)
def binary_rounding(fmt: Format) -> BinaryRounding | None:
    """The rounding that the format's projection is, or None where it is not one."""
    points = fmt.codebook.points
    if fmt.rounding is not Rounding.NEAREST_EVEN or len(points) < 3 or points[-2] <= 0:
        return None
    most = math.frexp(max(points[-1], -points[0]))[1] - 1
    # The spacing just below the largest magnitude, in whichever sign has it in its last binade.
    step = points[-1] - points[-2]
    fraction = math.frexp(points[-2])[1] - math.frexp(step)[1]
    if not 0 <= fraction <= 24:
        return None
    below, above = fmt.values[fmt.encode(np.array([-_BEYOND, _BEYOND]))].tolist()
    candidate = BinaryRounding(
        low=float(points[0]),
        high=float(points[-1]),
        below=below,
        above=above,
        least=math.frexp(fmt.quantum)[1] - 1 + fraction,
        most=most,
        fraction=fraction,
        handles_specials=_agrees(fmt, below, above),
    )
    bounds = fmt.projection.bounds
    bounds = bounds[np.isfinite(bounds)]
    with np.errstate(over="ignore"):
        before = np.nextafter(bounds, -np.inf)
    ends = np.concatenate([bounds, before, [0.0, -_BEYOND, _BEYOND]])
    projected = fmt.values[fmt.encode(ends)]
    return candidate if np.array_equal(candidate.apply(ends), projected, equal_nan=True) else None


def _agrees(fmt: Format, below: float, above: float) -> bool:
    """Whether NaN stays NaN and infinities go where large finite values go."""
    specials = fmt.values[fmt.encode(np.array([-np.inf, np.inf, np.nan]))]
    return np.array_equal(specials, np.array([below, above, np.nan]), equal_nan=True)
