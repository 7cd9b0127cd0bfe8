"""Logarithmic number systems: sign and a fixed-point logarithm."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from math import floor, ldexp

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds, midpoint_bounds
from systolab.formats.projection.rounding import Rounding
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["Lns"]

_CONTEXT = Context(prec=60)


def _power_of_two(numerator: int, log2_denominator: int) -> float:
    """``2^(numerator / 2^log2_denominator)`` rounded to nearest binary32, its exponent unbounded.

    Sixty decimal digits decide: the power is rational only where it is exact.
    """
    whole, part = divmod(numerator, 1 << log2_denominator)
    return ldexp(round(_significand(part, log2_denominator) * 2**23), whole - 23)


def _neighbours_of_power(numerator: int, log2_denominator: int) -> tuple[float, float]:
    """The binary64 values next below and above ``2^(numerator / 2^log2_denominator)``.

    Args:
        numerator: no multiple of ``2^log2_denominator``: else the power is rational.
        log2_denominator: at least 1.
    """
    whole, part = divmod(numerator, 1 << log2_denominator)
    below = floor(_significand(part, log2_denominator) * 2**52)
    return ldexp(below, whole - 52), ldexp(below + 1, whole - 52)


@cache
def _significand(part: int, log2_denominator: int) -> Fraction:
    """``2^(part / 2^log2_denominator)``, in [1, 2), to sixty digits."""
    exponent = Decimal(part) / Decimal(1 << log2_denominator)
    return Fraction(_CONTEXT.power(Decimal(2), exponent))


class Lns(Format):
    """``(-1)^sign * 2^(L / 2^f)`` with L an (n-1)-bit two's complement logarithm.

    Values are the powers' binary32 roundings. The most negative L is zero, in both signs. The
    nearest logarithm decides (halfway powers are irrational: there are no ties), and half the
    smallest magnitude decides about zero, upwards at a tie. The scale is a power of two.
    """

    scaling = Scaling(ScaleKind.POW2)

    def __init__(self, bits: int, fraction_bits: int) -> None:
        """Make lns<bits, fraction_bits>."""
        if not 3 <= bits <= 16:
            raise SystolabError(f"LNS width must be 3 to 16 bits, not {bits}")
        if not 0 <= fraction_bits <= bits - 2 or bits - 2 - fraction_bits > 7:
            low = max(bits - 9, 0)
            raise SystolabError(
                f"LNS fraction must be {low} to {bits - 2} bits, not {fraction_bits}"
            )
        self.bits = bits
        self.fraction_bits = fraction_bits
        self.name = f"lns:{bits},{fraction_bits}"

    def _logarithm(self, code: int) -> int:
        half = 1 << (self.bits - 2)
        field = code & (2 * half - 1)
        return field - 2 * half if field & half else field

    def decode(self, code: int) -> float:
        """+0 where L is most negative, else the power of two, correctly rounded to binary32."""
        logarithm = self._logarithm(code)
        if logarithm == -(1 << (self.bits - 2)):
            return 0.0
        value = _power_of_two(logarithm, self.fraction_bits)
        return -value if code >> (self.bits - 1) else value

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """Halfway between the logarithms: the first binary64 beyond, as the power is irrational."""
        if self.rounding not in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY):
            return default_bounds(pairs, self.rounding)
        bounds = midpoint_bounds(pairs.lower, pairs.upper, pairs.lower == 0)
        for i, (low, high) in enumerate(zip(pairs.lower_code, pairs.upper_code, strict=True)):
            if pairs.lower[i] != 0 and pairs.upper[i] != 0:
                middle = self._logarithm(int(low)) + self._logarithm(int(high))
                below, above = _neighbours_of_power(middle, self.fraction_bits + 1)
                bounds[i] = above if pairs.lower[i] > 0 else -below
        return bounds
