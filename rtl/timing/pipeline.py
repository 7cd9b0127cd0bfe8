"""When each unit of the machine is free: what the modes' timings have in common.

A recurrence over outer iterations, the same in every mode but for how an iteration is computed.
Repetitions are cut short once they have become periodic.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.rtl.kernel.kernel import Array, Kernel

__all__ = [
    "FLUSH",
    "LAT_DRAIN",
    "LAT_HOLD",
    "LAT_PARAMETER",
    "START",
    "Breakdown",
    "Ints",
    "Pipeline",
    "Timing",
    "latency",
]

Ints = NDArray[np.int64]

# Pipeline constants of the hardware, in cycles. The cycle of the start pulse is cycle 0.
START = 1  # first cycle in which a stream may act
_LAT_SUM = 2  # vector issue to column sum, beyond one cycle for each row and each column
_LAT_SCALE = 2  # block-scaled: column sum to binary32, then scale
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
        """All cycles."""
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


class Pipeline(ABC):
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

    def report(self, *, steps: int, a_lines: int, w_lines: int, weight_load: int) -> Timing:
        """Cycles after the last iteration and where they went; see ``Breakdown``."""
        end = self.freed[1]
        write_back, idle = self.tail
        breakdown = Breakdown(
            steps=steps,
            a_lines=a_lines,
            w_lines=w_lines,
            weight_load=weight_load,
            drain=end - self.issued - write_back - idle,
            write_back=self.write_back + write_back,
            idle=START + idle,
        )
        return Timing(end, breakdown)


def latency(array: Array) -> int:
    """Cycles from the end of an outer iteration's last command to the start of its drain.

    The command is an A vector (weight-stationary) or a drain-row command (output-stationary); the
    wavefront then crosses the array's rows and columns.
    """
    return array.rows + array.cols + _LAT_SUM + (_LAT_SCALE if array.block_scaled else 0)


def _each(kind: Ints, outer: tuple[int, ...]) -> list[int]:
    """Value for every outer iteration, in order."""
    values: list[int] = np.broadcast_to(kind, outer).reshape(-1).tolist()
    return values
