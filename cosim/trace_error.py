"""Where a network loses its accuracy, and what repairs it: measured, layer by layer and in time.

The emulated network (which the RTL equals, code by code) is compared with the binary32 network on
the same inputs. Error feeds on error, as it does in the hardware: nothing is corrected on the way.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.columns import columns
from cosim.execute import Chain, Emulator, Plan
from cosim.fixed_bias import FixedBias
from formats import registry
from formats.accumulator import Exact
from formats.errors import SystolabError
from formats.format import Format
from glenside import host
from glenside.network import Tensor
from glenside.program import CopyStep, KernelStep, Program
from rtl.kernel import Array

Calls = Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class LayerError:
    """The error of one tensor over all inputs.

    Attributes:
        name: the step that computed it.
        time: how often its network's weights were used before: the time step of a recurrent
            network, 0 elsewhere.
        error: Frobenius norm of the difference over that of the binary32 tensor.
        sqnr_db: the same as signal to noise, infinite where there is no noise.
        clipped: fraction of binary32 values beyond the format's range; None where nothing is
            quantised.
        flushed: fraction of nonzero binary32 values that the format rounds to zero.
    """

    name: str
    time: int
    error: float
    sqnr_db: float
    clipped: float | None
    flushed: float | None


@dataclass(frozen=True)
class Trace:
    """Errors of all floating-point tensors of a network, by time step and order of execution."""

    format: str
    accumulator: str
    layers: tuple[LayerError, ...]

    @property
    def last(self) -> float:
        """Error of the last tensor."""
        return self.layers[-1].error

    @property
    def worst(self) -> float:
        """Largest error at the end of any time step."""
        return max(self.by_time())

    def by_time(self) -> list[float]:
        """Error of the last tensor of every time step."""
        ends = {layer.time: layer.error for layer in self.layers}
        return [ends[time] for time in sorted(ends)]

    def first_over(self, budget: float) -> LayerError | None:
        """The first tensor whose error exceeds a budget (a fraction)."""
        return next((layer for layer in self.layers if not layer.error <= budget), None)


@dataclass(frozen=True)
class Trial:
    """One suggestion that was tried.

    Attributes:
        change: what was changed.
        cost: operand bits, then accumulator bits at one product's width: what is compared.
        error: largest error at the end of any time step.
    """

    change: str
    cost: tuple[int, int]
    error: float


def trace(plan: Plan, calls: Calls) -> Trace:
    """Measure the error of every floating-point tensor.

    Args:
        plan: the program, calibrated.
        calls: inputs of the network.
    """
    emulator = Emulator(plan.array)
    times = dict(_times(plan))
    sums: dict[str, NDArray[np.float64]] = {}
    for call in calls:
        reference: dict[str, Tensor] = dict(plan.network.constants)
        host.execute(plan.network, call, reference.__setitem__)
        chain = Chain(plan, emulator, call)
        for step in plan.program.steps:
            if isinstance(step, KernelStep):
                chain.kernel(step)
            else:
                chain.other(step)
            tensor = plan.output(step)
            exact = reference[tensor]
            if not np.issubdtype(exact.dtype, np.floating):
                continue
            scale = None
            if isinstance(step, KernelStep):
                scale = float(plan.scales(tensor, plan.array.out))
            counted = _count(exact, chain.real(tensor), plan.array.out, scale)
            sums[step.name] = sums.get(step.name, np.zeros(len(counted))) + counted
    layers = [
        _layer(step.name, times[step.name], sums[step.name], isinstance(step, KernelStep))
        for step in plan.program.steps
        if step.name in sums
    ]
    layers.sort(key=lambda layer: layer.time)  # stable: within a time step as executed
    return Trace(plan.array.out.name, str(plan.array.accumulator), tuple(layers))


def _times(plan: Plan) -> Iterator[tuple[str, int]]:
    """Time step of every step: how often some weights were used before on the way to it."""
    uses: dict[str, dict[str, int]] = {}  # of every tensor: weights on the longest way to it
    for step in plan.program.steps:
        if isinstance(step, CopyStep):
            yield step.name, _time(uses.get(step.tensor, {}))
            continue
        if isinstance(step, KernelStep):
            sources, results = [step.a.tensor, step.w.tensor], [step.o.tensor]
        else:
            layers = [plan.layers[name] for name in step.layers]
            sources = [tensor for layer in layers for tensor in layer.inputs]
            results = [tensor for layer in layers for tensor in layer.outputs]
        merged: dict[str, int] = {}
        for source in sources:
            for weight, count in uses.get(source, {}).items():
                merged[weight] = max(merged.get(weight, 0), count)
        if isinstance(step, KernelStep):
            for source in sources:
                if source in plan.network.constants:
                    merged[source] = merged.get(source, 0) + 1
        uses |= dict.fromkeys(results, merged)
        yield step.name, _time(merged)


def _time(uses: Mapping[str, int]) -> int:
    return max(uses.values(), default=1) - 1


def _count(exact: Tensor, value: Tensor, fmt: Format, scale: float | None) -> NDArray[np.float64]:
    """Power of signal and noise, elements, clipped ones, nonzero ones, flushed ones."""
    reference, real = np.asarray(exact, np.float64), np.asarray(value, np.float64)
    with np.errstate(all="ignore"):
        noise = float(np.square(real - reference).sum())
    counts = [float(np.square(reference).sum()), noise, float(reference.size), 0.0, 0.0, 0.0]
    if scale is not None:
        unscaled = reference / scale
        points = fmt.codebook.points
        counts[3] = float(np.count_nonzero((unscaled < points[0]) | (unscaled > points[-1])))
        counts[4] = float(np.count_nonzero(reference))
        zero = fmt.values[fmt.encode(unscaled)] == 0
        counts[5] = float(np.count_nonzero(zero & (reference != 0)))
    return np.array(counts)


def _layer(name: str, time: int, sums: NDArray[np.float64], quantised: bool) -> LayerError:
    signal, noise, elements, clipped, nonzero, flushed = sums.tolist()
    error = np.sqrt(noise / signal) if signal else (0.0 if noise == 0 else np.inf)
    with np.errstate(divide="ignore"):
        sqnr = float(-20 * np.log10(error)) if error else np.inf
    if not quantised:
        return LayerError(name, time, float(error), sqnr, None, None)
    return LayerError(
        name, time, float(error), sqnr, clipped / elements, flushed / max(nonzero, 1.0)
    )


def candidates(fmt: Format, array: Array) -> list[tuple[str, Format, Array]]:
    """Changes that may repair a network, as (what, format, array): each one alone, then together.

    Wider exponent, bias fitted to the data, more significand bits, wider accumulator.
    """
    base = fmt.base if isinstance(fmt, FixedBias) else fmt
    found: list[tuple[str, Format]] = []
    if isinstance(fmt, FixedBias):
        found.append(("bias fitted to each tensor", base))
        found += [(f"bias {fmt.bias + d:d}", FixedBias(base, fmt.bias + d)) for d in (-2, -1, 1, 2)]
    for what, wider in _wider(base):
        if isinstance(fmt, FixedBias):
            found.append((f"{what}, same bias", FixedBias(wider, fmt.bias)))
            found.append((f"{what}, bias fitted", wider))
        else:
            found.append((what, wider))
    result = [(what, new, replace(array, act=new, weight=new, out=new)) for what, new in found]
    if not isinstance(array.accumulator, Exact):
        exact = replace(array, accumulator=Exact())
        result.insert(0, ("exact accumulator", fmt, exact))
        result += [
            (f"{what}, exact accumulator", new, replace(changed, accumulator=Exact()))
            for what, new, changed in result[1:]
        ]
    return result


_FAMILY = re.compile(r"(adaptivfloat|float|posit|int|fixed|lns):(\d+)(?:,(\d+))?$")


def _wider(fmt: Format) -> list[tuple[str, Format]]:
    """The same family with more exponent bits at equal width, and with more bits."""
    match = _FAMILY.match(fmt.name)
    if match is None:
        return []
    family, first, second = match[1], int(match[2]), match[3]
    specs: list[tuple[str, str]] = []
    if family in ("adaptivfloat", "posit"):
        e = int(second or 0)
        specs.append(("exponent +1 bit, width kept", f"{family}:{first},{e + 1}"))
        specs += [(f"exponent +1 bit, width +{d}", f"{family}:{first + d},{e + 1}") for d in (1, 2)]
        specs += [
            (f"significand +{d} bits", f"{family}:{first + d},{e}") for d in range(1, 17 - first)
        ]
    elif family == "float":
        m = int(second or 0)
        specs.append(("exponent +1 bit, width kept", f"float:{first + 1},{m - 1}"))
        specs += [(f"significand +{d} bits", f"float:{first},{m + d}") for d in range(1, 9)]
    elif family == "int":
        specs += [(f"significand +{d} bits", f"int:{first + d}") for d in range(1, 17 - first)]
    else:
        f = int(second or 0)
        wider = range(1, 17 - first)
        specs += [(f"fraction +{d} bits", f"{family}:{first + d},{f + d}") for d in wider]
    found = []
    for what, spec in specs:
        try:
            found.append((what, registry.get(spec)))
        except SystolabError:
            continue  # the family does not go that far
    return found


def repair(
    program: Program,
    calibration: Calls,
    calls: Calls,
    budget: float,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Trial]:
    """Try changes, cheapest first, up to the first that meets the budget.

    Args:
        program: the compiled network; layouts and kernels stay, formats change.
        calibration: inputs that scales are fitted to.
        calls: inputs the error is measured on.
        budget: largest error allowed at the end of any time step, a fraction.
        progress: told every change before it is tried.

    Returns:
        What was tried; the last one meets the budget if any does.
    """
    array = program.array
    options = sorted(candidates(array.out, array), key=lambda item: _cost(item[2]))
    tried: list[Trial] = []
    for what, _, changed in options:
        progress(what)
        try:
            plan = Plan(replace(program, array=changed), calibration)
            error = trace(plan, calls).worst
        except SystolabError:
            continue  # the accumulator does not fit the wider products
        tried.append(Trial(what, _cost(changed), error))
        if error <= budget:
            break
    return tried


def _cost(array: Array) -> tuple[int, int]:
    """Operand bits, then whether the accumulator is the exact one."""
    return array.act.bits + array.weight.bits, int(isinstance(array.accumulator, Exact))


def text(measured: Trace, budget: float, tried: Sequence[Trial]) -> str:
    """The trace and the trials as text."""
    heading = ["layer", "step", "error", "SQNR dB", "clipped", "flushed"]
    body = [
        [
            layer.name,
            str(layer.time),
            f"{100 * layer.error:.3f} %",
            f"{layer.sqnr_db:.1f}",
            "" if layer.clipped is None else f"{100 * layer.clipped:.2f} %",
            "" if layer.flushed is None else f"{100 * layer.flushed:.2f} %",
        ]
        for layer in measured.layers
    ]
    lines = [f"error of {measured.format}, accumulator {measured.accumulator}, against binary32"]
    lines.append(columns(heading, body, range(1, 6)))
    over_time = measured.by_time()
    if len(over_time) > 1:
        shown = "  ".join(f"{100 * error:.2f} %" for error in over_time)
        lines.append(f"at the end of each time step: {shown}")
    first = measured.first_over(budget)
    if first is None:
        lines.append(f"every tensor is within {100 * budget:g} %")
        return "\n".join(lines)
    lines.append(
        f"first over {100 * budget:g} %: {first.name}, step {first.time}, {100 * first.error:.2f} %"
    )
    if tried:
        lines.append("tried, cheapest first (largest error at the end of a time step):")
        rows = [[trial.change, str(trial.cost[0]), f"{100 * trial.error:.2f} %"] for trial in tried]
        lines.append(columns(["change", "operand bits", "error"], rows, (1, 2)))
        best = tried[-1]
        if best.error <= budget:
            lines.append(f"cheapest within the budget: {best.change}: {100 * best.error:.2f} %")
        else:
            lines.append("none of these is within the budget")
    return "\n".join(lines)


def parse_budget(given: str) -> float:
    """A budget as a fraction, from ``5%`` or ``0.05``.

    Raises:
        SystolabError: it is not a positive number.
    """
    number = given.removesuffix("%")
    try:
        value = float(number) / (100 if given.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < np.inf:
        raise SystolabError(f"Budget must be a positive number or percentage, not {given!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `systolab run` that concern numerical error."""
    group = parser.add_argument_group("numerical error")
    group.add_argument(
        "--trace-error",
        action="store_true",
        help="show the error of every layer against binary32, and try what repairs it",
    )
    group.add_argument(
        "--budget",
        default="5%",
        metavar="E",
        help="largest error with --trace-error (5%%)",
    )
    group.add_argument(
        "--fixed-bias",
        type=int,
        metavar="B",
        help="fix every tensor's scale at 2^B instead of fitting it to the data",
    )


def chosen_format(fmt: Format, bias: int | None) -> Format:
    """The format, with a fixed bias if one is given.

    Raises:
        SystolabError: the bias is beyond binary32's exponents.
    """
    if bias is None:
        return fmt
    if not -100 <= bias <= 100:
        raise SystolabError(f"Fixed bias must be from -100 to 100, not {bias}")
    return FixedBias(fmt, bias)


def report(
    plan: Plan,
    calibration: Calls,
    calls: Calls,
    budget: float,
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """Trace a network; where it exceeds the budget, try what repairs it.

    Args:
        plan: the program, calibrated.
        calibration: inputs that scales are fitted to.
        calls: inputs the error is measured on.
        budget: largest error allowed, a fraction.
        progress: told every change before it is tried.
    """
    measured = trace(plan, calls)
    over = measured.first_over(budget) is not None
    tried = repair(plan.program, calibration, calls, budget, progress) if over else []
    return text(measured, budget, tried)
