"""AdaptivFloat: a float whose exponent bias follows the data (Tambe et al., DAC 2020).

The exponent bias is the power-of-two scale, so the codebook itself is fixed: with m = n - 1 - e
mantissa bits, ``(1 + M / 2^m) * 2^E``, E = 0 .. 2^e - 1. There are no subnormals: code E = 0,
M = 0 is zero, in both signs.
"""

from __future__ import annotations

from math import ldexp

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds, midpoint_bounds
from systolab.formats.projection.rounding import Rounding
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["AdaptivFloat"]


class AdaptivFloat(Format):
    """The paper's format: nearest value, half the smallest magnitude rounds up to it.

    The scale is ``2^exp_bias`` with ``exp_bias = floor(log2 max|x|) - (2^e - 1)``.
    """

    scaling = Scaling(ScaleKind.POW2)

    def __init__(self, bits: int, exponent_bits: int) -> None:
        """Make AdaptivFloat<bits, exponent_bits>.

        Raises:
            SystolabError: the widths leave no sign bit or exceed binary32's exponents.
        """
        if not 2 <= bits <= 16:
            raise SystolabError(f"AdaptivFloat's width must be 2 to 16 bits, not {bits}")
        if not 0 <= exponent_bits <= min(bits - 1, 6):
            raise SystolabError(
                f"AdaptivFloat's exponent must be 0 to {min(bits - 1, 6)} bits, not {exponent_bits}"
            )
        self.bits = bits
        self.exponent_bits = exponent_bits
        self.mantissa_bits = bits - 1 - exponent_bits
        self.name = f"adaptivfloat:{bits},{exponent_bits}"

    def decode(self, code: int) -> float:
        """Zero, +0 in both signs, where E = M = 0; else ``(1 + M / 2^m) * 2^E`` with its sign."""
        magnitude = code & ((1 << (self.bits - 1)) - 1)
        if magnitude == 0:
            return 0.0
        mantissa = magnitude & ((1 << self.mantissa_bits) - 1)
        exponent = magnitude >> self.mantissa_bits
        value = ldexp((1 << self.mantissa_bits) + mantissa, exponent - self.mantissa_bits)
        return -value if code >> (self.bits - 1) else value

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """As usual, except that a tie with zero goes away from it."""
        bounds = default_bounds(pairs, self.rounding)
        if self.rounding is Rounding.NEAREST_EVEN:
            beside_zero = (pairs.lower == 0) | (pairs.upper == 0)
            away = midpoint_bounds(pairs.lower, pairs.upper, pairs.lower == 0)
            bounds = np.where(beside_zero, away, bounds)
        return bounds
