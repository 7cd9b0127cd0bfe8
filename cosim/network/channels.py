"""Which output channel of a constant weight each column of a kernel holds.

A kernel's stream P delivers one scale for every output column. So a weight tensor may have a scale
for each of its output channels wherever all the weights behind one index of P are of one channel:
the machine then multiplies by that channel's scale, and nothing in it changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from systolab.glenside.program import KernelStep
from systolab.rtl.kernel.kernel import AccessPattern

__all__ = ["Channels", "channels"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Channels:
    """Output channels of a weight tensor as a kernel's stream P counts them.

    Attributes:
        axis: the tensor's axis whose indices are the channels.
        index: channel of every index of stream P, shape ``[indices]``; of an index behind which
            there are only zeros (idle lanes of a last tile) channel 0, which is as good as any.
    """

    axis: int
    index: _Ints


def channels(step: KernelStep) -> Channels | None:
    """The output channels of a kernel's constant weights.

    They are read off the addresses of streams W and P, so it makes no difference how the compiler
    tiled, grouped, widened or slid the layer. Of several axes that would do the longest is taken.

    Returns:
        None where no axis of more than one index has the same one in all the weights behind an
        index of P.
    """
    kernel, shape = step.kernel, step.w.shape
    loops = _moving(kernel.outer, (kernel.w, kernel.p))
    w = _only(kernel.w, loops, len(kernel.outer))
    p = _only(kernel.p, loops, len(kernel.outer)).addresses()
    numbers = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    memory = step.w.layout.pack(numbers, -1)
    active = w.active()
    element = np.where(active, memory[np.where(active, w.addresses(), 0)], -1)
    element = element.reshape(len(p), -1, w.lanes)
    found = [
        Channels(axis, index)
        for axis in range(len(shape))
        if shape[axis] > 1 and (index := _index(element, p, shape, axis)) is not None
    ]
    return max(found, key=lambda item: shape[item.axis], default=None)


def _moving(outer: Sequence[int], patterns: Sequence[AccessPattern]) -> list[int]:
    """The outer loops that move one of the streams; the others repeat what they read."""
    return [
        i
        for i in range(len(outer))
        if any(
            pattern.strides[i] or any(guard.strides[i] for guard in pattern.guards)
            for pattern in patterns
        )
    ]


def _only(pattern: AccessPattern, outer: Sequence[int], count: int) -> AccessPattern:
    """A pattern with some of its first ``count`` loops, the others standing still."""
    kept = [*outer, *range(count, len(pattern.loops))]
    guards = tuple(
        replace(guard, strides=tuple(guard.strides[i] for i in kept)) for guard in pattern.guards
    )
    loops = tuple(pattern.loops[i] for i in kept)
    return AccessPattern(pattern.base, loops, pattern.lane, guards)


def _index(element: _Ints, p: _Ints, shape: Sequence[int], axis: int) -> _Ints | None:
    """Index along an axis for every index of P, None where it is not one.

    Args:
        element: flat weights behind every outer iteration and column, -1 for zeros.
        p: index of P of every outer iteration and column.
        shape: of the weight tensor.
        axis: one of its axes.
    """
    size = shape[axis]
    along = element // math.prod(shape[axis + 1 :]) % size
    zero = element < 0
    low, high = np.full(int(p.max()) + 1, size), np.full(int(p.max()) + 1, -1)
    np.minimum.at(low, p, np.where(zero, size, along).min(axis=1))
    np.maximum.at(high, p, np.where(zero, -1, along).max(axis=1))
    used = high >= 0
    return np.maximum(high, 0) if (low[used] == high[used]).all() else None
