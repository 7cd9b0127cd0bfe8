"""A batched dot product over tensors: axes, and where each tensor is read for given indices.

This is the affine reading of a layer before layouts are chosen. ``nest`` chooses them: coordinates
become addresses, and axes are cut where a blocked layout cuts their dimension.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from systolab.formats.errors import SystolabError
from systolab.glenside.affine.nest import TOUCHED, A, Condition, Loop, Nest, O, P, Role, W
from systolab.glenside.language.layout import Layout
from systolab.glenside.network.network import Shape

__all__ = ["Axis", "Contraction", "Linear", "NotAffineError", "Region"]


class NotAffineError(SystolabError):
    """A computation that no affine access pattern describes."""


@dataclass(frozen=True)
class Axis:
    """One index of the computation."""

    name: str
    role: Role
    length: int


@dataclass(frozen=True)
class Linear:
    """``offset + sum(coefficients[i] * index[i])`` over all axes."""

    offset: int
    coefficients: tuple[int, ...]


@dataclass(frozen=True)
class Region:
    """Where a tensor is read or written.

    Attributes:
        tensor: its name.
        shape: its dimensions.
        coordinates: one for each dimension; an element outside the tensor counts as zero.
        conditions: more of them, as (linear form, bound): 0 <= form < bound.
    """

    tensor: str
    shape: Shape
    coordinates: tuple[Linear, ...]
    conditions: tuple[tuple[Linear, int], ...] = ()


@dataclass(frozen=True)
class Contraction:
    """For every batch, row and column index: o = sum over the reduction of a * w.

    Attributes:
        axes: the indices.
        a, w, o: the operands' regions.
        channel: index of the scale and bias of an output.
    """

    axes: tuple[Axis, ...]
    a: Region
    w: Region
    o: Region
    channel: Linear

    def nest(self, a: Layout, w: Layout | None, o: Layout) -> Nest:
        """The loop nest for operands in given layouts; None for a constant W, in row-major order.

        Raises:
            NotAffineError: a coordinate does not step through the blocks of its dimension evenly.
        """
        layouts = {A: a, W: w or Layout.row_major(len(self.w.shape)), O: o}
        regions = {A: self.a, W: self.w, O: self.o}
        cuts: dict[int, set[int]] = {}
        for operand, region in regions.items():
            for dim, coordinate in enumerate(region.coordinates):
                block = layouts[operand].block(dim)
                for axis, size in self._cuts(coordinate, block).items():
                    cuts.setdefault(axis, set()).add(size)
        pieces = self._pieces(cuts)
        return _bind(self, pieces, regions, layouts)

    def _cuts(self, coordinate: Linear, block: int) -> dict[int, int]:
        """Where axes must be cut so that a coordinate's block number and position are affine."""
        if block == 1:
            return {}
        inside = [
            (coefficient, i)
            for i, coefficient in enumerate(coordinate.coefficients)
            if coefficient % block
        ]
        reach, cuts = coordinate.offset % block, {}
        for coefficient, i in sorted(inside):
            length = self.axes[i].length
            if coefficient < 0:
                raise NotAffineError(f"Axis '{self.axes[i].name}' must not run backwards in blocks")
            if reach + coefficient * (length - 1) < block:
                reach += coefficient * (length - 1)
                continue
            if reach >= coefficient or block % coefficient or coordinate.offset % block:
                raise NotAffineError(
                    f"Axis '{self.axes[i].name}' must step through blocks of {block} evenly, "
                    f"not by {coefficient}"
                )
            cuts[i] = block // coefficient
            reach += block - coefficient
        return cuts

    def _pieces(self, cuts: Mapping[int, set[int]]) -> list[list[tuple[int, int]]]:
        """(weight, length) of the loops of every axis, slowest first."""
        result = []
        for i, axis in enumerate(self.axes):
            weights = sorted({1, *cuts.get(i, ())}, reverse=True)
            for large, small in itertools.pairwise(weights):
                if large % small:
                    raise NotAffineError(
                        f"Axis '{axis.name}' must be cut into blocks that divide each other, "
                        f"not {small} and {large}"
                    )
            limits = [axis.length, *weights[:-1]]
            result.append([(w, -(-limit // w)) for w, limit in zip(weights, limits, strict=True)])
        return result


def _bind(
    contraction: Contraction,
    pieces: Sequence[Sequence[tuple[int, int]]],
    regions: Mapping[int, Region],
    layouts: Mapping[int, Layout],
) -> Nest:
    axes = contraction.axes
    flat = [(i, weight, length) for i, parts in enumerate(pieces) for weight, length in parts]
    names = [
        axes[i].name if len(pieces[i]) == 1 else f"{axes[i].name}:{weight}" for i, weight, _ in flat
    ]

    def spread(form: Linear) -> tuple[int, ...]:
        return tuple(form.coefficients[i] * weight for i, weight, _ in flat)

    bases = [0, 0, 0, contraction.channel.offset]
    strides = [[0] * len(flat) for _ in range(3)] + [list(spread(contraction.channel))]
    conditions: list[Condition] = []
    for operand, region in regions.items():
        steps = layouts[operand].strides(region.shape)
        for step, size, form in zip(steps, region.shape, region.coordinates, strict=True):
            bases[operand] += form.offset // step.block * step.outer
            bases[operand] += form.offset % step.block * step.inner
            for at, coefficient in enumerate(spread(form)):
                blocks, inside = divmod(coefficient, step.block)
                strides[operand][at] += blocks * step.outer + inside * step.inner
            conditions.append(Condition(operand, form.offset, spread(form), size))
        conditions += [
            Condition(operand, form.offset, spread(form), bound)
            for form, bound in region.conditions
        ]
    for i, axis in enumerate(axes):  # what lies past the end of an axis that was cut unevenly
        if sum(weight * (length - 1) for weight, length in pieces[i]) >= axis.length:
            cover = tuple(weight if j == i else 0 for j, weight, _ in flat)
            conditions += [
                Condition(operand, 0, cover, axis.length) for operand in TOUCHED[axis.role]
            ]
    loops = tuple(
        Loop(name, axes[i].role, length, (strides[A][at], strides[W][at], strides[O][at],
                                          strides[P][at]))
        for at, (name, (i, _, length)) in enumerate(zip(names, flat, strict=True))
    )  # fmt: skip
    unique = tuple(dict.fromkeys(conditions))
    a, w, o, p = bases
    return Nest(loops, (a, w, o, p), unique).trimmed()
