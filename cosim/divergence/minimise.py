"""Makes a failing case small: fewer iterations, fewer nonzero operands, plain post-processing.

Greedy delta debugging (Zeller and Hildebrandt, 2002): a change is kept if the two machines still
differ in the same way, until no change is kept any more, or there is no time left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import (
    Axis,
    Case,
    Device,
    Difference,
    Outcome,
    axes,
    compare,
    restrict,
    squeeze,
)
from systolab.formats.codes import Codes
from systolab.formats.errors import SystolabError
from systolab.rtl.kernel.kernel import AccessPattern, Array

__all__ = ["Minimised", "minimise"]

_DEFAULT_RUNS = 1500
_DEFAULT_SECONDS = 15.0

_Compare = Callable[[Case, Outcome, Outcome], Difference | None]


@dataclass(frozen=True, eq=False)
class Minimised:
    """The smallest failing case that was found.

    Attributes:
        case: the case; its first output with a difference is ``difference``.
        difference: expected and found.
        runs: how many cases were tried.
        start: for every loop of the original kernel, the first iteration that is left.
        stopped: the limit that ended the search, as words; empty if nothing smaller was found.
    """

    case: Case
    difference: Difference
    runs: int
    start: dict[Axis, int]
    stopped: str = ""

    @property
    def products(self) -> int:
        """Products of two nonzero operands that are left in the whole case."""
        return _products(self.case)


class _Search:
    """The best case so far, and the budget."""

    def __init__(
        self,
        case: Case,
        first: Difference,
        devices: tuple[Device, Device],
        differs: _Compare,
        limit: int,
        seconds: float,
    ) -> None:
        self.case = case
        self.difference = first
        self.runs = 0
        self._expected, self._found = devices
        self._differs = differs
        self._limit = limit
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    @property
    def stopped(self) -> str:
        """The limit that is reached, as words; empty while there is none."""
        if self.runs >= self._limit:
            return f"stopped after {self._limit} runs"
        if time.monotonic() >= self._deadline:
            return f"stopped after {self._seconds:g} s"
        return ""

    def keeps(self, candidate: Case) -> bool:
        """Take the candidate if both machines still differ on it in the same way."""
        if self.stopped:
            return False
        self.runs += 1
        try:
            difference = self._differs(candidate, self._expected(candidate), self._found(candidate))
        except SystolabError:
            return False
        if difference is None or difference.what != self.difference.what:
            return False
        self.case, self.difference = candidate, difference
        return True


def minimise(
    case: Case,
    array: Array,
    expected: Device,
    found: Device,
    differs: _Compare = compare,
    limit: int = _DEFAULT_RUNS,
    seconds: float = _DEFAULT_SECONDS,
) -> Minimised | None:
    """The smallest case found that still differs in the same way (codes or cycles).

    Args:
        case: a case on which the devices differ.
        array: the machine; gives the zero codes and the line.
        expected: the reference.
        found: what is suspected.
        differs: says what is a difference; by default codes first, then conduct.
        limit: most cases to try.
        seconds: no case is tried after that time.

    Returns:
        None where the devices agree on ``case``.
    """
    first = differs(case, expected(case), found(case))
    if first is None:
        return None
    search = _Search(case, first, (expected, found), differs, limit, seconds)
    if case.stall_seed is not None:
        search.keeps(replace(case, stall_seed=None))
    start = {axis: 0 for axis, _ in axes(case.kernel)}
    while True:
        before = _size(search.case)
        for axis, _ in axes(search.case.kernel):
            start[axis] += _shrink(search, axis)
        _zero(search, True, array.act.zero_code)
        _zero(search, False, array.weight.zero_code)
        _plain_parameters(search)
        _plain_scales(search, True)
        _plain_scales(search, False)
        if search.stopped or _size(search.case) == before:
            break
    stopped = search.stopped
    search.keeps(replace(search.case, kernel=squeeze(search.case.kernel)))
    search.keeps(_trimmed(search.case, array.line))
    return Minimised(search.case, search.difference, search.runs, start, stopped)


def _size(case: Case) -> tuple[int, ...]:
    """What minimisation makes smaller; equal before and after a round that achieved nothing."""
    work = sum(length for _, length in axes(case.kernel))
    bias = int(np.count_nonzero(case.bias))
    scales = sum(
        int(np.count_nonzero(x != 1)) for x in (case.a_scale, case.w_scale) if x is not None
    )
    return work, int(np.count_nonzero(case.a)), int(np.count_nonzero(case.w)), bias, scales


def _shrink(search: _Search, axis: Axis) -> int:
    """Cut one loop as short as possible; return the first iteration that is left."""
    total = 0
    while True:
        length = dict(axes(search.case.kernel))[axis]
        for start, size in _cuts(length):
            kernel = restrict(search.case.kernel, axis, start, size)
            if search.keeps(replace(search.case, kernel=kernel)):
                total += start
                break
        else:
            return total


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Parts of a loop, the smaller ones first: halves, then all but an ever smaller end."""
    removed = (length + 1) // 2
    while removed > 0 and length > 1:
        yield 0, length - removed
        yield removed, length - removed
        removed //= 2


def _zero(search: _Search, is_a: bool, zero: int) -> None:
    """Zero as many operands of A (else of W) as possible, in ever smaller chunks."""
    pattern = search.case.kernel.a if is_a else search.case.kernel.w
    used = np.unique(pattern.addresses()[pattern.active()])
    chunk = len(used)
    while chunk > 0:
        for begin in range(0, len(used), chunk):
            if search.stopped:
                return
            memory = search.case.a if is_a else search.case.w
            addresses = used[begin : begin + chunk]
            if not (memory[addresses] != zero).any():
                continue
            memory = memory.copy()
            memory[addresses] = zero
            candidate = replace(search.case, a=memory) if is_a else replace(search.case, w=memory)
            search.keeps(candidate)
        chunk //= 2


def _plain_scales(search: _Search, is_a: bool) -> None:
    """Make as many block scales of A (else of W) as possible 1, in ever smaller chunks."""
    pattern = search.case.kernel.sa if is_a else search.case.kernel.sw
    if pattern is None:
        return
    used = np.unique(pattern.addresses())
    chunk = len(used)
    while chunk > 0:
        for begin in range(0, len(used), chunk):
            if search.stopped:
                return
            memory = search.case.a_scale if is_a else search.case.w_scale
            assert memory is not None
            addresses = used[begin : begin + chunk]
            if (memory[addresses] == 1).all():
                continue
            memory = memory.copy()
            memory[addresses] = 1
            search.keeps(
                replace(search.case, a_scale=memory)
                if is_a
                else replace(search.case, w_scale=memory)
            )
        chunk //= 2


def _plain_parameters(search: _Search) -> None:
    """Unit scale, no bias, no clamp, where the difference survives it."""
    ones, zeros = np.ones_like(search.case.scale), np.zeros_like(search.case.bias)
    changes: tuple[Callable[[Case], Case], ...] = (
        lambda case: replace(case, lo=-np.inf),
        lambda case: replace(case, hi=np.inf),
        lambda case: replace(case, bias=zeros),
        lambda case: replace(case, scale=ones),
    )
    for change in changes:
        candidate = change(search.case)
        if not _same_parameters(candidate, search.case):
            search.keeps(candidate)


def _same_parameters(x: Case, y: Case) -> bool:
    return (
        (x.lo, x.hi) == (y.lo, y.hi)
        and np.array_equal(x.scale.view(np.uint32), y.scale.view(np.uint32))
        and np.array_equal(x.bias.view(np.uint32), y.bias.view(np.uint32))
    )


def _trimmed(case: Case, line: int) -> Case:
    """The case with memories cut to the lines that active lanes touch."""
    kernel = case.kernel
    a, a_mem = _rebased(kernel.a, case.a, line)
    w, w_mem = _rebased(kernel.w, case.w, line)
    o, o_mem = _rebased(kernel.o, case.o, line)
    p, (scale, bias) = _indexed(kernel.p, case.scale, case.bias)
    kernel = replace(kernel, a=a, w=w, o=o, p=p)
    case = replace(case, kernel=kernel, a=a_mem, w=w_mem, o=o_mem, scale=scale, bias=bias)
    if kernel.sa is None or kernel.sw is None:
        return case
    assert case.a_scale is not None
    assert case.w_scale is not None
    sa, (a_scale,) = _indexed(kernel.sa, case.a_scale)
    sw, (w_scale,) = _indexed(kernel.sw, case.w_scale)
    kernel = replace(kernel, sa=sa, sw=sw)
    return replace(case, kernel=kernel, a_scale=a_scale, w_scale=w_scale)


def _indexed(
    pattern: AccessPattern, *memories: NDArray[np.float32]
) -> tuple[AccessPattern, list[NDArray[np.float32]]]:
    """A pattern of indices and its memories, cut to what it reaches."""
    index = pattern.addresses()
    low, high = int(index.min()), int(index.max()) + 1
    return replace(pattern, base=pattern.base - low), [memory[low:high] for memory in memories]


def _rebased(pattern: AccessPattern, memory: Codes, line: int) -> tuple[AccessPattern, Codes]:
    addresses: NDArray[np.int64] = pattern.addresses()[pattern.active()]
    if not addresses.size:
        return pattern, memory[:line]
    low = int(addresses.min()) // line * line
    high = int(addresses.max()) // line * line + line
    return replace(pattern, base=pattern.base - low), memory[low:high]


def _products(case: Case) -> int:
    """Pairs of operands that are both nonzero and meet in a product."""
    kernel = case.kernel
    total = 0
    a_used = _nonzero(kernel.a, case.a)
    w_used = _nonzero(kernel.w, case.w)
    outer = len(kernel.outer) + len(kernel.reduction)
    tiles = int(np.prod(kernel.a.lengths[:outer], dtype=np.int64))
    a_tiles = a_used.reshape(tiles, -1, kernel.a.lanes)
    w_tiles = w_used.reshape(tiles, -1, kernel.w.lanes)
    for a_tile, w_tile in zip(a_tiles, w_tiles, strict=True):
        if kernel.mode.description.sums_lanes:
            total += int((a_tile.astype(np.int64) @ w_tile.astype(np.int64)).sum())
        else:
            total += int(a_tile.sum()) * int(w_tile.sum())
    return total


def _nonzero(pattern: AccessPattern, memory: Codes) -> NDArray[np.bool_]:
    active = pattern.active()
    addresses = np.where(active, pattern.addresses(), 0)
    return np.asarray(active & (memory[addresses] != 0))
