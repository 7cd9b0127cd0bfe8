"""A kernel as the words that configure the hardware.

Word layout: see the headers of ``systolab_config.sv``, ``systolab_line_walker.sv``,
``systolab_loop_nest.sv``, ``systolab_param_loader.sv``, ``systolab_act_scale.sv`` and
``systolab_weight_scale.sv``. The hardware counts loops from the
innermost one and adds one delta a step, so strides become deltas here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from systolab.rtl.kernel.kernel import MAX_GUARDS, MAX_LOOPS, AccessPattern, Kernel, Mode

_, _A, _W, _O, _P, _SA, _SW = range(7)  # units of the configuration address

_WORD = 0xFFFF_FFFF
_GUARDS = 8  # first word of the guards
_LOOPS = 32  # first word of the loops


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
    stationary = kernel.mode is Mode.WEIGHT_STATIONARY
    reduction, rows = len(kernel.reduction), len(kernel.rows)
    writes: list[tuple[int, int]] = [
        (0, 0 if stationary else 1),
        (1, kernel.bank_rows - 1),
        (2, math.prod(kernel.outer)),
        (3, low),
        (4, high),
    ]
    if stationary:
        inner = {_A: (rows, rows + reduction), _W: (1, 1 + reduction), _O: (rows, rows)}
    else:
        inner = {_A: (reduction, reduction), _W: (reduction, reduction), _O: (1, 1)}
    for unit, pattern in ((_A, kernel.a), (_W, kernel.w), (_O, kernel.o)):
        tile, outer = inner[unit]
        writes += [((unit << 7) + word, value) for word, value in _stream(pattern, tile, outer)]
    for unit, scales in ((_P, kernel.p), (_SA, kernel.sa), (_SW, kernel.sw)):
        if scales is not None:
            writes += [((unit << 7) + word, value) for word, value in _stream(scales, 0, 0)]
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
    addresses = np.arange(1 << 10, dtype=np.uint32)
    unmapped = addresses[~_mapped(addresses, block_scaled)]
    before, after = rng.permutation(addresses), rng.permutation(unmapped)
    parts = [
        np.stack([x, rng.integers(0, 1 << 32, len(x), dtype=np.uint32)], axis=1)
        for x in (before, after)
    ]
    return np.concatenate([parts[0], writes, parts[1]])


def _mapped(addresses: NDArray[np.uint32], block_scaled: bool) -> NDArray[np.bool_]:
    """Which configuration addresses have a meaning."""
    unit, word = addresses >> 7, addresses & 127
    streams = np.isin(unit, (_A, _W, _O))
    scales = np.isin(unit, (_P, _SA, _SW) if block_scaled else (_P,))
    in_loops = (word >= _LOOPS) & (word < _LOOPS + 8 * MAX_LOOPS)
    guard = (word - _GUARDS) & 3
    in_guards = (word >= _GUARDS) & (word < _GUARDS + 4 * MAX_GUARDS) & (guard < 3)
    used = np.where(in_loops, (word & 7) < 2 + MAX_GUARDS, (word < 6) | in_guards)
    used_scales = np.where(in_loops, (word & 7) < 2, word < 3)
    return np.asarray(
        (unit == 0) & (word < 5) | streams & used | scales & used_scales, dtype=np.bool_
    )


def _stream(pattern: AccessPattern, tile: int, outer: int) -> list[tuple[int, int]]:
    """Words of one stream; ``tile`` and ``outer`` count the loops inside each."""
    writes = [
        (0, pattern.base & _WORD),
        (1, pattern.lane[0]),
        (2, pattern.lane[1] & _WORD),
        (3, (1 << tile) - 1),
        (4, (1 << outer) - 1),
        (5, (1 << len(pattern.guards)) - 1),
    ]
    for g, guard in enumerate(pattern.guards):
        first = _GUARDS + 4 * g
        writes += [
            (first, guard.offset & _WORD),
            (first + 1, guard.lane_stride & _WORD),
            (first + 2, guard.bound),
        ]
    lengths = pattern.lengths[::-1]
    values = [pattern.strides, *(guard.strides for guard in pattern.guards)]
    deltas = [_deltas(lengths, strides[::-1]) for strides in values]
    for level in range(MAX_LOOPS):
        first = _LOOPS + 8 * level
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
