"""Sliding lanes: neighbouring outputs of one row in the columns of the array.

A convolution with few filters leaves the array's columns empty. Its outputs at neighbouring
positions read overlapping windows of the same inputs; so a run of inputs can feed the lanes of A
while every column holds the filter shifted by one more stride: a band matrix of weights, zero
outside the band. For a depthwise convolution that is the densest form there is.
"""

from __future__ import annotations

import dataclasses

from systolab.glenside.affine.nest import A, Condition, Loop, Nest, O, P, Role, W

__all__ = ["Slid", "slides"]


@dataclasses.dataclass(frozen=True)
class Slid:
    """A nest whose ``column`` loop are neighbouring outputs, ``lane`` the inputs they share."""

    nest: Nest
    lane: str
    column: str


def _slide(nest: Nest, row: str, tap: str, lanes: int, columns: int) -> Slid | None:
    """The row loop x and the reduction loop k of a sliding window recombined; None if they are not.

    With x = t*X + j (``t`` outputs a tile), stride s and i = s*j + k: X stays a row loop, j becomes
    a column loop and i the reduction loop; A is read at s*t*X + i, W at i - s*j where that is a
    tap. Where A holds NaN or an infinity, the zeros outside the band spread it to its neighbours.

    Args:
        nest: where W is a constant.
        row: a row loop.
        tap: a reduction loop.
        lanes: most inputs a tile may span.
        columns: most outputs a tile may have.
    """
    x, k = nest.loop(row), nest.loop(tap)
    if x.strides[P] or not k.strides[A] or x.strides[A] % k.strides[A]:
        return None
    stride = x.strides[A] // k.strides[A]
    at_x, at_k = nest.index(row), nest.index(tap)
    for c in nest.conditions:
        if c.operand == A and c.coefficients[at_x] != stride * c.coefficients[at_k]:
            return None
        if c.operand == W and c.coefficients[at_k]:
            return None
    if stride < 1 or lanes < k.length:
        return None
    most = min(columns, (lanes - k.length) // stride + 1, x.length)
    size = -(-x.length // -(-x.length // most))
    if size < 2:
        return None
    span = stride * (size - 1) + k.length
    tiles = -(-x.length // size)
    far = Loop(f"{row}/{size}", Role.ROW, tiles, (x.strides[A] * size, 0, x.strides[O] * size, 0))
    near = Loop(f"{row}%{size}", Role.COLUMN, size, (0, -stride * k.strides[W], x.strides[O], 0))
    shared = Loop(f"{row}+{tap}", Role.REDUCTION, span, (k.strides[A], k.strides[W], 0, 0))
    rest = [i for i in range(len(nest.loops)) if i not in (at_x, at_k)]
    loops = (*(nest.loops[i] for i in rest), far, near, shared)

    def form(c: Condition) -> Condition:
        by_x, by_k = c.coefficients[at_x], c.coefficients[at_k]
        last = {A: (by_x * size, 0, by_k), W: (0, 0, 0), O: (by_x * size, by_x, 0)}
        kept = tuple(c.coefficients[i] for i in rest)
        return dataclasses.replace(c, coefficients=(*kept, *last[c.operand]))

    none = (0,) * len(rest)
    conditions = [form(c) for c in nest.conditions]
    conditions.append(Condition(W, 0, (*none, 0, -stride, 1), k.length))
    if tiles * size != x.length:
        inputs = stride * (x.length - 1) + k.length
        conditions.append(Condition(O, 0, (*none, size, 1, 0), x.length))
        conditions.append(Condition(A, 0, (*none, stride * size, 0, 1), inputs))
    return Slid(Nest(loops, nest.bases, tuple(conditions)), shared.name, near.name)


def slides(nest: Nest, lanes: int, columns: int) -> list[Slid]:
    """Every way to slide that gives more columns than the nest has of its own."""
    own = 1
    for loop in nest.of(Role.COLUMN):
        own *= loop.length
    found = [
        _slide(nest, row.name, tap.name, lanes, columns)
        for row in nest.of(Role.ROW)
        for tap in nest.of(Role.REDUCTION)
        if tap.length > 1
    ]
    return [s for s in found if s is not None and s.nest.loop(s.column).length > own]
