"""A kernel as the words that configure the hardware.

The words are those of ``configuration``. The hardware counts loops from the innermost one and adds
one delta a step, so strides become deltas here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from systolab.rtl.hardware.configuration import ADDRESSES, GUARDS, LOOPS, Unit, mapped
from systolab.rtl.kernel.kernel import MAX_LOOPS, AccessPattern, Kernel
from systolab.rtl.kernel.modes import Dimension

__all__ = ["descriptor", "surrounded"]

_WORD = 0xFFFF_FFFF


def descriptor(
    kernel: Kernel, lo: float | np.float32, hi: float | np.float32
) -> NDArray[np.uint32]:
    """Configuration writes of a kernel: rows of (address, word), in order.

    Args:
        kernel: what to run.
        lo: lower clamp, as binary32.
        hi: upper clamp, as binary32.
    """
    low, high = np.array([lo, hi], dtype=np.float32).view(np.uint32).tolist()
    mode = kernel.mode.description
    writes: list[tuple[int, int]] = [
        (0, mode.code),
        (1, kernel.bank_rows - 1),
        (2, math.prod(kernel.outer)),
        (3, low),
        (4, high),
    ]
    for unit, pattern in ((Unit.A, kernel.a), (Unit.W, kernel.w), (Unit.O, kernel.o)):
        loops = mode.walks[unit.name].loops
        tile = kernel.count(kind for kind in loops if kind not in mode.tile)
        outer = kernel.count(kind for kind in loops if kind is not Dimension.OUTER)
        writes += [(unit.address(word), value) for word, value in _stream(pattern, tile, outer)]
    for unit, scales in ((Unit.P, kernel.p), (Unit.SA, kernel.sa), (Unit.SW, kernel.sw)):
        if scales is not None:
            writes += [(unit.address(word), value) for word, value in _counter(scales)]
    return np.array(writes, dtype=np.uint32)


def surrounded(writes: NDArray[np.uint32], block_scaled: bool, seed: int) -> NDArray[np.uint32]:
    """Configuration writes among random ones that must not matter.

    Before them, every word of every unit is written: a kernel's own writes are all it depends on.
    After them, every address without a meaning is: the hardware ignores it.

    Args:
        writes: rows of (address, word), as ``descriptor`` gives them.
        block_scaled: whether the array has the units of block scales.
        seed: of the random words and their order.
    """
    rng = np.random.default_rng(seed)
    addresses = np.arange(ADDRESSES, dtype=np.uint32)
    unmapped = np.setdiff1d(addresses, list(mapped(block_scaled)))
    before, after = rng.permutation(addresses), rng.permutation(unmapped)
    parts = [
        np.stack([x, rng.integers(0, 1 << 32, len(x), dtype=np.uint32)], axis=1)
        for x in (before, after)
    ]
    return np.concatenate([parts[0], writes, parts[1]])


def _stream(pattern: AccessPattern, tile: int, outer: int) -> list[tuple[int, int]]:
    """Words of a stream of lines; ``tile`` and ``outer`` count the loops inside each."""
    writes = [
        (3, (1 << tile) - 1),
        (4, (1 << outer) - 1),
        (5, (1 << len(pattern.guards)) - 1),
    ]
    for g, guard in enumerate(pattern.guards):
        first = GUARDS + 4 * g
        writes += [
            (first, guard.offset & _WORD),
            (first + 1, guard.lane_stride & _WORD),
            (first + 2, guard.bound),
        ]
    return [*_counter(pattern), *writes]


def _counter(pattern: AccessPattern) -> list[tuple[int, int]]:
    """Words of a stream of single words, and of what a stream of lines has in common with it."""
    writes = [
        (0, pattern.base & _WORD),
        (1, pattern.lane[0]),
        (2, pattern.lane[1] & _WORD),
    ]
    lengths = pattern.lengths[::-1]
    values = [pattern.strides, *(guard.strides for guard in pattern.guards)]
    deltas = [_deltas(lengths, strides[::-1]) for strides in values]
    for level in range(MAX_LOOPS):
        first = LOOPS + 8 * level
        if level < len(lengths):
            writes.append((first, lengths[level] - 1))
            writes += [(first + 1 + v, delta[level] & _WORD) for v, delta in enumerate(deltas)]
        else:
            writes.append((first, 0))
    return writes


def _deltas(lengths: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Change of a value when a loop (innermost first) steps and those inside it start over."""
    deltas, span = [], 0
    for length, stride in zip(lengths, strides, strict=True):
        deltas.append(stride - span)
        span += (length - 1) * stride
    return deltas
