"""Affine views: where an access pattern reads its tensor.

A view is a loop nest: every dimension of the access pattern is a run of loops (slowest first, so
that flattening is concatenation and reshaping is regrouping), and every coordinate of the tensor is
a linear form in the loop indices. Conditions say where padding stands instead of an element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from systolab.glenside.affine.contraction import Linear, NotAffineError
from systolab.glenside.network.network import Shape

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """An affine reading of one tensor.

    Attributes:
        tensor: its name.
        shape: its dimensions.
        layout: how it is stored, when the term says so.
        loops: lengths of the loops.
        coordinates: one linear form of the loops for each tensor dimension.
        conditions: (form, bound); where one fails, the element is zero.
        dims: for each dimension of the access pattern its loops, slowest first; () has size one.
        split: number of access dimensions; the others are item dimensions.
    """

    tensor: str
    shape: Shape
    layout: str | None
    loops: tuple[int, ...]
    coordinates: tuple[Linear, ...]
    conditions: tuple[tuple[Linear, int], ...]
    dims: tuple[tuple[int, ...], ...]
    split: int

    @staticmethod
    def whole(tensor: str, shape: Shape, layout: str | None = None) -> View:
        """The tensor itself, all dimensions access dimensions."""
        rank = len(shape)
        return View(
            tensor,
            shape,
            layout,
            shape,
            tuple(Linear(0, tuple(int(i == dim) for i in range(rank))) for dim in range(rank)),
            (),
            tuple((dim,) for dim in range(rank)),
            rank,
        )

    def size(self, dim: int) -> int:
        """Size of a dimension of the access pattern."""
        return math.prod(self.loops[i] for i in self.dims[dim])

    def weights(self, dim: int) -> dict[int, int]:
        """How much an index of each loop adds to the index of a dimension."""
        result, weight = {}, 1
        for i in reversed(self.dims[dim]):
            result[i] = weight
            weight *= self.loops[i]
        return result

    def mapped(self, change: Callable[[Linear], Linear]) -> View:
        """All linear forms changed."""
        return replace(
            self,
            coordinates=tuple(change(form) for form in self.coordinates),
            conditions=tuple((change(form), bound) for form, bound in self.conditions),
        )

    def with_dims(self, dims: Sequence[tuple[int, ...]], split: int) -> View:
        """The same loops under other dimensions; loops nobody names are dropped (length one)."""
        used = [i for i in range(len(self.loops)) if any(i in dim for dim in dims)]
        renumbered = {old: new for new, old in enumerate(used)}
        kept = self.mapped(
            lambda form: Linear(form.offset, tuple(form.coefficients[i] for i in used))
        )
        return replace(
            kept,
            loops=tuple(self.loops[i] for i in used),
            dims=tuple(tuple(renumbered[i] for i in dim) for dim in dims),
            split=split,
        )

    def with_loop(self, length: int) -> tuple[View, int]:
        """One more loop, which moves nothing yet, and its number."""
        wider = self.mapped(lambda form: Linear(form.offset, (*form.coefficients, 0)))
        return replace(wider, loops=(*self.loops, length)), len(self.loops)

    def cut(self, loop: int, inner: int) -> tuple[View, int]:
        """A loop cut into an outer one (with its number) and an inner one (the number returned)."""
        view, added = self.with_loop(inner)

        def change(form: Linear) -> Linear:
            values = list(form.coefficients)
            values[added] = values[loop]
            values[loop] *= inner
            return Linear(form.offset, tuple(values))

        lengths = list(view.loops)
        lengths[loop] //= inner
        dims = tuple(
            tuple(item for i in dim for item in ((i, added) if i == loop else (i,)))
            for dim in self.dims
        )
        return replace(view.mapped(change), loops=tuple(lengths), dims=dims), added

    def regrouped(self, dim: int, sizes: Sequence[int]) -> View:
        """Dimension ``dim`` replaced by dimensions of the given sizes.

        Raises:
            NotAffineError: a size cuts through a loop unevenly.
        """
        view = self.merged(dim)
        rest = list(view.dims[dim])
        groups: list[tuple[int, ...]] = []
        for size in reversed(sizes):
            group: list[int] = []
            while size > 1:
                loop = rest.pop()
                length = view.loops[loop]
                if size % length == 0:
                    group.insert(0, loop)
                    size //= length
                elif length % size == 0:
                    view, inner = view.cut(loop, size)
                    rest.append(loop)
                    group.insert(0, inner)
                    size = 1
                else:
                    raise NotAffineError(
                        f"Dimension of tensor '{self.tensor}' must be reshaped along its loops, "
                        f"not {length} into {size}"
                    )
            groups.insert(0, tuple(group))
        dims = (*view.dims[:dim], *groups, *view.dims[dim + 1 :])
        split = view.split + (len(sizes) - 1 if dim < view.split else 0)
        return view.with_dims(dims, split)

    def merged(self, dim: int) -> View:
        """Neighbouring loops of a dimension joined where they walk as one; unit loops dropped."""
        view = self
        position = 0
        while position + 1 < len(view.dims[dim]):
            slow, fast = view.dims[dim][position : position + 2]
            length = view.loops[fast]
            forms = [*view.coordinates, *(form for form, _ in view.conditions)]
            walks = all(f.coefficients[slow] == f.coefficients[fast] * length for f in forms)
            if view.loops[slow] == 1 or length == 1 or walks:
                gone = fast if length == 1 else slow
                kept = slow if length == 1 else fast
                lengths = list(view.loops)
                lengths[kept] *= lengths[gone]
                run = (*view.dims[dim][:position], kept, *view.dims[dim][position + 2 :])
                dims = (*view.dims[:dim], run, *view.dims[dim + 1 :])
                view = replace(view, loops=tuple(lengths)).with_dims(dims, view.split)
            else:
                position += 1
        return view

    def single(self, dim: int) -> tuple[View, int]:
        """The view with a dimension of exactly one loop, and that loop.

        Raises:
            NotAffineError: the dimension's index is not one loop's index.
        """
        view = self.merged(dim)
        if not view.dims[dim]:
            view, added = view.with_loop(1)
            view = replace(view, dims=(*view.dims[:dim], (added,), *view.dims[dim + 1 :]))
        if len(view.dims[dim]) > 1:
            raise NotAffineError(
                f"Windows, padding and slices of tensor '{self.tensor}' must be over a dimension "
                "that is not flattened"
            )
        return view, view.dims[dim][0]

    def shifted(self, loop: int, start: int, length: int) -> View:
        """The loop runs over ``start .. start + length - 1`` of what it ran over."""
        view = self.mapped(
            lambda form: Linear(form.offset + start * form.coefficients[loop], form.coefficients)
        )
        lengths = list(view.loops)
        lengths[loop] = length
        return replace(view, loops=tuple(lengths))
