"""Constructs that move, repeat or drop elements and compute nothing."""

from __future__ import annotations

from math import prod

from systolab.glenside.language.term import (
    Dims,
    Shape,
    Term,
    construct,
    require,
    require_axis,
    resized,
)

__all__ = [
    "PADDINGS", "Broadcast", "Concatenate", "Flatten", "InsertAxis", "Pad", "Reshape", "Slice",
    "Squeeze", "Transpose",
]  # fmt: skip

PADDINGS = ("zero", "min")


@construct("transpose")
class Transpose(Term):
    """Permutes all dimensions as numpy.transpose does; the split stays at its index."""

    a: Term
    permutation: Dims

    def _infer(self) -> Shape:
        dims = self.a.dims
        require(
            sorted(self.permutation) == list(range(len(dims))),
            "transpose: permutation",
            f"one of 0..{len(dims) - 1}",
            self.permutation,
        )
        moved = tuple(dims[i] for i in self.permutation)
        split = len(self.a.access)
        return Shape(moved[:split], moved[split:])


@construct("slice")
class Slice(Term):
    """Keeps lo..hi-1 of one dimension (access or item)."""

    a: Term
    axis: int
    lo: int
    hi: int

    def _infer(self) -> Shape:
        require_axis(self.axis, len(self.a.dims), "slice")
        size = self.a.dims[self.axis]
        require(
            0 <= self.lo < self.hi <= size,
            "slice: bounds",
            f"an interval inside 0..{size}",
            f"{self.lo}..{self.hi}",
        )
        return resized(self.a.shape, self.axis, self.hi - self.lo)


@construct("concatenate")
class Concatenate(Term):
    """Joins two access patterns along one dimension."""

    a: Term
    b: Term
    axis: int

    def _infer(self) -> Shape:
        a, b, axis = self.a.shape, self.b.shape, self.axis
        require_axis(axis, len(a.dims), "concatenate")
        require(
            len(a.access) == len(b.access) and resized(b, axis, a.dims[axis]) == a
            if len(b.dims) > axis
            else False,
            "concatenate: shapes",
            f"equal but for axis {axis} ({a} on the left)",
            b,
        )
        return resized(a, axis, a.dims[axis] + b.dims[axis])


@construct("pad")
class Pad(Term):
    """Grows one dimension with zeros ("zero") or with minus infinity ("min")."""

    a: Term
    padding: str
    axis: int
    before: int
    after: int

    def _infer(self) -> Shape:
        require(self.padding in PADDINGS, "pad: padding", "zero or min", self.padding)
        require_axis(self.axis, len(self.a.dims), "pad")
        require(
            self.before >= 0 and self.after >= 0,
            "pad: amounts",
            "non-negative",
            (self.before, self.after),
        )
        size = self.a.dims[self.axis] + self.before + self.after
        return resized(self.a.shape, self.axis, size)


@construct("squeeze")
class Squeeze(Term):
    """Drops a dimension of size 1."""

    a: Term
    axis: int

    def _infer(self) -> Shape:
        shape, axis = self.a.shape, self.axis
        require_axis(axis, len(shape.dims), "squeeze")
        require(shape.dims[axis] == 1, "squeeze: dimension", "1", shape.dims[axis])
        dims = shape.dims[:axis] + shape.dims[axis + 1 :]
        split = len(shape.access) - (axis < len(shape.access))
        return Shape(dims[:split], dims[split:])


@construct("insert-axis")
class InsertAxis(Term):
    """Adds a dimension of size 1 at ``axis``; up to the split it is an access dimension."""

    a: Term
    axis: int

    def _infer(self) -> Shape:
        shape, axis = self.a.shape, self.axis
        require_axis(axis, len(shape.dims) + 1, "insert-axis")
        dims = (*shape.dims[:axis], 1, *shape.dims[axis:])
        split = len(shape.access) + (axis <= len(shape.access))
        return Shape(dims[:split], dims[split:])


@construct("broadcast")
class Broadcast(Term):
    """Repeats dimensions of size 1 up to ``dimensions``; the number of dimensions stays."""

    a: Term
    dimensions: Dims

    def _infer(self) -> Shape:
        dims = self.a.dims
        require(
            len(dims) == len(self.dimensions)
            and all(n > 0 and d in (1, n) for d, n in zip(dims, self.dimensions, strict=True)),
            "broadcast: dimensions",
            f"those of {dims} with ones enlarged",
            self.dimensions,
        )
        split = len(self.a.access)
        return Shape(self.dimensions[:split], self.dimensions[split:])


@construct("flatten")
class Flatten(Term):
    """Collapses each side to one dimension, but for the first ``keep`` access dimensions.

    A side without dimensions stays so.
    """

    a: Term
    keep: int = 0

    def _infer(self) -> Shape:
        access, item = self.a.access, self.a.item
        require(0 <= self.keep <= len(access), "flatten: keep", f"in 0..{len(access)}", self.keep)
        rest = access[self.keep :]
        return Shape(
            access[: self.keep] + ((prod(rest),) if rest else ()), (prod(item),) if item else ()
        )


@construct("reshape")
class Reshape(Term):
    """Gives each side other dimensions with the same number of elements, in row-major order."""

    a: Term
    to_access: Dims
    to_item: Dims

    def _infer(self) -> Shape:
        for name, old, new in (
            ("access", self.a.access, self.to_access),
            ("item", self.a.item, self.to_item),
        ):
            require(
                all(d > 0 for d in new) and prod(old) == prod(new),
                f"reshape: {name} dimensions",
                f"positive with {prod(old)} elements",
                new,
            )
        return Shape(self.to_access, self.to_item)
