"""Mapped layers as contractions, read from their terms.

``describe`` takes a whole layer: from its dot products (or systolic array) through moves, bias and
clamp to the tensor it produces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.glenside.affine.access import view
from systolab.glenside.affine.contraction import Axis, Contraction, Linear, NotAffineError, Region
from systolab.glenside.affine.nest import Role
from systolab.glenside.affine.view import View
from systolab.glenside.language import grammar as g
from systolab.rtl.kernel.kernel import affine

__all__ = ["Bias", "Layer", "describe"]

# Terms that only rename indices, one to one: a kernel absorbs them in its output addresses.
_MOVES = (
    g.Access, g.Transpose, g.Squeeze, g.InsertAxis, g.Flatten, g.Reshape, g.ShiftRight,
)  # fmt: skip
_SUM = "%sum"  # stands for the array's sums; no tensor of a network is called so


@dataclass(frozen=True)
class Bias:
    """A tensor added before the clamp: ``index[channel]`` is the element of each channel."""

    tensor: str
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """A mapped layer: its sums as a contraction and what happens to them on the way out.

    Attributes:
        contraction: over the tensors' dimensions, layouts still open.
        layouts: layouts of A, W and O that the term fixes; None where it leaves them open.
        bias: None when nothing is added.
        lo, hi: clamp bounds, infinite when there is none.
        dataflow: what the term promises; None when it is still a dot product.
    """

    contraction: Contraction
    layouts: tuple[str | None, str | None, str | None]
    bias: Bias | None
    lo: float
    hi: float
    dataflow: str | None


def describe(term: g.Term, output: str = "output") -> Layer:
    """The contraction of a layer's term; ``output`` names the tensor that it produces.

    Raises:
        NotAffineError: the term is not a batched dot product of affine accesses, followed by moves,
            at most one bias and clamps.
    """
    stored = None
    if isinstance(term, g.Store):
        stored, term = term.layout, term.a
    peeled = _peel(term)
    a, w, batch, dataflow = _operands(peeled.core)
    va, vw = view(a), view(w)
    target = view(peeled.rebuild(g.Tensor(_SUM, peeled.core.dims)))
    axes = _Axes(va, vw, target, batch)
    bias = None
    if peeled.bias is not None:
        bias = axes.bias(view(peeled.bias))
    return Layer(
        axes.contraction(output), (va.layout, vw.layout, stored), bias,
        peeled.lo, peeled.hi, dataflow,
    )  # fmt: skip


@dataclass(frozen=True)
class _Peeled:
    core: g.Term
    rebuild: Callable[[g.Term], g.Term]  # applies the moves between the core and the output
    bias: g.Term | None  # moved as the output is
    lo: float
    hi: float


def _peel(term: g.Term) -> _Peeled:
    moves: list[g.Term] = []
    bias: g.Term | None = None
    lo, hi = -math.inf, math.inf

    def rebuild(core: g.Term) -> g.Term:
        for move in reversed(moves):
            core = move.with_children((core,))
        return core

    while True:
        if isinstance(term, _MOVES):
            moves.append(term)
            term = term.children()[0]
        elif isinstance(term, g.Clamp | g.PostProcess):
            if bias is not None:
                raise NotAffineError("A clamp must come after the bias, not before it")
            lo, hi = max(lo, term.lo), min(hi, term.hi)
            if isinstance(term, g.PostProcess) and not _is_zero(term.bias):
                bias = rebuild(term.bias)
            term = term.a
        elif isinstance(term, g.Compute) and term.function == "relu":
            if bias is not None:
                raise NotAffineError("A clamp must come after the bias, not before it")
            lo, term = max(lo, 0.0), term.a
        else:
            return _Peeled(term, rebuild, bias, lo, hi)


def _is_zero(term: g.Term) -> bool:
    while isinstance(term, (*_MOVES, g.Broadcast)):
        term = term.children()[0]
    return isinstance(term, g.Literal) and term.value == 0.0


def _operands(core: g.Term) -> tuple[g.Term, g.Term, int, str | None]:
    """Both operands, the number of batch dimensions and the dataflow of a core computation."""
    if isinstance(core, g.SystolicArray):
        return core.a, core.w, core.batch, core.dataflow
    if isinstance(core, g.Compute) and core.function == "dot-product":
        if isinstance(core.a, g.CartesianProduct):
            return core.a.a, core.a.b, core.a.batch, None
        if isinstance(core.a, g.Pair):
            return core.a.a, core.a.b, len(core.a.a.access), None
    raise NotAffineError(f"Term '{core.head}' must be a dot product of two accesses")


class _Axes:
    """The common loops of both operands and the output.

    Every dimension of the product is a run of loops in each view that has it; cutting all runs at
    the union of their boundaries makes the loops the same, and those are the axes.
    """

    def __init__(self, va: View, vw: View, target: View, batch: int) -> None:
        rows, columns = va.split - batch, vw.split - batch
        items = len(va.dims) - va.split
        names = [
            *((Role.BATCH, f"b{i}") for i in range(batch)),
            *((Role.ROW, f"m{i}") for i in range(rows)),
            *((Role.COLUMN, f"n{i}") for i in range(columns)),
            *((Role.REDUCTION, f"k{i}") for i in range(items)),
        ]
        where: dict[str, tuple[int | None, int | None, int | None]] = {}
        for i in range(batch):
            where[f"b{i}"] = (i, i, i)
        for i in range(rows):
            where[f"m{i}"] = (batch + i, None, batch + i)
        for i in range(columns):
            where[f"n{i}"] = (None, batch + i, batch + rows + i)
        for i in range(items):
            where[f"k{i}"] = (va.split + i, vw.split + i, None)
        runs = [
            list(va.dims),
            list(vw.dims),
            _coordinate_runs(target),
        ]
        self.views = [va, vw, target]
        self.axes: list[Axis] = []
        self.loops: list[tuple[int | None, int | None, int | None]] = []
        for role, name in names:
            places = where[name]
            present = [v for v in range(3) if places[v] is not None]
            lengths = [
                [self.views[v].loops[loop] for loop in runs[v][place]]
                for v, place in enumerate(places)
                if place is not None
            ]
            common = _common(lengths, name)
            found: list[list[int] | None] = [None, None, None]
            for v in present:
                place = places[v]
                assert place is not None
                self.views[v], found[v] = _cut_run(self.views[v], runs[v][place], common)
            for i, length in enumerate(common):
                label = name if len(common) == 1 else f"{name}.{i}"
                self.axes.append(Axis(label, role, length))
                a, w, out = (None if run is None else run[i] for run in found)
                self.loops.append((a, w, out))

    def _respell(self, which: int, form: Linear) -> Linear:
        coefficients = tuple(
            0 if (loop := loops[which]) is None else form.coefficients[loop] for loops in self.loops
        )
        return Linear(form.offset, coefficients)

    def _region(self, which: int) -> Region:
        source = self.views[which]
        return Region(
            source.tensor,
            source.shape,
            tuple(self._respell(which, form) for form in source.coordinates),
            tuple((self._respell(which, form), bound) for form, bound in source.conditions),
        )

    def _output(self, name: str) -> Region:
        target = self.views[2]
        coordinates = []
        for dim in range(len(target.dims)):
            weights = target.weights(dim)
            form = Linear(0, tuple(weights.get(i, 0) for i in range(len(target.loops))))
            coordinates.append(self._respell(2, form))
        shape = tuple(target.size(dim) for dim in range(len(target.dims)))
        return Region(name, shape, tuple(coordinates))

    def channel(self) -> Linear:
        """Batch and column indices counted row-major."""
        result, stride = [0] * len(self.axes), 1
        for role in (Role.COLUMN, Role.BATCH):
            for i in reversed(range(len(self.axes))):
                if self.axes[i].role is role and self.axes[i].length > 1:
                    result[i] = stride
                    stride *= self.axes[i].length
        return Linear(0, tuple(result))

    def contraction(self, output: str) -> Contraction:
        return Contraction(
            tuple(self.axes),
            self._region(0),
            self._region(1),
            self._output(output),
            self.channel(),
        )

    def bias(self, source: View) -> Bias:
        """The bias of every channel.

        Raises:
            NotAffineError: the bias differs between rows.
        """
        target = self.views[2]
        place = [0] * len(self.axes)
        for dim in range(len(target.dims)):
            common = _common(
                [
                    [target.loops[i] for i in target.dims[dim]],
                    [source.loops[i] for i in source.dims[dim]],
                ],
                f"output {dim}",
            )
            source, run = _cut_run(source, source.dims[dim], common)
            position = 0
            for loop in target.dims[dim]:  # loops of the bias that make up this loop of the output
                length, parts = target.loops[loop], []
                if length == 1:
                    continue
                while length > 1:
                    parts.append(run[position])
                    length //= source.loops[run[position]]
                    position += 1
                axis = next(i for i, loops in enumerate(self.loops) if loops[2] == loop)
                weight = 1
                step: int | None = None
                for part in reversed(parts):
                    value = _flat(source).coefficients[part]
                    if step is None:
                        step = value
                    elif value != step * weight:
                        raise NotAffineError("A bias must step evenly through its channels")
                    weight *= source.loops[part]
                place[axis] = step or 0
        moving = [i for i, axis in enumerate(self.axes) if axis.role in (Role.BATCH, Role.COLUMN)]
        if any(value for i, value in enumerate(place) if i not in moving):
            raise NotAffineError("A bias must be the same in all rows of a channel")
        lengths = [self.axes[i].length for i in moving]
        channel = self.channel()
        index = np.zeros(math.prod(lengths), dtype=np.int64)
        index[affine(0, lengths, [channel.coefficients[i] for i in moving])] = affine(
            _flat(source).offset, lengths, [place[i] for i in moving]
        )
        return Bias(source.tensor, index)


def _flat(source: View) -> Linear:
    """The row-major index of what a view reads."""
    offset, values, stride = 0, [0] * len(source.loops), 1
    for size, form in zip(reversed(source.shape), reversed(source.coordinates), strict=True):
        offset += form.offset * stride
        values = [v + c * stride for v, c in zip(values, form.coefficients, strict=True)]
        stride *= size
    return Linear(offset, tuple(values))


def _coordinate_runs(target: View) -> list[tuple[int, ...]]:
    """Loops that make up each coordinate of the sums, slowest first."""
    runs = []
    for form, size in zip(target.coordinates, target.shape, strict=True):
        run = [i for i, c in enumerate(form.coefficients) if c and target.loops[i] > 1]
        run.sort(key=form.coefficients.__getitem__, reverse=True)
        weight = 1
        for i in reversed(run):
            if form.coefficients[i] != weight:
                raise NotAffineError("Outputs must be moved one to one")
            weight *= target.loops[i]
        if weight != size:
            raise NotAffineError("Outputs must be moved one to one")
        runs.append(tuple(run))
    return runs


def _common(runs: Sequence[Sequence[int]], name: str) -> list[int]:
    """Loop lengths, slowest first, that refine all the given runs.

    Raises:
        NotAffineError: the runs' boundaries do not divide each other.
    """
    cuts = {1}
    for run in runs:
        product = 1
        for length in reversed(run):
            product *= length
            cuts.add(product)
    ordered = sorted(cuts)
    for small, large in itertools.pairwise(ordered):
        if large % small:
            raise NotAffineError(
                f"Dimension {name} must be cut alike by both sides, not at {small} and {large}"
            )
    return [large // small for small, large in itertools.pairwise(ordered)][::-1] or [1]


def _cut_run(source: View, run: Sequence[int], common: Sequence[int]) -> tuple[View, list[int]]:
    """The view with a run of loops cut to the common lengths, and those loops."""
    result: list[int] = []
    rest = [loop for loop in run if source.loops[loop] > 1]
    for size in reversed(common):
        if size == 1:  # a dimension of size one
            source, unit = source.with_loop(1)
            result.insert(0, unit)
            continue
        loop = rest.pop()
        if source.loops[loop] == size:
            result.insert(0, loop)
        else:
            source, inner = source.cut(loop, size)
            rest.append(loop)
            result.insert(0, inner)
    return source, result
