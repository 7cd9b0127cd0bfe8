"""Contractions of the common layers, written down from their shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from systolab.glenside.affine.contraction import Axis, Contraction, Linear, Region
from systolab.glenside.affine.nest import Role
from systolab.glenside.network.network import Shape
from systolab.glenside.operators.windows import window_count


class _Axes:
    """Axes by name, for writing linear forms."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self._names = [axis.name for axis in axes]

    def form(self, offset: int = 0, **coefficients: int) -> Linear:
        values = [0] * len(self.axes)
        for name, value in coefficients.items():
            values[self._names.index(name)] = value
        return Linear(offset, tuple(values))


def convolution(
    x: Shape,
    w: Shape,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int = 1,
) -> Contraction:
    """Convolution ``x[N, C, spatial...] * w[M, C/groups, kernel...]``; pads begins then ends."""
    rank = len(x) - 2
    counts = tuple(
        window_count(x[2 + i] + pads[i] + pads[rank + i], w[2 + i], strides[i], dilations[i])
        for i in range(rank)
    )
    per_group, channels = w[0] // groups, w[1]
    axes = _Axes(
        [
            Axis("g", Role.BATCH, groups),
            Axis("n", Role.ROW, x[0]),
            *(Axis(f"y{i}", Role.ROW, counts[i]) for i in range(rank)),
            Axis("m", Role.COLUMN, per_group),
            *(Axis(f"k{i}", Role.REDUCTION, w[2 + i]) for i in range(rank)),
            Axis("c", Role.REDUCTION, channels),
        ]
    )
    form = axes.form
    filters = form(g=per_group, m=1)
    return Contraction(
        axes.axes,
        Region(
            "x",
            x,
            (
                form(n=1),
                form(g=channels, c=1),
                *(
                    form(-pads[i], **{f"y{i}": strides[i], f"k{i}": dilations[i]})
                    for i in range(rank)
                ),
            ),
        ),
        Region("w", w, (filters, form(c=1), *(form(**{f"k{i}": 1}) for i in range(rank)))),
        Region(
            "y",
            (x[0], w[0], *counts),
            (form(n=1), filters, *(form(**{f"y{i}": 1}) for i in range(rank))),
        ),
        filters,
    )


def product(a: Shape, w: Shape, transposed_w: bool = False, shared_w: bool = False) -> Contraction:
    """Matrix product ``a[B..., M, K] @ w[B..., K, N]`` (``[B..., N, K]`` when transposed).

    With ``shared_w`` the right operand has no batch dimensions and all of A's are rows.
    """
    *batch, rows, length = a
    columns = w[-2] if transposed_w else w[-1]
    names = [f"b{i}" for i in range(len(batch))]
    role = Role.ROW if shared_w else Role.BATCH
    axes = _Axes(
        [
            *(Axis(name, role, size) for name, size in zip(names, batch, strict=True)),
            Axis("m", Role.ROW, rows),
            Axis("n", Role.COLUMN, columns),
            Axis("k", Role.REDUCTION, length),
        ]
    )
    form = axes.form
    over_batch = [form(**{name: 1}) for name in names]
    right = [form(n=1), form(k=1)] if transposed_w else [form(k=1), form(n=1)]
    channel = {"n": 1}
    if not shared_w:
        for i, name in enumerate(names):
            channel[name] = columns * math.prod(batch[i + 1 :])
    return Contraction(
        axes.axes,
        Region("a", tuple(a), (*over_batch, form(m=1), form(k=1))),
        Region("w", tuple(w), (*([] if shared_w else over_batch), *right)),
        Region("o", (*batch, rows, columns), (*over_batch, form(m=1), form(n=1))),
        form(**channel),
    )
