"""One run of one kernel with its data: what both machines are given, and what is minimised."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from systolab.cosim.simulator.model import HardwareFaultError, Model
from systolab.formats.codes import Codes
from systolab.rtl import values
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import AccessPattern, Array, Guard, Kernel
from systolab.rtl.kernel.modes import Dimension
from systolab.rtl.timing import timing
from systolab.rtl.timing.traffic import Traffic, traffic

__all__ = [
    "Axis",
    "Case",
    "Device",
    "Difference",
    "Outcome",
    "axes",
    "compare",
    "compare_conduct",
    "hardware_model",
    "predicted",
    "restrict",
    "software",
    "squeeze",
]

# A kernel that takes this many times the predicted cycles has hung. Random stalls freeze the core
# most of the time.
_PATIENCE = 2
_STALLED_PATIENCE = 40
_SLACK = 500


@dataclass(frozen=True, eq=False)
class Case(Job):
    """A job, and whether its memory ports stall.

    Attributes:
        stall_seed: seed of a hostile environment with random stalls on every memory port
            (``Model.run``); None: no stalls.
    """

    stall_seed: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of a run, and what the hardware did at the memory ports.

    Attributes:
        o: output memory after it, flat codes.
        cycles: from the start pulse to done, stalled ones excluded; of a kernel that did not
            finish the clock cycle in which that was noticed.
        traffic: transfers of every port; not counted of a kernel that did not finish.
        misconduct: what the hardware did that no environment may see; empty for nothing.
        fault: why it did not finish; None where it did.
    """

    o: Codes
    cycles: int
    traffic: Traffic
    misconduct: str = ""
    fault: HardwareFaultError | None = None


Device = Callable[[Case], Outcome]


def software(array: Array, engine: str = "auto") -> Device:
    """The software model as a device: the expected codes, cycles and traffic.

    A case that comes again among stalls is not computed again.
    """
    last: tuple[Case, Outcome] | None = None

    def run(case: Case) -> Outcome:
        nonlocal last
        if last is None or not _but_for_stalls(case, last[0]):
            result = values.run(array, case, engine)
            last = case, predicted(case.kernel, array, result.o_mem)
        return last[1]

    return run


def _but_for_stalls(case: Case, other: Case) -> bool:
    """Whether two cases were made from one another by a change of ``stall_seed``."""
    names = (field.name for field in fields(case) if field.name != "stall_seed")
    return all(getattr(case, name) is getattr(other, name) for name in names)


def predicted(kernel: Kernel, array: Array, o: Codes) -> Outcome:
    """The outcome of a kernel whose output memory is known."""
    return Outcome(o, timing.cycles(kernel, array), traffic(kernel, array))


def hardware_model(
    array: Array, model: Model, fresh: bool = False, warm: Case | None = None
) -> Device:
    """The Verilated array as a device: the found codes and cycles, or its fault.

    Args:
        array: the machine configuration.
        model: its model.
        fresh: start every case with a new instance, so that none depends on those before it.
        warm: with ``fresh``, a case that every new instance runs first.
    """
    cycles = functools.cache(lambda kernel: timing.cycles(kernel, array))

    def run(case: Case) -> Outcome:
        if fresh:
            model.renew()
            if warm is not None:
                once(warm)
        return once(case)

    def once(case: Case) -> Outcome:
        patience = _PATIENCE if case.stall_seed is None else _STALLED_PATIENCE
        try:
            done = model.run(
                case, case.stall_seed, max_cycles=patience * cycles(case.kernel) + _SLACK
            )
        except HardwareFaultError as fault:
            return Outcome(fault.memory, fault.cycle, Traffic(0, 0, 0, 0), fault=fault)
        return Outcome(done.o, done.cycles, done.traffic, done.misconduct)

    return run


@dataclass(frozen=True)
class Difference:
    """The first difference of two outcomes.

    Attributes:
        what: "code", "cycles", "transfers of port A" or of another port, "conduct": what the
            hardware did at its ports that no environment may see; or a fault, "hang" or "address".
        expected, found: the code, the cycles or the transfers; 0 and 1 for conduct; of a fault the
            predicted cycles and the one in which it was noticed.
        address: of the code; None for others.
        misconduct: what the hardware did; empty for others.
        fault: the fault; None for others.
    """

    what: str
    expected: int
    found: int
    address: int | None = None
    misconduct: str = ""
    fault: HardwareFaultError | None = None

    def __str__(self) -> str:
        """What was expected and what was found."""
        if self.misconduct:
            return self.misconduct
        if self.fault is not None:
            return f"expected {self.expected} cycles, found a fault: {self.fault}"
        if self.what == "code":
            return f"expected code {self.expected:#x}, found {self.found:#x}"
        return f"expected {self.expected} {self.what}, found {self.found}"


def compare(case: Case, expected: Outcome, found: Outcome) -> Difference | None:
    """The first difference: a fault, else codes as the kernel writes them, else conduct.

    Stalled cycles do not count, so cycles are compared with and without stalls.
    """
    differing = np.flatnonzero(expected.o != found.o)
    if differing.size and found.fault is None:
        written = case.kernel.o.addresses()[case.kernel.o.active()]
        order = written[np.isin(written, differing)]
        address = int(order[0]) if order.size else int(differing[0])
        return Difference("code", int(expected.o[address]), int(found.o[address]), address)
    return compare_conduct(expected, found)


def compare_conduct(expected: Outcome, found: Outcome) -> Difference | None:
    """The first of: a fault, a difference in cycles, in traffic, what no port may see."""
    fault = found.fault
    if fault is not None:
        return Difference(fault.what, expected.cycles, fault.cycle, fault=fault)
    if expected.cycles != found.cycles:
        return Difference("cycles", expected.cycles, found.cycles)
    for port, count in vars(expected.traffic).items():
        if count != getattr(found.traffic, port):
            what = f"transfers of port {port.upper()}"
            return Difference(what, count, getattr(found.traffic, port))
    if found.misconduct:
        return Difference("conduct", 0, 1, misconduct=found.misconduct)
    return None


@dataclass(frozen=True)
class Axis:
    """One loop of a kernel's nest; ``index`` counts within its kind."""

    dimension: Dimension
    index: int = 0


def axes(kernel: Kernel) -> list[tuple[Axis, int]]:
    """Every loop of a kernel's nest with its length."""
    return [(Axis(kind, i), n) for kind in Dimension for i, n in enumerate(kernel.lengths(kind))]


def restrict(kernel: Kernel, axis: Axis, start: int, length: int) -> Kernel:
    """The kernel that runs only iterations ``start .. start + length - 1`` of one loop."""

    def lengths(kind: Dimension) -> tuple[int, ...]:
        old = kernel.lengths(kind)
        if axis.dimension is not kind:
            return old
        return (*old[: axis.index], length, *old[axis.index + 1 :])

    def pattern(stream: str, old: AccessPattern) -> AccessPattern:
        found = kernel.positions(stream, axis.dimension)
        return _restrict(old, found[axis.index] if found else None, start, length)

    return _changed(kernel, lengths, pattern)


def _changed(
    kernel: Kernel,
    lengths: Callable[[Dimension], tuple[int, ...]],
    pattern: Callable[[str, AccessPattern], AccessPattern],
) -> Kernel:
    """The kernel with other loops."""
    streams = {name: pattern(name, old) for name, old in kernel.streams().items()}
    return Kernel(
        kernel.mode,
        lengths(Dimension.OUTER),
        lengths(Dimension.REDUCTION),
        lengths(Dimension.ROWS),
        **{name.lower(): new for name, new in streams.items()},
    )


def _restrict(pattern: AccessPattern, loop: int | None, start: int, length: int) -> AccessPattern:
    """A pattern with one loop cut; the loop after the last one is the lanes."""
    if loop is None:
        return pattern
    if loop == len(pattern.loops):
        guards = tuple(replace(g, offset=g.offset + start * g.lane_stride) for g in pattern.guards)
        stride = pattern.lane[1]
        return AccessPattern(pattern.base + start * stride, pattern.loops, (length, stride), guards)
    guards = tuple(replace(g, offset=g.offset + start * g.strides[loop]) for g in pattern.guards)
    stride = pattern.strides[loop]
    loops = (*pattern.loops[:loop], (length, stride), *pattern.loops[loop + 1 :])
    return AccessPattern(pattern.base + start * stride, loops, pattern.lane, guards)


def squeeze(kernel: Kernel) -> Kernel:
    """The same kernel without its loops of length 1 and the guards that always hold."""
    lanes = (Dimension.A_LANES, Dimension.W_LANES)

    def kept(kind: Dimension) -> list[int]:
        return [i for i, n in enumerate(kernel.lengths(kind)) if n > 1 or kind in lanes]

    def lengths(kind: Dimension) -> tuple[int, ...]:
        return tuple(kernel.lengths(kind)[i] for i in kept(kind))

    def pattern(stream: str, old: AccessPattern) -> AccessPattern:
        loops = kernel.mode.description.walks[stream].loops
        return _keep(old, [kernel.positions(stream, x)[i] for x in loops for i in kept(x)])

    return _changed(kernel, lengths, pattern)


def _keep(pattern: AccessPattern, loops: list[int]) -> AccessPattern:
    guards = tuple(
        Guard(g.offset, tuple(g.strides[i] for i in loops), g.lane_stride, g.bound)
        for g in pattern.guards
        if not _holds_always(g, pattern)
    )
    kept = tuple(pattern.loops[i] for i in loops)
    return AccessPattern(pattern.base, kept, pattern.lane, guards)


def _holds_always(guard: Guard, pattern: AccessPattern) -> bool:
    spans = [(n - 1) * s for n, s in zip(pattern.lengths, guard.strides, strict=True)]
    spans.append((pattern.lanes - 1) * guard.lane_stride)
    low = guard.offset + sum(min(span, 0) for span in spans)
    high = guard.offset + sum(max(span, 0) for span in spans)
    return low >= 0 and high < guard.bound
