"""Block-scaled formats: an element format and a scale per block along one axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.families.floating import NAMED, Float
from systolab.formats.families.integer import Fixed, Int
from systolab.formats.format import Format
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.scaling.scaling import ScaleKind, ScaleRule, Scaling, largest_scale

__all__ = ["BlockFormat", "NvFp4", "bfp", "mx"]


class BlockFormat(Format):
    """An element format under block scaling; tables and projection are the element's."""

    def __init__(self, element: Format, scaling: Scaling, name: str) -> None:
        """Put ``scaling`` on ``element``."""
        self.element = element
        self.bits = element.bits
        self.saturation = element.saturation
        self.redundant = element.redundant
        self.scaling = scaling
        self.name = name

    def decode(self, code: int) -> float:
        """The element's unscaled value, specials as the element has them."""
        return self.element.decode(code)

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """The element's, under this format's rounding."""
        return self.element.replace(rounding=self.rounding).rounding_bounds(pairs)

    def overflow_step(self, upward: bool) -> float:
        """The element's."""
        return self.element.overflow_step(upward)


_MX_ELEMENTS = {
    "mxfp8": ("e4m3fn", "e5m2"),
    "mxfp6": ("e2m3", "e3m2"),
    "mxfp4": ("e2m1",),
}


def mx(family: str, element: str | None) -> BlockFormat:
    """OCP Microscaling v1.0: blocks of 32, power-of-two scale ``floor(log2 amax) - emax``.

    Raises:
        SystolabError: the family does not have this element format.
    """
    scaling = Scaling(ScaleKind.POW2, ScaleRule.FLOOR, 32)
    if family == "mxint8":
        return BlockFormat(Fixed(8, 6), scaling, family)
    known = _MX_ELEMENTS[family]
    # In OCP MX, E4M3 is what is called e4m3fn elsewhere.
    chosen = known[0] if element is None else {"e4m3": "e4m3fn"}.get(element, element)
    if chosen not in known:
        raise SystolabError(
            f"Element format of {family} must be {' or '.join(known)}, not {element!r}"
        )
    name = family if chosen == known[0] else f"{family}:{chosen}"
    return BlockFormat(Float(NAMED[chosen], chosen), scaling, name)


def bfp(bits: int, block: int) -> BlockFormat:
    """Block floating point: ``bits``-bit symmetric integers under a shared power of two."""
    scaling = Scaling(ScaleKind.POW2, ScaleRule.FLOOR, block)
    return BlockFormat(Int(bits, symmetric=True), scaling, f"bfp:{bits},{block}")


class NvFp4(BlockFormat):
    """NVFP4: e2m1 in blocks of 16, scaled by an e4m3 number per block and a binary32 per tensor.

    The tensor's scale is ``amax / (6 * 448)``; the block's is ``amax_block / 6`` over that, rounded
    to nearest in e4m3fn and kept positive. ``fit_scale`` returns their products, which are exact
    before the one rounding to binary32.
    """

    def __init__(self) -> None:
        """Make the format; it has no parameters."""
        super().__init__(
            Float(NAMED["e2m1"], "e2m1"), Scaling(ScaleKind.BINARY32, block=16), "nvfp4"
        )

    def scale_for(self, amax: ArrayLike) -> NDArray[np.float32]:
        """Block scales on top of one tensor scale; 1 where all of ``amax`` is zero."""
        blocks = np.asarray(amax, dtype=np.float64)
        scales = Float(NAMED["e4m3fn"], "e4m3fn")
        largest = blocks.max(initial=0.0)
        if largest == 0:
            return np.ones(blocks.shape, np.float32)
        tensor = float(Scaling(ScaleKind.BINARY32).scale_of(largest, self.max * scales.max, 1))
        codes = np.maximum(scales.encode(blocks / self.max / tensor), 1)
        product = scales.values[codes] * tensor
        return np.clip(product, 2.0**-126, largest_scale(self.max)).astype(np.float32)
