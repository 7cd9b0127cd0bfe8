"""Cycles of a kernel on an array, exactly as the hardware counts them.

Timing depends on the kernel and the array alone, never on data. Vector costs come from
``rtl.lines``; what is left is a recurrence over tiles of when each unit is free. Within an outer
iteration that recurrence is linear in the (max, +) algebra, so it is computed once for each
distinct kind of outer iteration; repetitions are cut short once they have become periodic.
``docs/machine.md`` derives the recurrence from the hardware.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.lines import stream_costs

Ints = NDArray[np.int64]

# Pipeline constants of the hardware, in cycles. The cycle of the start pulse is cycle 0.
START = 1  # first cycle in which a stream may act
LAT_SUM = 2  # vector issue to column sum, beyond one cycle for each row and each column
LAT_SCALE = 2  # block-scaled: column sum to binary32, then scale
LAT_HOLD = 1  # last step of an output to the first drain-row command
LAT_DRAIN = 5  # read of an accumulator row, then convert, scale, bias, clamp and encode
LAT_PARAMETER = 1  # request of a parameter to its arrival
FLUSH = 1  # the last line of an outer iteration leaves


@dataclass(frozen=True)
class Breakdown:
    """Where the cycles of a kernel go; the parts add up to the whole.

    Attributes:
        steps: cycles in which the array accepts an A vector (and in output-stationary mode a W
            vector): what remains if every vector were one line and nothing ever waited.
        a_lines: further lines of A vectors.
        w_lines: further lines of W vectors, output-stationary mode.
        weight_load: A waiting for weights or their block scales, weight-stationary mode.
        drain: the array's latency and the drain of the last outer iteration.
        write_back: waiting for an accumulator bank, and further lines of the last O vectors.
        idle: start-up and waiting for parameters.
    """

    steps: int
    a_lines: int
    w_lines: int
    weight_load: int
    drain: int
    write_back: int
    idle: int

    @property
    def total(self) -> int:
        return (
            self.steps
            + self.a_lines
            + self.w_lines
            + self.weight_load
            + self.drain
            + self.write_back
            + self.idle
        )


@dataclass(frozen=True)
class Timing:
    """Cycles from the start pulse to done, and where they go."""

    cycles: int
    breakdown: Breakdown


def cycles(kernel: Kernel, array: Array) -> int:
    """Cycles from the start pulse to done when no memory port stalls."""
    return timing(kernel, array).cycles


def timing(kernel: Kernel, array: Array) -> Timing:
    """Cycles of a kernel and their breakdown.

    Raises:
        SystolabError: the kernel does not fit the array.
    """
    kernel.check(array)
    if kernel.mode is Mode.WEIGHT_STATIONARY:
        return _weight_stationary(kernel, array)
    return _output_stationary(kernel, array)


class _Pipeline(ABC):
    """When each unit of the machine is free, after the outer iterations so far.

    Attributes:
        issued: the array may accept the next vector.
        ahead: shadow weights are free (weight-stationary), drain-row commands are through.
        freed: end of the last two drains; banks, parameter buffers and the drain are free then.
        loaded: the parameter stream is free.
        write_back: cycles that the array has waited for a bank.
        tail: write-back and idle cycles of the last drain.
    """

    def __init__(self, kernel: Kernel, array: Array) -> None:
        self.issued = START
        self.ahead = START
        self.freed = (START, START)
        self.loaded = START
        self.write_back = 0
        self.tail = (0, 0)
        self._lanes = kernel.w.lanes
        self._rows = kernel.bank_rows
        self._latency = latency(array)

    @abstractmethod
    def compute(self, kind: int) -> int:
        """Compute an outer iteration of some kind.

        Returns:
            The cycle after the array accepted the last command of the iteration.
        """

    def drain(self, commanded: int, lines: int) -> None:
        """Drain an outer iteration whose O stream takes ``lines`` cycles."""
        self.loaded = max(self.loaded, self.freed[0]) + self._lanes
        summed = commanded + self._latency
        unit = max(summed, self.freed[1])
        start = max(unit, self.loaded + LAT_PARAMETER)
        self.tail = (unit - summed + lines - self._rows + FLUSH, start - unit)
        self.freed = (self.freed[1], start + LAT_DRAIN + lines + FLUSH)

    def run(self, kinds: Ints, lines: Ints, outer: tuple[int, ...]) -> None:
        """Run all outer iterations.

        Outermost loops that change neither kind nor lines repeat what is inside them. As soon as
        all units stand to one another as they did before, so does everything that follows: whole
        cycles of repetitions are skipped.

        Args:
            kinds: kind of each outer iteration, axes as in ``StreamCosts.kind``.
            lines: cycles of the O stream for each outer iteration.
            outer: lengths of the outer loops.
        """
        inner = 0
        while inner < len(outer) and kinds.shape[inner] == lines.shape[inner] == 1:
            inner += 1
        repeats = math.prod(outer[:inner])
        shape = (1,) * inner + outer[inner:]
        period = list(zip(_each(kinds, shape), _each(lines, shape), strict=True))
        seen: dict[tuple[int, ...], tuple[int, int, int]] = {}
        done = 0
        while done < repeats:
            relative = tuple(time - self.issued for time in (self.ahead, *self.freed, self.loaded))
            if relative in seen:
                before, issued, write_back = seen.pop(relative)
                skipped = (repeats - done) // (done - before)
                self._skip(skipped * (self.issued - issued))
                self.write_back += skipped * (self.write_back - write_back)
                done += skipped * (done - before)
                seen.clear()
                continue
            seen[relative] = (done, self.issued, self.write_back)
            for kind, taken in period:
                self.drain(self.compute(kind), taken)
            done += 1

    def _skip(self, time: int) -> None:
        self.issued += time
        self.ahead += time
        self.freed = (self.freed[0] + time, self.freed[1] + time)
        self.loaded += time


class _WeightStationary(_Pipeline):
    def __init__(self, kernel: Kernel, array: Array, a: Ints, first: Ints, w: Ints) -> None:
        """``a``, ``first`` and ``w`` as in ``_iteration_maps``."""
        super().__init__(kernel, array)
        self._maps = _iteration_maps(a, first, w)
        self._load: list[int] = w[:, 0].tolist()

    def compute(self, kind: int) -> int:
        bank = max(self.issued, self.freed[0])
        self.write_back += max(0, bank - max(self.issued, self.ahead + self._load[kind]))
        (ahead_ahead, ahead_issued), (issued_ahead, issued_issued) = self._maps[kind]
        ahead = self.ahead
        self.ahead = max(ahead + ahead_ahead, bank + ahead_issued)
        self.issued = max(ahead + issued_ahead, bank + issued_issued)
        return self.issued


class _OutputStationary(_Pipeline):
    def __init__(self, kernel: Kernel, array: Array, before: list[int], last: list[int]) -> None:
        """Cycles of the steps before the last and of the last, for each kind of iteration."""
        super().__init__(kernel, array)
        self._before = before
        self._last = last

    def compute(self, kind: int) -> int:
        last = self.issued + self._before[kind]
        start = max(last, self.ahead, self.freed[0])
        self.write_back += start - last
        self.issued = start + self._last[kind]
        self.ahead = self.issued + LAT_HOLD + self._rows
        return self.ahead


def _weight_stationary(kernel: Kernel, array: Array) -> Timing:
    outer = len(kernel.outer)
    tile_loops = outer + len(kernel.reduction)
    a = stream_costs(kernel.a, tile_loops, array.line)
    w = stream_costs(kernel.w, tile_loops, array.line)
    o = stream_costs(kernel.o, outer, array.line)
    a_tile = _spread(a.vectors.sum(axis=1)[a.kind], kernel.reduction)
    a_first = _spread(a.vectors[:, 0][a.kind], kernel.reduction)
    w_tile = _spread(w.vectors.sum(axis=1)[w.kind], kernel.reduction)
    if kernel.block_scaled:  # beside the weights, one scale a cycle
        w_tile = np.maximum(w_tile, kernel.w.lanes)
    a_tile, a_first, w_tile = np.broadcast_arrays(a_tile, a_first, w_tile)
    shape = a_tile.shape[:outer]
    tiles = math.prod(kernel.reduction)
    a_tile, a_first, w_tile = (x.reshape(-1, tiles) for x in (a_tile, a_first, w_tile))
    kinds = np.arange(len(a_tile)).reshape(shape)
    pipeline = _WeightStationary(kernel, array, a_tile, a_first, w_tile)
    pipeline.run(kinds, o.vectors.sum(axis=1)[o.kind], kernel.outer)

    a_cycles = int(a_tile.sum()) * (math.prod(kernel.outer) // len(a_tile))
    return _report(
        pipeline,
        steps=kernel.a.vectors,
        a_lines=a_cycles - kernel.a.vectors,
        w_lines=0,
        weight_load=pipeline.issued - START - a_cycles - pipeline.write_back,
    )


def _output_stationary(kernel: Kernel, array: Array) -> Timing:
    outer = len(kernel.outer)
    a = stream_costs(kernel.a, outer, array.line)
    w = stream_costs(kernel.w, outer, array.line)
    o = stream_costs(kernel.o, outer, array.line)
    pair = a.kind * len(w.vectors) + w.kind
    distinct, index, copies = np.unique(pair, return_inverse=True, return_counts=True)
    a_sums, sums, lasts = [], [], []
    for code in distinct.tolist():
        a_steps = a.vectors[code // len(w.vectors)]
        both = np.maximum(a_steps, w.vectors[code % len(w.vectors)])
        a_sums.append(int(a_steps.sum()))
        sums.append(int(both.sum()))
        lasts.append(int(both[-1]))
    before = [total - last for total, last in zip(sums, lasts, strict=True)]
    pipeline = _OutputStationary(kernel, array, before, lasts)
    pipeline.run(index.reshape(pair.shape), o.vectors.sum(axis=1)[o.kind], kernel.outer)

    counts = copies * (math.prod(kernel.outer) // pair.size)
    a_cycles = int(counts @ np.asarray(a_sums))
    return _report(
        pipeline,
        steps=kernel.a.vectors,
        a_lines=a_cycles - kernel.a.vectors,
        w_lines=int(counts @ np.asarray(sums)) - a_cycles,
        weight_load=0,
    )


def latency(array: Array) -> int:
    """Cycles from the end of an outer iteration's last command to the start of its drain.

    The command is an A vector (weight-stationary) or a drain-row command (output-stationary); the
    wavefront then crosses the array's rows and columns.
    """
    return array.rows + array.cols + LAT_SUM + (LAT_SCALE if array.block_scaled else 0)


def _spread(costs: Ints, reduction: tuple[int, ...]) -> Ints:
    """Costs of tiles with all reduction loops at full length, outer loops as they are."""
    kinds = costs.shape[: costs.ndim - len(reduction)]
    return np.broadcast_to(costs, kinds + reduction)


def _each(kind: Ints, outer: tuple[int, ...]) -> list[int]:
    """Value for every outer iteration, in order."""
    values: list[int] = np.broadcast_to(kind, outer).reshape(-1).tolist()
    return values


def _iteration_maps(a_tile: Ints, a_first: Ints, w_tile: Ints) -> list[list[list[int]]]:
    """What the tiles of an outer iteration do to the (max, +) state, for each kind of iteration.

    The state is (when shadow weights are free, when the A stream is free). A tile's weights load
    from the former; its A vectors follow both; the shadow weights are free after the first of them.

    Args:
        a_tile: cycles of all A vectors of each tile, ``[kinds, tiles]``.
        a_first: cycles of the first A vector of each tile.
        w_tile: cycles of all W vectors of each tile.
    """
    maps = np.stack([w_tile + a_first, a_first, w_tile + a_tile, a_tile], axis=-1)
    maps = maps.reshape(*a_tile.shape, 2, 2)
    while maps.shape[1] > 1:
        odd = maps[:, -1:] if maps.shape[1] % 2 else maps[:, :0]
        earlier, later = maps[:, 0 : maps.shape[1] - 1 : 2], maps[:, 1::2]
        product = np.max(later[..., :, :, None] + earlier[..., None, :, :], axis=-2)
        maps = np.concatenate([product, odd], axis=1)
    result: list[list[list[int]]] = maps[:, 0].tolist()
    return result


def _report(
    pipeline: _Pipeline, *, steps: int, a_lines: int, w_lines: int, weight_load: int
) -> Timing:
    end = pipeline.freed[1]
    write_back, idle = pipeline.tail
    breakdown = Breakdown(
        steps=steps,
        a_lines=a_lines,
        w_lines=w_lines,
        weight_load=weight_load,
        drain=end - pipeline.issued - write_back - idle,
        write_back=pipeline.write_back + write_back,
        idle=START + idle,
    )
    return Timing(end, breakdown)
