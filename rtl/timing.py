"""Cycles of a kernel on an array, exactly as the hardware counts them.

Timing depends on the kernel and the array alone, never on data. Vector costs come from
``rtl.lines``; what is left is a recurrence over tiles of when each unit is free. Within an outer
iteration that recurrence is linear in the (max, +) algebra, so it is computed once for each
distinct kind of outer iteration. ``docs/machine.md`` derives the recurrence from the hardware.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtl.kernel import Array, Kernel, Mode
from rtl.lines import stream_costs

Ints = NDArray[np.int64]

# Pipeline constants of the hardware, in cycles. The cycle of the start pulse is cycle 0.
START = 1  # first cycle in which a stream may act
LAT_SUM = 2  # vector issue to column sum, beyond one cycle for each row and each column
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
        weight_load: A waiting for weights, weight-stationary mode.
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


class _Drain:
    """Availability of the drain, of the parameter buffers and of the two accumulator banks."""

    def __init__(self, lanes: int, latency: int) -> None:
        self._lanes = lanes
        self._latency = latency
        self._freed = [START, START]  # end of the last two drains: bank and parameter buffers free
        self._loaded = START
        self.bank_free = START
        self.tail = (0, 0)  # write-back and idle cycles of the last drain

    def run(self, issued: int, rows: int, lines: int) -> int:
        """Drain one outer iteration.

        Args:
            issued: cycle after the array accepted the last command of the iteration.
            rows: accumulator rows to drain.
            lines: cycles that the O stream takes for them.

        Returns:
            The cycle after the last line left.
        """
        self._loaded = max(self._loaded, self._freed[0]) + self._lanes
        summed = issued + self._latency
        unit = max(summed, self._freed[1])
        start = max(unit, self._loaded + LAT_PARAMETER)
        end = start + LAT_DRAIN + lines + FLUSH
        waited, extra = unit - summed, lines - rows + FLUSH
        self.tail = (waited + extra, start - unit)
        self._freed = [self._freed[1], end]
        self.bank_free = self._freed[0]
        return end


def _weight_stationary(kernel: Kernel, array: Array) -> Timing:
    outer = len(kernel.outer)
    tile_loops = outer + len(kernel.reduction)
    a = stream_costs(kernel.a, tile_loops, array.line)
    w = stream_costs(kernel.w, tile_loops, array.line)
    o = stream_costs(kernel.o, outer, array.line)
    a_tile = _spread(a.vectors.sum(axis=1)[a.kind], kernel.reduction)
    a_first = _spread(a.vectors[:, 0][a.kind], kernel.reduction)
    w_tile = _spread(w.vectors.sum(axis=1)[w.kind], kernel.reduction)
    a_tile, a_first, w_tile = np.broadcast_arrays(a_tile, a_first, w_tile)
    kinds = a_tile.shape[:outer]
    tiles = math.prod(kernel.reduction)
    a_tile, a_first, w_tile = (x.reshape(-1, tiles) for x in (a_tile, a_first, w_tile))
    steps = _iteration_maps(a_tile, a_first, w_tile)
    w_first = w_tile[:, 0].tolist()
    iterations = _each(np.arange(len(steps)).reshape(kinds), kernel.outer)
    o_lines = _each(o.vectors.sum(axis=1)[o.kind], kernel.outer)

    drain = _Drain(kernel.w.lanes, latency(array))
    free, issued, end, write_back = START, START, START, 0
    for iteration, lines in zip(iterations, o_lines, strict=True):
        bank = max(issued, drain.bank_free)
        write_back += max(0, bank - max(issued, free + w_first[iteration]))
        (free_free, free_issued), (issued_free, issued_issued) = steps[iteration]
        free, issued = (
            max(free + free_free, bank + free_issued),
            max(free + issued_free, bank + issued_issued),
        )
        end = drain.run(issued, kernel.bank_rows, lines)

    copies = math.prod(kernel.outer) // len(steps)
    a_cycles = int(a_tile.sum()) * copies
    vectors = kernel.a.vectors
    return _report(
        end,
        issued,
        drain,
        steps=vectors,
        a_lines=a_cycles - vectors,
        w_lines=0,
        weight_load=issued - START - a_cycles - write_back,
        write_back=write_back,
    )


def _output_stationary(kernel: Kernel, array: Array) -> Timing:
    outer = len(kernel.outer)
    a = stream_costs(kernel.a, outer, array.line)
    w = stream_costs(kernel.w, outer, array.line)
    o = stream_costs(kernel.o, outer, array.line)
    pair = a.kind * len(w.vectors) + w.kind
    distinct, index = np.unique(pair, return_inverse=True)
    a_sums, step_sums, lasts = [], [], []
    for code in distinct.tolist():
        a_steps = a.vectors[code // len(w.vectors)]
        both = np.maximum(a_steps, w.vectors[code % len(w.vectors)])
        a_sums.append(int(a_steps.sum()))
        step_sums.append(int(both.sum()))
        lasts.append(int(both[-1]))
    iterations = _each(index.reshape(pair.shape), kernel.outer)
    o_lines = _each(o.vectors.sum(axis=1)[o.kind], kernel.outer)

    drain = _Drain(kernel.w.lanes, latency(array))
    issued, drained, end, write_back = START, START, START, 0
    for iteration, lines in zip(iterations, o_lines, strict=True):
        last = issued + step_sums[iteration] - lasts[iteration]
        start = max(last, drained, drain.bank_free)
        write_back += start - last
        issued = start + lasts[iteration]
        drained = issued + LAT_HOLD + kernel.a.lanes
        end = drain.run(drained, kernel.bank_rows, lines)

    counts = np.bincount(np.asarray(iterations))
    vectors = kernel.a.vectors
    a_cycles = int(counts @ np.asarray(a_sums))
    return _report(
        end,
        issued,
        drain,
        steps=vectors,
        a_lines=a_cycles - vectors,
        w_lines=int(counts @ np.asarray(step_sums)) - a_cycles,
        weight_load=0,
        write_back=write_back,
    )


def latency(array: Array) -> int:
    """Cycles from the end of an outer iteration's last command to the start of its drain.

    The command is an A vector (weight-stationary) or a drain-row command (output-stationary); the
    wavefront then crosses the array's rows and columns.
    """
    return array.rows + array.cols + LAT_SUM


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
    end: int,
    issued: int,
    drain: _Drain,
    *,
    steps: int,
    a_lines: int,
    w_lines: int,
    weight_load: int,
    write_back: int,
) -> Timing:
    tail_write_back, tail_idle = drain.tail
    breakdown = Breakdown(
        steps=steps,
        a_lines=a_lines,
        w_lines=w_lines,
        weight_load=weight_load,
        drain=end - issued - tail_write_back - tail_idle,
        write_back=write_back + tail_write_back,
        idle=START + tail_idle,
    )
    return Timing(end, breakdown)
