"""AdaptivFloat<8,3> as FlexASR's hardware converts its accumulator (harvard-acc/FlexASR).

The codebook is the paper's. ``set_value_fixed`` rounds to nearest with ties towards +infinity
(``AC_RND``) as if 2^bias were a value, then finds that this code means zero: everything that rounds
to 2^bias or less becomes zero, where the paper would go up from half the minimum. The C++ leaves
the sign of a negative overflow unset; here it saturates to the negative maximum, as the sibling
conversion ``set_value_ac_float`` does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.families.adaptivfloat import AdaptivFloat
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds, midpoint_bounds
from systolab.formats.projection.rounding import Rounding

__all__ = ["FlexAsr"]


class FlexAsr(AdaptivFloat):
    """FlexASR's projection of its fixed-point accumulator onto AdaptivFloat<8,3>."""

    def __init__(self) -> None:
        """Make the 8-bit format with 3 exponent bits; the hardware has no other."""
        super().__init__(8, 3)
        self.name = "flexasr"

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """Nearest, ties towards +infinity, with 1.0 (2^bias) taken for zero."""
        if self.rounding is not Rounding.NEAREST_EVEN:
            return default_bounds(pairs, self.rounding)
        lower = np.where(pairs.lower == 0, 1.0, pairs.lower)
        upper = np.where(pairs.upper == 0, -1.0, pairs.upper)
        return midpoint_bounds(lower, upper, np.ones(lower.shape, np.bool_))
