"""What may repair a network's numerical error: every change is tried, the cheapest first.

A change is a format (wider exponent, other bias, more significand bits), an accumulator (wider, or
exact), scales for each output channel of the weights, or several of these together. What is cheap
is decided by `Cost`, in words: operand bits are stored and moved everywhere and enter every
multiplier, accumulator bits are paid once a processing element, and scales for each channel change
nothing in the array, whose stream P delivers a scale for every column anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from systolab.cosim.accuracy.trace_error import Calls, trace
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.fixed_bias import FixedBias
from systolab.cosim.network.plan import Plan
from systolab.formats.arithmetic.accumulator import (
    MAX_SATURATE_BITS,
    MAX_WRAP_BITS,
    Accumulator,
    Exact,
    Saturate,
    Wrap,
)
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.registry import registry
from systolab.formats.scaling.scaling import ScaleKind
from systolab.glenside.program import Program
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.kernel import Array

__all__ = ["Candidate", "Cost", "Trial", "candidates", "repair"]

_WIDER = 4  # bits by which accumulators are widened, again and again


class Cost(NamedTuple):
    """What a change costs, compared in this order.

    Attributes:
        operand_bits: of an activation and a weight together.
        accumulator_bits: width of a processing element's sum.
        scales: 1 with a scale for each channel, else 0.
    """

    operand_bits: int
    accumulator_bits: int
    scales: int


@dataclass(frozen=True)
class Candidate:
    """A change: in words, and the machine and scales it leads to."""

    change: str
    array: Array
    weight_scales: WeightScales

    @property
    def cost(self) -> Cost:
        """What the change costs.

        Raises:
            SystolabError: there is no such machine.
        """
        bits = self.array.act.bits + self.array.weight.bits
        channel = self.weight_scales is WeightScales.CHANNEL
        return Cost(bits, specialise(self.array).acc_bits, int(channel))


@dataclass(frozen=True)
class Trial:
    """A change that was tried.

    Attributes:
        change: what was changed.
        cost: by which changes are ordered.
        error: largest error at the end of any time step.
    """

    change: str
    cost: Cost
    error: float


def candidates(array: Array, weight_scales: WeightScales) -> list[Candidate]:
    """Changes that may repair a network, alone and together, the cheapest first.

    Args:
        array: the machine of the network as it is.
        weight_scales: its weights' scales.
    """
    found: list[tuple[Cost, Candidate]] = []
    for format_change, fmt in _formats(array.out):
        changed = replace(array, act=fmt, weight=fmt, out=fmt)
        for accumulator_change, accumulator in _accumulators(changed):
            for scale_change, scales in _scales(fmt, weight_scales):
                changes = [c for c in (format_change, accumulator_change, scale_change) if c]
                candidate = Candidate(
                    ", ".join(changes), replace(changed, accumulator=accumulator), scales
                )
                try:
                    cost = candidate.cost
                except SystolabError:
                    continue  # the accumulator does not suit the format's products
                if changes:
                    found.append((cost, candidate))
    return [candidate for _, candidate in sorted(found, key=lambda item: item[0])]


def _formats(fmt: Format) -> Iterator[tuple[str, Format]]:
    """The format as it is, with another bias if its bias is fixed, and wider ones."""
    yield "", fmt
    base = fmt.base if isinstance(fmt, FixedBias) else fmt
    if isinstance(fmt, FixedBias):
        yield "bias fitted to each tensor", base
        for step in (-2, -1, 1, 2):
            yield f"bias {fmt.bias + step:d}", FixedBias(base, fmt.bias + step)
    for what, wider in _wider(base):
        if isinstance(fmt, FixedBias):
            yield f"{what}, same bias", FixedBias(wider, fmt.bias)
            yield f"{what}, bias fitted", wider
        else:
            yield what, wider


def _accumulators(array: Array) -> Iterator[tuple[str, Accumulator]]:
    """The accumulator as it is, wider ones, and the exact one."""
    accumulator = array.accumulator
    yield "", accumulator
    if isinstance(accumulator, Exact):
        return
    exact = replace(array, accumulator=Exact())
    try:
        limit = specialise(exact).acc_bits
    except SystolabError:
        limit = 0  # too wide to be built
    if isinstance(accumulator, Wrap | Saturate):
        most = MAX_WRAP_BITS if isinstance(accumulator, Wrap) else MAX_SATURATE_BITS
        for bits in range(accumulator.bits + _WIDER, min(limit, most + 1), _WIDER):
            wider = replace(accumulator, bits=bits)
            yield f"accumulator {wider}", wider
    if limit:
        yield "exact accumulator", Exact()


def _scales(fmt: Format, given: WeightScales) -> Iterator[tuple[str, WeightScales]]:
    """The weights' scales as they are, and one for each channel."""
    yield "", given
    if given is WeightScales.TENSOR and fmt.scaling.kind is not ScaleKind.NONE:
        yield "per-channel weight scales", WeightScales.CHANNEL


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
        for d in range(1, 17 - first):
            specs.append((f"significand +{d} bits", f"{family}:{first + d},{e}"))
            specs.append((f"exponent +1 bit, width +{d}", f"{family}:{first + d},{e + 1}"))
    elif family == "float":
        m = int(second or 0)
        specs.append(("exponent +1 bit, width kept", f"float:{first + 1},{m - 1}"))
        for d in range(1, 9):
            specs.append((f"significand +{d} bits", f"float:{first},{m + d}"))
            specs.append((f"exponent +1 bit, width +{d}", f"float:{first + 1},{m + d - 1}"))
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
    weight_scales: WeightScales = WeightScales.TENSOR,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Trial]:
    """Try changes, cheapest first, up to the first that meets the budget.

    Args:
        program: the compiled network; layouts and kernels stay, formats change.
        calibration: inputs that scales are fitted to.
        calls: inputs the error is measured on.
        budget: largest error allowed at the end of any time step, a fraction.
        weight_scales: those of the network as it is.
        progress: told every change before it is tried.

    Returns:
        What was tried; the last one meets the budget if any does.
    """
    tried: list[Trial] = []
    for candidate in candidates(program.array, weight_scales):
        progress(candidate.change)
        try:
            plan = Plan(
                replace(program, array=candidate.array), calibration, candidate.weight_scales
            )
            if candidate.weight_scales is not weight_scales and not plan.channels_differ:
                continue  # nothing changes
            error = trace(plan, calls).worst
        except SystolabError:
            continue  # the accumulator does not hold the format's products
        tried.append(Trial(candidate.change, candidate.cost, error))
        if error <= budget:
            break
    return tried
