"""A quick estimate of a kernel's cycles, to decide which candidates deserve the exact count.

It knows how many lines a vector spans, not how vectors share lines; ``systolab.rtl.timing`` is
the truth.
"""

from __future__ import annotations

import math

from systolab.rtl.kernel.kernel import AccessPattern, Kernel

__all__ = ["estimated_cycles"]


def estimated_cycles(kernel: Kernel, line: int) -> int:
    """Cycles of the busiest unit, without start-up and drain latencies."""
    outer = math.prod(kernel.outer)
    a, w, o = (
        pattern.vectors // outer * _lines(pattern, line)
        for pattern in (kernel.a, kernel.w, kernel.o)
    )
    if not kernel.mode.description.sums_lanes:
        o += kernel.a.lanes  # the mesh hands over its sums row by row
    return outer * max(a, w, o, kernel.w.lanes)


def _lines(pattern: AccessPattern, line: int) -> int:
    """New lines of a typical vector."""
    lanes, stride = pattern.lanes, abs(pattern.lane[1])
    span = (lanes - 1) * stride // line
    if span <= 1:  # a neighbour's line is often still held
        return 1
    return min(lanes, span + 1)
