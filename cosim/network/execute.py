"""Runs a compiled program on two devices at once, the software model and the RTL, and compares.

Each device keeps its own tensors: what it computed is what it reads later, host steps included, so
that the RTL's results are the RTL's own. What both share is made once: packed constants, scales.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from systolab.cosim.case import Case, Device, Difference, Outcome, compare
from systolab.cosim.network.block_operands import scale_memories
from systolab.cosim.network.plan import Plan, Stored
from systolab.formats.format import Format
from systolab.glenside.network.network import Network, Tensor
from systolab.glenside.operators import host
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Operand
from systolab.rtl import values
from systolab.rtl.kernel.block_gemm import product_kernel
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.timing import timing
from systolab.rtl.timing.traffic import traffic

__all__ = ["Chain", "Emulator", "Mismatch", "Observed", "Stopwatch", "Tally", "run"]


class Emulator:
    """The software model as a device that remembers which engines ran."""

    def __init__(self, array: Array, engine: str = "auto") -> None:
        """Try the engine on one product, so that a wrong name is told before anything is built.

        Raises:
            SystolabError: there is no such engine, or it is not for this array.
        """
        self._array = array
        self._engine = engine
        self._conduct = functools.cache(
            lambda kernel: (timing.cycles(kernel, array), traffic(kernel, array))
        )
        self.engines: set[str] = set()
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        a, w, o = (fmt.encode(zero) for fmt in (array.act, array.weight, array.out))
        kernel = product_kernel(array, 1, 1, 1)
        scale = one if array.block_scaled else None
        self(Case(kernel, a, w, one, zero, -np.inf, np.inf, o, a_scale=scale, w_scale=scale))
        self.engines.clear()

    def __call__(self, case: Case) -> Outcome:
        """Compute the output memory, the predicted cycles and traffic."""
        result = values.run(self._array, case, self._engine)
        self.engines.add(result.engine)
        return Outcome(result.o_mem, *self._conduct(case.kernel))


class Stopwatch:
    """A device that counts the seconds spent in another."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.seconds = 0.0

    def __call__(self, case: Case) -> Outcome:
        """Run the case on the device."""
        start = time.perf_counter()
        outcome = self._device(case)
        self.seconds += time.perf_counter() - start
        return outcome


class Chain:
    """The tensors that one device has computed of one call of the network."""

    def __init__(self, plan: Plan, device: Device, call: Mapping[str, Tensor]) -> None:
        self._plan = plan
        self._device = device
        self._values: dict[str, Tensor | Stored] = {**plan.network.constants, **call}

    def real(self, tensor: str) -> Tensor:
        """Return a tensor's values, in binary32 where it is held in codes."""
        value = self._values[tensor]
        return value.real() if isinstance(value, Stored) else value

    def other(self, step: HostStep | CopyStep) -> None:
        """Execute a step that is no kernel."""
        if isinstance(step, CopyStep):
            self._copy(step)
            return
        for name in step.layers:
            layer = self._plan.layers[name]
            inputs = [self.real(tensor) if tensor else None for tensor in layer.inputs]
            results = host.evaluate(layer, inputs)
            self._values.update(zip(layer.outputs, results, strict=True))

    def _copy(self, step: CopyStep) -> None:
        value = self._values[step.tensor]
        if isinstance(value, Stored):
            memory = step.target.pack(value.codes(), value.format.zero_code)
            self._values[step.tensor] = replace(value, memory=memory, layout=step.target)

    def kernel(self, step: KernelStep) -> tuple[Case, Outcome]:
        """Execute a kernel on the device; return what it was given and what came out."""
        plan, array, o = self._plan, self._plan.array, step.o
        parameters = plan.parameters[step.name]
        a = self._operand(step.a, array.act, None)
        w = self._operand(step.w, array.weight, plan.channel_axis(step))
        a_scale, w_scale = scale_memories(step.kernel, a.block_scales, w.block_scales)
        case = Case(
            step.kernel,
            a.memory,
            w.memory,
            parameters.scale,
            parameters.bias,
            parameters.lo,
            parameters.hi,
            np.full(o.size, array.out.encode(0.0)),
            a_scale=a_scale,
            w_scale=w_scale,
        )
        outcome = self._device(case)
        scale = np.asarray(plan.scales(o.tensor, array.out))
        self._values[o.tensor] = Stored(outcome.o, o.layout, o.shape, array.out, scale)
        return case, outcome

    def _operand(self, operand: Operand, fmt: Format, axis: int | None) -> Stored:
        constant = self._plan.constants.get((operand, fmt.name, axis))
        if constant is not None:
            return constant
        value = self._values[operand.tensor]
        kept = operand.block_axis is None  # what the array wrote is in no blocks
        if kept and isinstance(value, Stored) and value.format.name == fmt.name:
            if value.layout == operand.layout:
                return value
            memory = operand.layout.pack(value.codes(), fmt.zero_code)
            return replace(value, memory=memory, layout=operand.layout)
        return self._plan.store(operand, fmt, self.real(operand.tensor))


@dataclass(frozen=True)
class Mismatch:
    """The first difference: in a code of a kernel's output, or in how the RTL behaved.

    Attributes:
        kernel: name of the step.
        call: index of the network's input.
        what: as in `Difference`.
        expected, found: what the software model and the RTL gave, as in `Difference`.
        element: index in the output tensor; None for padding of the layout and where no code is.
        address: of the code in the output memory; None where no code is.
        text: what was expected and what was found.
    """

    kernel: str
    call: int
    what: str
    expected: int
    found: int
    element: tuple[int, ...] | None
    address: int | None
    text: str


@dataclass
class Tally:
    """What was counted of one step over all calls; predicted and RTL cycles of each."""

    predicted: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    mismatched: int = 0
    signal: float = 0.0
    noise: float = 0.0

    def add_error(self, reference: Tensor, value: Tensor) -> None:
        """Add the power of the reference and of the difference from it."""
        exact = np.asarray(reference, np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            self.signal += float(np.square(exact).sum())
            self.noise += float(np.square(np.asarray(value, np.float64) - exact).sum())


@dataclass
class Observed:
    """Everything observed over all calls: per step, per prediction, and the first mismatch."""

    tallies: dict[str, Tally]
    fp32: list[int] = field(default_factory=list)
    emulated: list[int] = field(default_factory=list)
    rtl: list[int] = field(default_factory=list)
    first: Mismatch | None = None
    failed: Case | None = None  # on which the devices first differ


def run(
    plan: Plan,
    emulator: Device,
    rtl: Device,
    calls: Iterable[Mapping[str, Tensor]],
    advance: Callable[[], None] = lambda: None,
) -> Observed:
    """Run every call on both devices and in binary32, comparing after each kernel.

    Args:
        plan: the program, calibrated.
        emulator: its outputs and cycles are the expected ones.
        rtl: its outputs and cycles are the found ones.
        calls: inputs of the network.
        advance: called after each call, for a progress bar.
    """
    observed = Observed({step.name: Tally() for step in plan.program.steps})
    output = plan.network.outputs[0]
    for number, call in enumerate(calls):
        reference = _reference(plan.network, call)
        expected, found = Chain(plan, emulator, call), Chain(plan, rtl, call)
        for step in plan.program.steps:
            tally = observed.tallies[step.name]
            if isinstance(step, KernelStep):
                case, want = expected.kernel(step)
                _, have = found.kernel(step)
                tally.predicted.append(want.cycles)
                tally.cycles.append(have.cycles)
                tally.mismatched += int(np.count_nonzero(want.o != have.o))
                if observed.first is None:
                    observed.first = _first(step, number, compare(case, want, have))
                    observed.failed = case if observed.first is not None else None
            else:
                expected.other(step)
                found.other(step)
            tensor = plan.output(step)
            if np.issubdtype(reference[tensor].dtype, np.floating):
                tally.add_error(reference[tensor], expected.real(tensor))
        observed.fp32 += _predictions(reference[output])
        observed.emulated += _predictions(expected.real(output))
        observed.rtl += _predictions(found.real(output))
        advance()
    return observed


def _reference(network: Network, call: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    outputs = host.execute(network, call, tensors.__setitem__)
    return tensors | outputs  # an output may be a constant, which nothing computes


def _predictions(output: Tensor) -> list[int]:
    """Index of the largest entry along the last axis, the first of equals."""
    rows = np.atleast_1d(output)
    if rows.size == 0:
        return []
    return [int(index) for index in np.argmax(rows, axis=-1).reshape(-1)]


def _first(step: KernelStep, call: int, difference: Difference | None) -> Mismatch | None:
    """Name a difference by its kernel and the logical index of its element."""
    if difference is None:
        return None
    element: tuple[int, ...] | None = None
    if difference.address is not None:
        addresses = step.o.layout.unpack(np.arange(step.o.size), step.o.shape)
        found = np.argwhere(addresses == difference.address)
        element = tuple(found[0].tolist()) if len(found) else None
    return Mismatch(
        step.name,
        call,
        difference.what,
        difference.expected,
        difference.found,
        element,
        difference.address,
        str(difference),
    )
