"""Rounding to odd into binary64: what it gives is projected as the exact number would be.

An inexact number becomes the one of its two neighbours whose last bit is one. So it stays on its
side of every binary64 whose last bit is zero, as are all numbers of at most 52 significant bits.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError

__all__ = ["add_odd", "divide_odd", "from_integers", "from_long_doubles", "from_objects"]

_Real = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_SPLIT = 2.0**27 + 1
_TINY = float(np.finfo(np.float64).tiny)


def add_odd(x: _Real, y: _Real) -> _Real:
    """``x + y`` rounded to odd; NaN, infinities and a zero's sign are IEEE 754's."""
    total = x + y
    # Knuth's two-sum: the rounding error of an addition is itself a binary64.
    back = total - x
    error = (x - (total - back)) + (y - back)
    return _to_odd(total, np.where(np.isfinite(total), error, 0.0))


def from_integers(x: NDArray[np.int64] | NDArray[np.uint64]) -> tuple[_Real, _Bools]:
    """64-bit integers, rounded to odd; and which of them are no binary64."""
    upper, lower = np.divmod(x, x.dtype.type(2**32))
    rounded = add_odd(upper.astype(np.float64) * 2.0**32, lower.astype(np.float64))
    # A rounded integer is odd, so it is within the type's range: 2^63 and 2^64 are even.
    return rounded, rounded.astype(x.dtype) != x


def from_long_doubles(x: NDArray[np.longdouble]) -> tuple[_Real, _Bools]:
    """Long doubles, rounded to odd; and which of them are no binary64.

    NaN, infinities and -0 stay; what is finite stays so.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = x.astype(np.float64)
        error = np.sign(np.where(np.isfinite(x), x - nearest, 0)).astype(np.float64)
    return _to_odd(nearest, error), error != 0


def from_objects(x: NDArray[np.object_]) -> tuple[_Real, _Bools]:
    """Python's integers, floats and fractions, as ``from_long_doubles``.

    Raises:
        SystolabError: an element is something else.
    """
    flat = x.reshape(-1)
    nearest, error = np.empty(flat.shape), np.empty(flat.shape)
    for i, item in enumerate(flat.tolist()):
        exact = int(item) if isinstance(item, np.integer) else item
        if not isinstance(exact, int | float | Fraction | np.floating):
            raise SystolabError(f"Data must be real numbers, not {type(item).__name__}")
        try:
            value = float(exact)
        except OverflowError:
            value = np.inf if exact > 0 else -np.inf
        nearest[i], error[i] = value, int(exact > value) - int(exact < value)
    return _to_odd(nearest, error).reshape(x.shape), (error != 0).reshape(x.shape)


def divide_odd(x: NDArray[np.floating], divisor: NDArray[np.float32], zeros: int) -> _Real:
    """Binary64 quotients on the side of the exact ones of every number that ends in zero bits.

    NaN, infinities and zeros are divided as by IEEE 754; the quotient of what is finite is finite.

    Args:
        x: dividends.
        divisor: positive finite divisors, broadcastable to ``x``.
        zeros: how many zero bits the significands end in that quotients will be compared with,
            1 to 52.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        quotient = np.asarray(np.divide(x, divisor, dtype=np.float64))
    # The nearest quotient of an inexact division is on the wrong side only if it ends so itself.
    ends = (quotient.view(np.uint64) & np.uint64((1 << zeros) - 1)) == 0
    in_range = (np.abs(quotient) >= _TINY) & (quotient < np.inf) & (quotient > -np.inf)
    power_of_two = (divisor.view(np.uint32) & np.uint32(0x7F_FFFF)) == 0
    beside = np.nonzero(ends & ~(in_range & power_of_two) & np.isfinite(x) & (x != 0))
    if len(beside[0]):
        divisors = np.broadcast_to(divisor, quotient.shape)[beside]
        quotient[beside] = _divide_odd(x[beside].astype(np.float64), divisors.astype(np.float64))
    return quotient


def _divide_odd(x: _Real, divisor: _Real) -> _Real:
    """Quotients of finite numbers, rounded to odd; divisors have 24 significant bits."""
    (x, x_exponent), (divisor, exponent) = np.frexp(x), np.frexp(divisor)
    quotient = x / divisor
    # Exact: halves of the quotient times the divisor, and the remainder of a nearest quotient.
    lifted = quotient * _SPLIT
    upper = lifted - (lifted - quotient)
    remainder = (x - upper * divisor) - (quotient - upper) * divisor
    odd = _to_odd(quotient, remainder)
    shift = x_exponent - exponent
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.ldexp(odd, shift)
        lost = odd - np.ldexp(scaled, -shift)  # where it leaves the range, or becomes subnormal
    return _to_odd(scaled, lost)


def _to_odd(nearest: _Real, error: _Real) -> _Real:
    """From the nearest binary64 and the sign of what it lacks to the exact number."""
    even = (nearest.view(np.int64) & 1) == 0
    return np.where(even & (error != 0), np.nextafter(nearest, np.copysign(np.inf, error)), nearest)
