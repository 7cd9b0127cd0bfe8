"""Streams of block scales that follow the operands' own streams.

A scale is found where the first lane of its vector finds its code: the memory of scales is that of
the operand, thinned to the addresses that vectors begin at.
"""

from __future__ import annotations

import math
from dataclasses import replace

from systolab.rtl.kernel.kernel import AccessPattern, Kernel

__all__ = ["a_step", "w_step", "with_scales"]


def with_scales(kernel: Kernel) -> Kernel:
    """A kernel of a mode that takes block scales, with streams SA and SW for its operands.

    Element i of the scales of A is that of the code at address ``i * a_step(kernel)``; of those of
    W that of the code at ``i * w_step(kernel)``.
    """
    a, w = kernel.a, kernel.w
    sa, sw = a_step(kernel), w_step(kernel)
    return replace(
        kernel,
        sa=_thinned(a.base, a.loops, (1, 0), sa),
        sw=_thinned(w.base, w.loops[:-1], w.lane, sw),
    )


def a_step(kernel: Kernel) -> int:
    """Distance of the codes of A whose scales are kept."""
    return math.gcd(kernel.a.base, *kernel.a.strides) or 1


def w_step(kernel: Kernel) -> int:
    """Distance of the codes of W whose scales are kept: of a tile, those of its first vector."""
    w = kernel.w
    lane = w.lane[1] if w.lanes > 1 else 0
    return math.gcd(w.base, *w.strides[:-1], lane) or 1


def _thinned(
    base: int, loops: tuple[tuple[int, int], ...], lane: tuple[int, int], step: int
) -> AccessPattern:
    lanes, stride = lane
    moves = tuple((length, move // step) for length, move in loops)
    return AccessPattern(base // step, moves, (lanes, stride // step if lanes > 1 else 0))
