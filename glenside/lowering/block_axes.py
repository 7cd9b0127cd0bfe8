"""Along which axis of a contraction both operands are cut into blocks that share a scale.

Every tile of a block-scaled array must lie within one block of either operand. So the blocks run
along an index of the reduction that walks one dimension of each operand, alone and one by one:
channels of a convolution, rows of a matrix; never its rows and columns of pixels, which overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from systolab.glenside.affine.contraction import Contraction, NotAffineError, Region
from systolab.glenside.affine.nest import Role

__all__ = ["BlockAxis", "block_axis"]


@dataclass(frozen=True)
class BlockAxis:
    """Where blocks run.

    Attributes:
        name: of the axis; empty where blocks have a single element.
        a, w: dimensions of the operands.
    """

    name: str
    a: int
    w: int


def block_axis(contraction: Contraction) -> BlockAxis:
    """The longest axis that blocks can run along.

    Raises:
        NotAffineError: there is none.
    """
    found: list[tuple[int, BlockAxis]] = []
    for i, axis in enumerate(contraction.axes):
        if axis.role is not Role.REDUCTION:
            continue
        a, w = (_walked(region, i) for region in (contraction.a, contraction.w))
        if a is not None and w is not None:
            found.append((axis.length, BlockAxis(axis.name, a, w)))
    if found:
        return max(found, key=lambda item: item[0])[1]
    single = [_single(region) for region in (contraction.a, contraction.w)]
    if single[0] is not None and single[1] is not None:  # an image of one channel
        return BlockAxis("", single[0], single[1])
    raise NotAffineError("Blocks must run along one dimension of both operands, and none is free")


def _walked(region: Region, axis: int) -> int | None:
    """The dimension that an axis walks one by one and alone."""
    dims = [d for d, form in enumerate(region.coordinates) if form.coefficients[axis]]
    if len(dims) != 1 or any(form.coefficients[axis] for form, _ in region.conditions):
        return None
    form = region.coordinates[dims[0]]
    alone = sum(map(abs, form.coefficients)) == form.coefficients[axis] == 1
    return dims[0] if alone and form.offset == 0 else None


def _single(region: Region) -> int | None:
    """The dimension of channels, where it has length 1."""
    return 1 if len(region.shape) > 2 and region.shape[1] == 1 else None
