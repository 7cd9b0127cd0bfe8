"""Directed kernels, for what random ones seldom reach: whole banks, all loops, guards, long loops.

Random kernels are short, so that there can be many. A row of a bank, a bit of a counter or a loop
of a nest that none of them uses is reached here, by one kernel each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from systolab.cosim.case import Case
from systolab.cosim.check import block_scales, inputs, lossless
from systolab.cosim.check.kernels import Data, rms, stored
from systolab.formats.codes import Codes
from systolab.formats.format import Format
from systolab.rtl.kernel.kernel import (
    MAX_GUARDS,
    MAX_LENGTH,
    MAX_LOOPS,
    AccessPattern,
    Array,
    Guard,
    Kernel,
)
from systolab.rtl.kernel.modes import Dimension, Mode

__all__ = ["MIDWAY", "directed"]

MIDWAY = MAX_LENGTH // 2  # a loop longer than this uses all bits of its index

_BANKS = 2
_REPEATS = 64  # outer iterations that fill whole banks
_SMALL = 16  # codes around zero
_VECTORS = 1 << 16  # of all of them together, where banks are large
_WINDOW = 4096  # codes that one operand's walk of many short loops stays within


def directed(array: Array, data: Data) -> Iterator[Case]:
    """All directed kernels of an array, those of one mode after those of another.

    Args:
        array: the machine.
        data: draws operands.
    """
    for mode in array.modes:
        yield from _whole_banks(array, data, mode)
        yield from _stalled(data, _every_loop(array, data, mode))
        yield from _loops_alone(array, data, mode)
        yield from _stalled(data, _guards(array, data, mode))
        yield from _long_loops(array, data, mode)
        yield _backwards(array, data, mode)
    yield from _in_turn(array, data)


def _stalled(data: Data, cases: Iterator[Case]) -> Iterator[Case]:
    """Each case, and again in a hostile environment."""
    for case in cases:
        yield case
        yield replace(case, stall_seed=int(data.rng.integers(0, 1 << 31)))


def _whole_banks(array: Array, data: Data, mode: Mode) -> Iterator[Case]:
    """Every row of both banks is written, added to and drained, often enough to change each bit."""
    rows = (array.acc_rows,) if mode.description.has_rows else ()
    outer = max(2 * _BANKS, min(_REPEATS, _VECTORS // array.acc_rows))
    kernel = _kernel(array, mode, (outer,), (2,), rows, array.rows, array.cols, dense=True)
    case = data.case(kernel)
    # Neighbouring rows hold different numbers, also as codes: no clamp, outputs over the format.
    count, typical = len(case.scale), math.sqrt(kernel.length) * rms(array.act) * rms(array.weight)
    factor = np.float32(np.clip(rms(array.out) / max(typical, 1e-300), 2.0**-100, 2.0**100))
    case = replace(
        _plain(array, data, case),
        scale=np.full(count, factor, np.float32),
        bias=np.zeros(count, np.float32),
        lo=-np.inf,
        hi=np.inf,
    )
    yield case
    # Sums of any size above; here also those of which the lowest bits are ones.
    codes = [
        stored(data.rng.choice(_around_zero(fmt), len(old)), fmt)
        for fmt, old in ((array.act, case.a), (array.weight, case.w))
    ]
    yield replace(case, a=codes[0], w=codes[1])


def _around_zero(fmt: Format) -> Codes:
    """Codes of the smallest magnitudes."""
    codes = inputs.usable_codes(fmt, False)
    order = np.argsort(np.abs(fmt.values[codes]), kind="stable")
    return codes[order[:_SMALL]]


def _every_loop(array: Array, data: Data, mode: Mode) -> Iterator[Case]:
    """As many loops as a stream can have step in one kernel, and as many as a tile can have."""
    outer = (2,) * (MAX_LOOPS - 1)
    if mode.description.has_rows:
        inner = (min(2, array.acc_rows),)
        yield data.case(_kernel(array, mode, outer, (), inner, array.rows, array.cols))
        most = min(MAX_LOOPS, int(math.log2(array.acc_rows)))
        rows = (1,) * (MAX_LOOPS - most) + (2,) * most
        yield data.case(_kernel(array, mode, (), (), rows, array.rows, array.cols))
        reduction = (2,) * (MAX_LOOPS - 1)
    else:
        yield data.case(_kernel(array, mode, outer, (2,), (), array.rows, array.cols))
        reduction = (2,) * MAX_LOOPS
    lanes = array.rows if mode.description.sums_lanes else 1
    while math.prod(reduction) * lanes > array.k_max:
        reduction = (1, *reduction[:-1])
    yield _nulled(array, data.case(_kernel(array, mode, (), reduction, (), lanes, array.cols)))


def _loops_alone(array: Array, data: Data, mode: Mode) -> Iterator[Case]:
    """One loop of the nest steps, all others have length 1; and lanes alone."""
    inner = 1  # loops that are not outer ones
    for position in range(MAX_LOOPS):
        lengths = [1] * MAX_LOOPS
        lengths[position] = 3
        outer, last = tuple(lengths[:-inner]), tuple(lengths[-inner:])
        if mode.description.has_rows:
            rows = tuple(min(n, array.acc_rows) for n in last)
            yield data.case(_kernel(array, mode, outer, (), rows, 1, array.cols))
        else:
            yield data.case(_kernel(array, mode, outer, last, (), 1, array.cols))
    yield data.case(_kernel(array, mode, (1,) * (MAX_LOOPS - 1), (), (), array.rows, array.cols))


def _guards(array: Array, data: Data, mode: Mode) -> Iterator[Case]:
    """One to four guards on each stream; each alone, and all together, make lanes inactive."""
    rows = (min(2, array.acc_rows),) if mode.description.has_rows else ()
    kernel = _kernel(array, mode, (2, 3, 2, 3), (2,), rows, array.rows, array.cols, dense=True)
    for count in range(1, MAX_GUARDS + 1):
        guarded = (_guarded(pattern, count) for pattern in (kernel.a, kernel.w, kernel.o))
        a, w, o = guarded
        yield _plain(array, data, data.case(replace(kernel, a=a, w=w, o=o)))


def _guarded(pattern: AccessPattern, count: int) -> AccessPattern:
    """The pattern with guards on its four outermost loops; each holds where another does not."""
    lengths, lanes = pattern.lengths, pattern.lanes
    by_lane = max(1, lanes - 1)

    def moves(loop: int, stride: int) -> tuple[int, ...]:
        return tuple(stride if i == loop else 0 for i in range(len(lengths)))

    guards = (
        # All but the last iteration; all but the first; all but the last lane of the last; all but
        # lanes from the second on of the first.
        Guard(0, moves(0, 1), 0, lengths[0] - 1),
        Guard(-1, moves(1, 1), 0, lengths[1]),
        Guard(0, moves(2, lanes), 1, lanes * lengths[2] - 1),
        Guard(0 if lanes > 1 else -1, moves(3, by_lane), -1, by_lane * lengths[3]),
    )
    return replace(pattern, guards=guards[:count])


def _long_loops(array: Array, data: Data, mode: Mode) -> Iterator[Case]:
    """Loops that use all bits of their index: every loop of every stream, one up to its last value.

    In the other modes the loops are the same ones; there the longest reduction is enough.
    """
    if mode is not array.modes[0]:
        longest = (min(MAX_LENGTH, array.k_max),)
        kernel = _kernel(array, mode, (), longest, (), array.rows, array.cols, window=MAX_LENGTH)
        yield _nulled(array, data.case(kernel))
        return
    most = MAX_LOOPS - 1  # W and P walk no more of them
    for position in range(most + 1):
        length = MAX_LENGTH if position == 0 else MIDWAY + 2 + position
        place = min(position, most - 1)
        outer = (1,) * (most - 1 - place) + (length,) + (1,) * place
        # A loop that is inside all others takes the outermost one of A and O to the last place.
        rows = (1,) if position == most and mode.description.has_rows else ()
        kernel = _kernel(array, mode, outer, (), rows, 1, 1, dense=True)
        # Either A moves or W and its parameters do: what the software computes at one stroke.
        kept = ("A",) if position % 2 else ("W", "P")
        yield data.case(_standing(kernel, kept))


def _backwards(array: Array, data: Data, mode: Mode) -> Case:
    """Every stream and every loop of it from the highest address down."""
    rows = (min(3, array.acc_rows),) if mode.description.has_rows else ()
    kernel = _kernel(array, mode, (2, 3), (2,), rows, array.rows, array.cols, dense=True)
    streams: dict[str, Any] = {}
    for name, pattern in kernel.streams().items():
        last = int(pattern.addresses().max())
        loops = tuple((n, -stride) for n, stride in pattern.loops)
        lanes, stride = pattern.lane
        streams[name] = replace(pattern, base=last, loops=loops, lane=(lanes, -stride))
    return data.case(_moved(kernel, streams))


def _standing(kernel: Kernel, names: tuple[str, ...]) -> Kernel:
    """The kernel with some streams, and their block scales, at the same address throughout."""
    streams = {
        name: replace(old, loops=tuple((n, 0) for n, _ in old.loops))
        for name, old in kernel.streams().items()
        if name.removeprefix("S") in names
    }
    return _moved(kernel, streams)


def _moved(kernel: Kernel, streams: dict[str, AccessPattern]) -> Kernel:
    """The kernel with other patterns, by the name of their stream."""
    found = kernel.streams() | streams
    a, w, o, p = (found[name] for name in ("A", "W", "O", "P"))
    return replace(kernel, a=a, w=w, o=o, p=p, sa=found.get("SA"), sw=found.get("SW"))


def _in_turn(array: Array, data: Data) -> Iterator[Case]:
    """Kernels of every pair of modes, one directly after the other, among stalls as well."""
    for first in array.modes:
        for second in array.modes:
            for mode in (first, second):
                rows = (min(3, array.acc_rows),) if mode.description.has_rows else ()
                kernel = _kernel(array, mode, (3,), (2,), rows, array.rows, array.cols)
                yield from _stalled(data, iter([data.case(kernel)]))


def _kernel(
    array: Array,
    mode: Mode,
    outer: tuple[int, ...],
    reduction: tuple[int, ...],
    rows: tuple[int, ...],
    a_lanes: int,
    w_lanes: int,
    *,
    dense: bool = False,
    window: int = _WINDOW,
) -> Kernel:
    """A kernel of the given loops whose loops all move every stream.

    Args:
        array: the machine.
        mode: dataflow.
        outer: lengths of the outer loops, outermost first.
        reduction: of the loops that are summed over.
        rows: of the row loops; empty in a mode without.
        a_lanes: lanes of A in use.
        w_lanes: lanes of W, O and P.
        dense: every vector of an operand has codes of its own; else they overlap.
        window: most codes that an operand's vectors overlap within.
    """
    loops = {
        Dimension.OUTER: outer,
        Dimension.REDUCTION: reduction,
        Dimension.ROWS: rows,
        Dimension.A_LANES: (a_lanes,),
    }

    def walked(stream: str) -> tuple[int, ...]:
        return tuple(n for kind in mode.description.walks[stream].loops for n in loops[kind])

    def pattern(stream: str, lanes: int, own: bool) -> AccessPattern:
        moves, step = [], lanes if own else 1
        for length in reversed(walked(stream)):
            moves.append((length, step if own or step < window else step % window + 1))
            step *= length
        return AccessPattern(0, tuple(reversed(moves)), (lanes, 1))

    a, w = pattern("A", a_lanes, dense), pattern("W", w_lanes, dense)
    o, p = pattern("O", w_lanes, own=True), pattern("P", w_lanes, own=True)
    kernel = Kernel(mode, outer, reduction, rows, a, w, o, p)
    return block_scales.dense(kernel) if array.block_scaled else kernel


def _nulled(array: Array, case: Case) -> Case:
    return lossless.nulled(array, case, np.zeros(math.prod(case.kernel.outer), np.int64))


def _plain(array: Array, data: Data, case: Case) -> Case:
    """The case with any finite operands, and block scales near 1, which lose no sum."""
    a, w = data.finite(array.act, len(case.a)), data.finite(array.weight, len(case.w))
    case = replace(case, a=a, w=w)
    if case.a_scale is None or case.w_scale is None:
        return case
    a_scale, w_scale = (block_scales.near(data.rng, len(x)) for x in (case.a_scale, case.w_scale))
    return replace(case, a_scale=a_scale, w_scale=w_scale)
