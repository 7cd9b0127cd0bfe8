"""How many memory lines the vectors of a stream touch.

A stream holds the line it last transferred within the current tile. Lanes of a vector that fall
into the held line come for free together with those of the first new line; every further line costs
a cycle. A vector therefore costs ``max(1, new lines)`` cycles, also when no lane is active.

Lane addresses are affine in the lane, so the active lanes of a vector are an interval and visit
their lines in order. That makes costs computable for whole tiles at once, and tiles equal when
their base addresses agree modulo the line and their guards cut the same lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.rtl.kernel.kernel import AccessPattern, Guard, affine

__all__ = ["StreamCosts", "stream_costs"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class StreamCosts:
    """Vector costs of a stream, one row for each distinct kind of tile.

    Attributes:
        lines: lines each vector of each kind of tile transfers, ``[kinds, vectors of a tile]``.
        kind: kind of each tile; one axis for each tile loop, of length 1 where it has no effect.
    """

    lines: _Ints
    kind: _Ints

    @property
    def vectors(self) -> _Ints:
        """Cycles of each vector of each kind of tile: one without any line, too."""
        return np.maximum(self.lines, 1)


def stream_costs(pattern: AccessPattern, tile_loops: int, line: int) -> StreamCosts:
    """Cost of every vector of a stream whose tiles are the iterations of its first loops.

    Args:
        pattern: the stream.
        tile_loops: number of outermost loops that enumerate tiles.
        line: codes in a memory line.
    """
    tile_lengths = pattern.lengths[:tile_loops]
    lengths, strides = pattern.lengths[tile_loops:], pattern.strides[tile_loops:]
    guards = [guard for guard in pattern.guards if not _always_holds(guard, pattern)]
    effective = [
        i
        for i in range(tile_loops)
        if tile_lengths[i] > 1
        and (pattern.strides[i] % line != 0 or any(guard.strides[i] != 0 for guard in guards))
    ]
    shape = [tile_lengths[i] for i in effective]
    base = affine(pattern.base, shape, [pattern.strides[i] for i in effective]) % line
    offsets = []
    for guard in guards:
        offset = affine(guard.offset, shape, [guard.strides[i] for i in effective])
        below, above = _span(guard, lengths, tile_loops, pattern.lanes)
        low, high = offset + below, offset + above
        # Tiles that a guard leaves alone, or blanks, are alike wherever they lie.
        offset = np.where((low >= 0) & (high < guard.bound), -below, offset)
        never = (high < 0) | (low >= guard.bound)
        offsets.append(np.where(never, -1 - above, offset))
    first, kind = _distinct([base, *offsets])
    address = base[first, None] + affine(0, lengths, strides)
    low = np.zeros_like(address)
    high = np.full_like(address, pattern.lanes - 1)
    for guard, offset in zip(guards, offsets, strict=True):
        value = offset[first, None] + affine(0, lengths, guard.strides[tile_loops:])
        _narrow(guard, value, low, high)
    costs = _new_lines(address, low, high, pattern.lane[1], line)
    axes = [tile_lengths[i] if i in effective else 1 for i in range(tile_loops)]
    return StreamCosts(costs, kind.reshape(axes))


def _span(guard: Guard, lengths: tuple[int, ...], skip: int, lanes: int) -> tuple[int, int]:
    """Least and greatest change of a guard's value over lanes and all but the first loops."""
    spans = [(n - 1) * s for n, s in zip(lengths, guard.strides[skip:], strict=True)]
    spans.append((lanes - 1) * guard.lane_stride)
    return sum(min(span, 0) for span in spans), sum(max(span, 0) for span in spans)


def _always_holds(guard: Guard, pattern: AccessPattern) -> bool:
    below, above = _span(guard, pattern.lengths, 0, pattern.lanes)
    return guard.offset + below >= 0 and guard.offset + above < guard.bound


def _distinct(keys: list[_Ints]) -> tuple[_Ints, _Ints]:
    """First position of each distinct combination of keys, and the combination at each position."""
    kind = np.zeros(len(keys[0]), dtype=np.int64)
    first = np.zeros(1, dtype=np.int64)
    for key in keys:
        _, rank = np.unique(key, return_inverse=True)
        merged = kind * (int(rank.max()) + 1) + rank
        _, first, kind = np.unique(merged, return_index=True, return_inverse=True)
    return first, kind


def _narrow(guard: Guard, value: _Ints, low: _Ints, high: _Ints) -> None:
    """Shrink the lane interval [low, high] of each vector, in place, to where a guard holds."""
    step = guard.lane_stride
    if step > 0:
        np.maximum(low, -(value // step), out=low)
        np.minimum(high, (guard.bound - 1 - value) // step, out=high)
    elif step < 0:
        np.maximum(low, (value - guard.bound) // -step + 1, out=low)
        np.minimum(high, value // -step, out=high)
    else:
        high[(value < 0) | (value >= guard.bound)] = -1


def _new_lines(address: _Ints, low: _Ints, high: _Ints, stride: int, line: int) -> _Ints:
    """Number of lines each vector must transfer, ``[tiles, vectors]``; 0 if the held one suffices.

    Args:
        address: address of lane 0 of each vector.
        low: first active lane of each vector.
        high: last active lane; below ``low`` if none is active.
        stride: lane stride.
        line: codes in a memory line.
    """
    costs = np.zeros_like(address)
    active = low <= high
    if not active.any():
        return costs
    tile = np.nonzero(active)[0]
    base, low, high = address[active], low[active], high[active]
    first_line = (base + stride * low) // line
    last_line = (base + stride * high) // line
    # Steps of at most a line cannot skip one; longer steps never stay in one.
    dense = abs(stride) <= line
    touched = np.abs(last_line - first_line) + 1 if dense else high - low + 1
    direction = 1 if stride >= 0 else -1
    before_last = last_line - direction if dense else (base + stride * (high - 1)) // line
    starts = np.ones(len(tile), dtype=np.bool_)
    starts[1:] = tile[1:] != tile[:-1]

    def hits(held: _Ints) -> NDArray[np.bool_]:
        """Whether a vector touches a line."""
        if stride == 0:
            same: NDArray[np.bool_] = first_line == held
            return same
        if stride > 0:
            lane = -((base - held * line) // stride)
        else:
            lane = -((held * line + line - 1 - base) // -stride)
        found: NDArray[np.bool_] = (base + stride * np.clip(lane, low, high)) // line == held
        return found

    # After a vector its last line is held, unless that was held before and another was transferred
    # since: then the one before it. Which of the two follows from the parity of such exchanges.
    several = touched > 1
    held_last, held_before = np.roll(last_line, 1), np.roll(before_last, 1)
    to_before = several & (last_line == held_last) & ~starts
    stay_before = several & (last_line == held_before) & ~starts
    exchanges = np.cumsum(to_before)
    reset = ~(to_before | stay_before)
    # Exchanges counted up to the latest vector that held its last line whatever came before.
    settled = np.maximum.accumulate(np.where(reset, exchanges, 0))
    holds_before = (exchanges - settled) % 2 == 1
    held_is_before = np.roll(holds_before, 1) & ~starts
    found = np.where(held_is_before, hits(held_before), hits(held_last))
    costs[active] = touched - (found & ~starts)
    return costs
