"""AdaptivFloat as in the authors' later code: two binades fewer, small values flushed.

The public code of 2022 (ttambe/AdaptivFloat, HEAD) keeps IEEE 754's two reserved exponents:
2^e - 2 binades below the largest magnitude's, all mantissas in each, and everything below the
smallest of them is flushed to zero without rounding. It never writes codes down; here the exponent
field runs 1 .. 2^e - 2, field 0 is zero, and the unused top field repeats the largest value.
"""

from __future__ import annotations

from math import ldexp

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.families.adaptivfloat import AdaptivFloat
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds

__all__ = ["AdaptivFloat2022"]


class AdaptivFloat2022(AdaptivFloat):
    """The 2022 behaviour: ``exp_min = floor(log2 max|x|) - (2^e - 3)``, no rounding below it."""

    def __init__(self, bits: int, exponent_bits: int) -> None:
        """Make the 2022 variant of AdaptivFloat<bits, exponent_bits>."""
        super().__init__(bits, exponent_bits)
        if exponent_bits < 2:
            raise SystolabError(
                f"Exponent of adaptivfloat2022 must be at least 2 bits, not {exponent_bits}"
            )
        self.name = f"adaptivfloat2022:{bits},{exponent_bits}"

    def decode(self, code: int) -> float:
        """``(1 + M / 2^m) * 2^(field - 1)`` with its sign.

        +0 in both signs where the field is 0; the largest value where it is the unused top one.
        """
        mantissa = code & ((1 << self.mantissa_bits) - 1)
        field = (code >> self.mantissa_bits) & ((1 << self.exponent_bits) - 1)
        if field == 0:
            return 0.0
        top = (1 << self.exponent_bits) - 2
        if field > top:
            field, mantissa = top, (1 << self.mantissa_bits) - 1
        integer = (1 << self.mantissa_bits) + mantissa
        value = ldexp(integer, field - 1 - self.mantissa_bits)
        return -value if code >> (self.bits - 1) else value

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """The smallest magnitude is reached only from itself upwards."""
        bounds = default_bounds(pairs, self.rounding)
        bounds = np.where(pairs.lower == 0, pairs.upper, bounds)
        return np.where(pairs.upper == 0, np.nextafter(pairs.lower, np.inf), bounds)
