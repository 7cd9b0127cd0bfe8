"""Cycles of an output-stationary kernel: a step takes as long as the slower of its two vectors."""

from __future__ import annotations

import math

import numpy as np

from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.timing.lines import stream_costs
from systolab.rtl.timing.pipeline import LAT_HOLD, Pipeline, Timing

__all__ = ["output_stationary"]


def output_stationary(kernel: Kernel, array: Array) -> Timing:
    """Cycles of a kernel and their breakdown."""
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
    pipeline = _Pipeline(kernel, array, before, lasts)
    pipeline.run(index.reshape(pair.shape), o.vectors.sum(axis=1)[o.kind], kernel.outer)

    counts = copies * (math.prod(kernel.outer) // pair.size)
    a_cycles = int(counts @ np.asarray(a_sums))
    return pipeline.report(
        steps=kernel.a.vectors,
        a_lines=a_cycles - kernel.a.vectors,
        w_lines=int(counts @ np.asarray(sums)) - a_cycles,
        weight_load=0,
    )


class _Pipeline(Pipeline):
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
