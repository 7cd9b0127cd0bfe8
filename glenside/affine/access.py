"""Reading access-pattern terms as affine views."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from systolab.glenside.affine.contraction import Linear, NotAffineError
from systolab.glenside.affine.view import View
from systolab.glenside.language import grammar as g

__all__ = ["view"]


def view(term: g.Term) -> View:
    """The affine view of an access-pattern term over one tensor.

    Raises:
        NotAffineError: the term computes, joins tensors, or reads them in another way.
    """
    reader = _READERS.get(type(term))
    if reader is None:
        raise NotAffineError(f"Term '{term.head}' must be an affine access to one tensor")
    return reader(term)


def _tensor(term: g.Term) -> View:
    assert isinstance(term, g.Tensor)
    return View.whole(term.name, term.dimensions)


def _load(term: g.Term) -> View:
    assert isinstance(term, g.Load)
    inner = term.a.a if isinstance(term.a, g.Store) and term.a.layout == term.layout else term.a
    if not isinstance(inner, g.Tensor):
        raise NotAffineError("Term 'load' must read a stored tensor")
    return View.whole(inner.name, term.dimensions, term.layout)


def _access(term: g.Term) -> View:
    assert isinstance(term, g.Access)
    return replace(view(term.a), split=term.split)


def _transpose(term: g.Term) -> View:
    assert isinstance(term, g.Transpose)
    inner = view(term.a)
    return replace(inner, dims=tuple(inner.dims[i] for i in term.permutation))


def _windows(term: g.Term) -> View:
    assert isinstance(term, g.Windows)
    result = view(term.a)
    first = result.split
    positions, insides = [], []
    for i, (size, stride, step) in enumerate(
        zip(term.window, term.strides, term.dilation, strict=True)
    ):
        result, loop = result.single(first + i)
        result, inside = result.with_loop(size)
        result = result.mapped(
            partial(_windowed, loop=loop, inside=inside, stride=stride, step=step)
        )
        lengths = list(result.loops)
        lengths[loop] = term.access[first + i]
        result = replace(result, loops=tuple(lengths))
        positions.append((loop,))
        insides.append((inside,))
    return result.with_dims((*result.dims[:first], *positions, *insides), first + len(positions))


def _windowed(form: Linear, loop: int, inside: int, stride: int, step: int) -> Linear:
    values = list(form.coefficients)
    values[inside] = values[loop] * step
    values[loop] *= stride
    return Linear(form.offset, tuple(values))


def _slice(term: g.Term) -> View:
    assert isinstance(term, g.Slice)
    inner, loop = view(term.a).single(term.axis)
    return inner.shifted(loop, term.lo, term.hi - term.lo)


def _pad(term: g.Term) -> View:
    assert isinstance(term, g.Pad)
    if term.padding != "zero":
        raise NotAffineError("Term 'pad' must pad with zeros to be an access")
    inner, loop = view(term.a).single(term.axis)
    size = inner.loops[loop]
    unit = Linear(0, tuple(int(i == loop) for i in range(len(inner.loops))))
    guarded = replace(inner, conditions=(*inner.conditions, (unit, size)))
    return guarded.shifted(loop, -term.before, size + term.before + term.after)


def _squeeze(term: g.Term) -> View:
    assert isinstance(term, g.Squeeze)
    inner = view(term.a)
    dims = (*inner.dims[: term.axis], *inner.dims[term.axis + 1 :])
    return inner.with_dims(dims, len(term.access))


def _insert_axis(term: g.Term) -> View:
    assert isinstance(term, g.InsertAxis)
    inner = view(term.a)
    return replace(
        inner,
        dims=(*inner.dims[: term.axis], (), *inner.dims[term.axis :]),
        split=len(term.access),
    )


def _broadcast(term: g.Term) -> View:
    assert isinstance(term, g.Broadcast)
    result = view(term.a)
    for dim, size in enumerate(term.dimensions):
        if size != result.size(dim):
            result, loop = result.with_loop(size)
            dims = (*result.dims[:dim], (loop,), *result.dims[dim + 1 :])
            result = result.with_dims(dims, result.split)
    return result


def _flatten(term: g.Term) -> View:
    assert isinstance(term, g.Flatten)
    inner = view(term.a)
    keep, split = term.keep, inner.split
    access = tuple(itertools.chain.from_iterable(inner.dims[keep:split]))
    item = tuple(itertools.chain.from_iterable(inner.dims[split:]))
    dims = list(inner.dims[:keep])
    if split > keep:
        dims.append(access)
    if len(inner.dims) > split:
        dims.append(item)
    return replace(inner, dims=tuple(dims), split=len(term.access))


def _reshape(term: g.Term) -> View:
    assert isinstance(term, g.Reshape)
    inner = view(term.a)
    split = inner.split
    sides = (inner.dims[:split], inner.dims[split:])
    joined = tuple(tuple(itertools.chain.from_iterable(side)) for side in sides)
    result = replace(inner, dims=joined, split=1)
    result = result.regrouped(1, term.to_item).regrouped(0, term.to_access)
    return replace(result, split=len(term.to_access))


def _shift_right(term: g.Term) -> View:
    assert isinstance(term, g.ShiftRight)
    inner = view(term.a)
    return replace(inner, split=inner.split - 1)


def _block_diagonal(term: g.Term) -> View:
    assert isinstance(term, g.BlockDiagonal)
    inner = view(term.a).regrouped(0, (term.a.access[0] // term.size, term.size))
    inner, i = inner.single(1)
    inner, j = inner.with_loop(term.size)
    same = [0] * len(inner.loops)
    same[i], same[j] = 1, -1
    groups, _, rows, columns = inner.dims
    return replace(
        inner,
        conditions=(*inner.conditions, (Linear(0, tuple(same)), 1)),
        dims=(groups, (j, *rows), (i, *columns)),
        split=2,
    )


_READERS: Mapping[type[g.Term], Callable[[g.Term], View]] = {
    g.Tensor: _tensor,
    g.Load: _load,
    g.Access: _access,
    g.Transpose: _transpose,
    g.Windows: _windows,
    g.Slice: _slice,
    g.Pad: _pad,
    g.Squeeze: _squeeze,
    g.InsertAxis: _insert_axis,
    g.Broadcast: _broadcast,
    g.Flatten: _flatten,
    g.Reshape: _reshape,
    g.ShiftRight: _shift_right,
    g.BlockDiagonal: _block_diagonal,
}
