"""How often a kernel uses each memory port, exactly as the hardware does.

Every read request, and every line written, is one transfer. Like cycles, transfers depend on the
kernel and the array alone; the driver counts them and holds them against this function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel
from systolab.rtl.timing.lines import stream_costs

__all__ = ["Traffic", "traffic"]


@dataclass(frozen=True)
class Traffic:
    """Transfers of each port.

    Attributes:
        a, w: lines of codes that are read.
        p: pairs of scale and bias that are read.
        o: lines of codes that are written.
        sa, sw: block scales that are read; 0 without block scaling.
    """

    a: int
    w: int
    p: int
    o: int
    sa: int = 0
    sw: int = 0


def traffic(kernel: Kernel, array: Array) -> Traffic:
    """Transfers of a kernel on an array.

    Raises:
        SystolabError: the kernel does not fit the array.
    """
    kernel.check(array)
    outer, tiles = len(kernel.outer), kernel.count(kernel.mode.description.tile)
    lanes = kernel.w.lanes
    scaled = kernel.block_scaled
    return Traffic(
        a=_lines(kernel.a, tiles, array.line),
        w=_lines(kernel.w, tiles, array.line),
        p=math.prod(kernel.outer) * lanes,
        o=_lines(kernel.o, outer, array.line),
        sa=kernel.a.vectors if scaled else 0,
        sw=math.prod((*kernel.outer, *kernel.reduction)) * lanes if scaled else 0,
    )


def _lines(pattern: AccessPattern, tile_loops: int, line: int) -> int:
    costs = stream_costs(pattern, tile_loops, line)
    tiles = math.prod(pattern.lengths[:tile_loops])
    return int(costs.lines.sum(axis=1)[costs.kind].sum()) * (tiles // costs.kind.size)
