"""A format whose scale is part of its table: an exponent bias fixed in advance."""

from __future__ import annotations

from math import ldexp

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.scaling.scaling import Scaling

__all__ = ["FixedBias"]


class FixedBias(Format):
    """Another format's values times ``2**bias``, never scaled to the data.

    This is how FlexASR's exponent-bias register behaves when it is written once.
    """

    scaling = Scaling()

    def __init__(self, base: Format, bias: int) -> None:
        """Fix the scale of ``base`` at ``2**bias``.

        Raises:
            SystolabError: ``base`` scales blocks.
        """
        if base.scaling.block is not None:
            raise SystolabError(
                Parameter("fixed_bias"),
                f" must be given to a format without blocks, not {base.name}",
            )
        self.base = base
        self.bias = bias
        self.bits = base.bits
        self.rounding = base.rounding
        self.saturation = base.saturation
        self.name = f"{base.name} with bias {bias}"

    def decode(self, code: int) -> float:
        """The base's value times ``2**bias``."""
        return ldexp(self.base.decode(code), self.bias)

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """The base's bounds, scaled."""
        lower, upper = np.ldexp(pairs.lower, -self.bias), np.ldexp(pairs.upper, -self.bias)
        plain = Neighbours(lower, upper, pairs.lower_code, pairs.upper_code)
        return np.ldexp(self.base.rounding_bounds(plain), self.bias)
