"""For every tiling rule, random terms on which it fires (and some on which its conditions fail)."""

from __future__ import annotations

from systolab.glenside.language import grammar as g
from tests.glenside.rules.soundness import Generator, Terms

TILE = 3


def _partial(t: Terms) -> int:
    """More than a tile and no multiple of it; seldom anything."""
    return t.integer(1, 3 * TILE) if t.seldom() else TILE * t.integer(1, 2) + t.integer(1, TILE - 1)


def _multiple(t: Terms) -> int:
    """Several tiles; seldom anything."""
    return t.integer(1, 3 * TILE) if t.seldom() else TILE * t.integer(2, 3)


def _product(t: Terms, n: int, r: int) -> g.Term:
    """A dot product of two matrices, per batch element or not; seldom one is not flat."""
    batch = t.integer(0, 1)
    shared = t.dims(batch, 3)
    more = t.dims(int(t.seldom()))
    a, b = t.leaf((*shared, *more, t.integer(1, 3)), (r,)), t.leaf((*shared, n), (r,))
    return g.Compute("dot-product", g.CartesianProduct(a, b, batch))


def _columns(t: Terms, n: int) -> g.Term:
    return _product(t, n, t.integer(1, TILE) + TILE * t.seldom())


def _rows_of_items(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        rank = batch + 2 + t.seldom()
        item = (t.integer(1, 3), t.integer(2, 4), TILE + t.seldom())
        return g.Compute("dot-product", t.leaf(t.dims(rank, 3), item))

    return generate


def _moved_rows(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        shared, item = t.dims(batch, 3), t.dims(2, 3)
        a, b = (t.leaf((*shared, t.integer(1, 3)), item) for _ in range(2))
        rank = batch + 2
        order = (*range(rank), rank + 1, rank, rank + 2)
        if t.seldom():
            order = t.permutation(rank + 3)
        moved = g.Transpose(g.CartesianProduct(a, b, batch), order)
        return g.Access(moved, rank if t.seldom() else rank + 1)

    return generate


def _row_of_tiles(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        shared, item = t.dims(batch, 3), t.dims(1)
        a = t.leaf((*shared, *t.dims(1 + t.seldom(), 3)), item)
        b = t.leaf((*shared, t.integer(1, 3), TILE + t.seldom()), item)
        return g.CartesianProduct(a, b, batch)

    return generate


def _right_reshaped(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        shared, item, access = t.dims(batch, 3), t.dims(t.integer(1, 2), 6), t.dims(2, 6)
        other = t.reshaped(item) if t.seldom() else item
        inner, outer = (*shared, *access), (*shared, *t.reshaped(access))
        if batch and t.seldom():  # the batch dimension is cut
            inner, outer, shared = (4, 3), (2, 6), (2,)
        a = t.leaf((*shared, *t.dims(t.integer(1, 2), 3)), other)
        return g.CartesianProduct(a, g.Reshape(t.leaf(inner, item), outer, other), batch)

    return generate


def _accesses_transposed(rank: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        order = (*t.permutation(rank), rank, rank + 1)
        if t.integer(0, 4) == 0:  # the item does not stay in place
            order = t.permutation(rank + 2)
        return g.Compute("dot-product", g.Transpose(t.leaf(t.dims(rank, 3), (2, 2)), order))

    return generate


def _reshape_flattened(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        shared, item = t.dims(batch, 4), t.dims(t.integer(1, 2), 6)
        access = t.dims(t.integer(1, 2), 6)
        inner = t.leaf((*shared, *access), item)
        if t.seldom():  # a side without dimensions
            leaf = t.leaf((*shared, *access))
            return g.Flatten(g.Reshape(leaf, leaf.access, (1,)), batch)
        if t.seldom():  # the batch dimension is cut
            return g.Flatten(g.Reshape(t.leaf((4, 3), item), (2, 6), item), batch)
        outer = (*shared, *t.reshaped(access))
        return g.Flatten(g.Reshape(inner, outer, t.reshaped(item)), batch)

    return generate


def _two_batches(t: Terms) -> g.Term:
    shared, item = t.dims(2, 3), t.dims(t.integer(1, 2))
    a, b = (t.leaf((*shared, *t.dims(1 + t.seldom(), 3)), item) for _ in range(2))
    return g.CartesianProduct(a, b, 2)


def _sliced(t: Terms, leaf: g.Term, axis: int) -> g.Slice:
    lo = t.integer(0, leaf.dims[axis] - 1)
    return g.Slice(leaf, axis, lo, t.integer(lo + 1, leaf.dims[axis]))


def _right_sliced(t: Terms) -> g.Term:
    batch = t.integer(0, 1)
    b = t.leaf(t.dims(batch + t.integer(1, 2)), t.dims(t.integer(1, 2)))
    axis = t.integer(0, len(b.dims) - 1) if t.seldom() else t.integer(batch, len(b.access) - 1)
    right = _sliced(t, b, axis)
    a = t.leaf((*right.access[:batch], *t.dims(t.integer(1, 2))), right.item)
    return g.CartesianProduct(a, right, batch)


def _dot_of_slice(t: Terms) -> g.Term:
    leaf = t.leaf(t.dims(t.integer(1, 3)), (2, *t.dims(t.integer(0, 2))))
    last = len(leaf.dims) if t.seldom() else len(leaf.access)
    return g.Compute("dot-product", _sliced(t, leaf, t.integer(0, last - 1)))


GENERATORS: dict[str, Generator] = {
    f"pad-reduction-to-{TILE}": lambda t: _product(t, t.integer(1, 4), _partial(t)),
    f"cut-left-reduction-by-{TILE}": lambda t: _product(t, t.integer(1, 4), _multiple(t)),
    f"cut-right-reduction-by-{TILE}": lambda t: _product(t, t.integer(1, 4), _multiple(t)),
    f"sum-dot-products-of-{TILE}": _rows_of_items(0),
    f"sum-dot-products-per-batch-of-{TILE}": _rows_of_items(1),
    "batch-out-of-cartesian-product": _moved_rows(0),
    "batch-out-of-cartesian-product-per-batch": _moved_rows(1),
    f"pad-columns-to-{TILE}": lambda t: _columns(t, _partial(t)),
    f"cut-columns-by-{TILE}": lambda t: _columns(t, _multiple(t)),
    f"repeat-left-operand-for-tiles-of-{TILE}": _row_of_tiles(0),
    f"repeat-left-operand-per-batch-for-tiles-of-{TILE}": _row_of_tiles(1),
    "reshape-out-of-right-operand": _right_reshaped(0),
    "reshape-out-of-right-operand-per-batch": _right_reshaped(1),
    "transpose-out-of-dot-product-3": _accesses_transposed(3),
    "transpose-out-of-dot-product-4": _accesses_transposed(4),
    "flatten-of-reshape": _reshape_flattened(0),
    "flatten-of-reshape-per-batch": _reshape_flattened(1),
    "merge-batches": _two_batches,
    "slice-out-of-cartesian-product": _right_sliced,
    "slice-out-of-dot-product": _dot_of_slice,
}
