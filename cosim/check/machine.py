"""Stages on the whole machine: products, sums, columns, tiles, kernels, pipeline, cycles."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from systolab.cosim.case import Case, Difference, compare, compare_conduct
from systolab.cosim.check import block_scales, directed, inputs, kernels, lossless
from systolab.cosim.check.context import Context
from systolab.cosim.check.report import Coverage, Finding, StageResult
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.codes import Codes
from systolab.rtl.kernel.block_gemm import product_kernel
from systolab.rtl.kernel.kernel import MAX_LENGTH, Array

__all__ = [
    "Explain",
    "Machine",
    "column",
    "directed_kernels",
    "element",
    "pipeline",
    "product",
    "scales",
    "tile",
    "whole_kernels",
]

Explain = Callable[[str, Case], Finding]

_ALL_PAIRS = 1 << 18  # operand pairs up to which all of them are tried
_CANCELLING = 4096  # longest reduction that cancels


@dataclass
class Machine:
    """Runs cases on both machines and counts; cycles and conduct go to their own stage.

    Attributes:
        context: the subject.
        explain: minimises and locates a difference.
    """

    context: Context
    explain: Explain
    timed: int = 0
    mistimed: int = 0
    cycle_finding: Finding | None = None
    seconds: float = 0.0
    _explained: bool = field(default=False)

    def stage(
        self,
        name: str,
        cases: Iterable[Case],
        what: str,
        coverage: Coverage = Coverage.SAMPLED,
    ) -> StageResult:
        """Compare the codes of all cases."""
        begin = time.perf_counter()
        compared = differ = 0
        finding: Finding | None = None
        for case in cases:
            count, wrong, difference = self._run(case)
            compared += count
            differ += wrong
            if difference is not None and wrong and finding is None:
                finding = self._explain(name, case, difference)
                if difference.fault is not None:  # neither codes nor cycles: one finding for both
                    self.cycle_finding = self.cycle_finding or finding
        seconds = time.perf_counter() - begin
        return StageResult(name, compared, differ, coverage, what, seconds, finding)

    def cycles(self) -> StageResult:
        """The cycle counts, the traffic and the conduct at the ports of all cases."""
        what = (
            "every kernel above: cycles and transfers of each port as predicted, stalls only where "
            "a port delays, requests stand until accepted"
        )
        return StageResult(
            "cycles",
            self.timed,
            self.mistimed,
            Coverage.SAMPLED,
            what,
            self.seconds,
            self.cycle_finding,
        )

    def _run(self, case: Case) -> tuple[int, int, Difference | None]:
        """Codes compared, codes that differ, and the first difference."""
        expected = self.context.software(case)
        active = int(np.count_nonzero(case.kernel.o.active()))
        found = self.context.rtl(case)
        difference = compare(case, expected, found)
        # What the RTL wrote before it hung or left its memories is no result.
        wrong = active if found.fault else int(np.count_nonzero(expected.o != found.o))
        self.timed += 1
        if compare_conduct(expected, found) is not None:
            self.mistimed += 1
            if self.cycle_finding is None and not found.fault:
                self.cycle_finding = self.explain("cycles", case)
            self.context.model.renew()  # what misbehaves may still run: the next case starts anew
        return active, wrong, difference

    def _explain(self, stage: str, case: Case, difference: Difference) -> Finding:
        """Only the first finding of a check is minimised: the others mostly have its cause."""
        if self._explained:
            where = "" if difference.address is None else f" at address {difference.address}"
            return Finding(f"{difference.what} differs{where}; see the first finding")
        self._explained = True
        return self.explain(stage, case)


def product(machine: Machine) -> StageResult:
    """All pairs of operands (or many), each product alone, in both modes."""
    array = machine.context.array
    nothing = np.zeros((0, array.rows), np.uint16)
    selected, coverage, what = _pairs(machine, "product")
    rng = machine.context.random("product scales")
    cases = (
        lossless.pairs(array, mode, act, weight, (nothing, nothing), rng)
        for mode in array.modes
        for act, weight in selected
    )
    return machine.stage("product", cases, f"{what}, {_modes(array)}", coverage)


def _modes(array: Array) -> str:
    return f"{array.modes[0]}, block-scaled" if array.block_scaled else "in both modes"


def element(machine: Machine) -> StageResult:
    """Pairs of operands added to extreme, small and random sums, in both modes."""
    context = machine.context
    array, count = context.array, context.effort.accumulators
    rng = context.random("PE accumulators")
    selected, _, what = _pairs(machine, "PE")
    sums = lossless.backgrounds(array, rng, count)
    cases = (
        lossless.pairs(array, array.modes[i % len(array.modes)], act, weight, background, rng)
        for i, background in enumerate(sums)
        for act, weight in selected
    )
    modes = _modes(array) if array.block_scaled else "modes in turn"
    what = f"{what}, added to {count} extreme and random sums, {modes}"
    return machine.stage("PE", cases, what)


def _pairs(machine: Machine, stage: str) -> tuple[list[tuple[Codes, Codes]], Coverage, str]:
    """Sets of operands that are multiplied each with each."""
    context = machine.context
    array = context.array
    specials = isinstance(array.accumulator, Float32)
    act = inputs.usable_codes(array.act, specials)
    weight = inputs.usable_codes(array.weight, specials)
    total = len(act) * len(weight)
    if total <= _ALL_PAIRS:
        return [(act, weight)], Coverage.EXHAUSTIVE, f"all {total:,} operand pairs"
    rng = context.random(stage)
    side = int(context.effort.pairs**0.5)
    x, y = inputs.extreme_codes(array.act), inputs.extreme_codes(array.weight)
    every = max(len(act), len(weight)) <= inputs.MANY
    which = "all codes" if every else f"{inputs.MANY:,} codes"
    act, weight = inputs.thinned(act), inputs.thinned(weight)
    selected = [(x, weight), (act, y), (rng.choice(act, side), rng.choice(weight, side))]
    tried = sum(len(a) * len(w) for a, w in selected)
    what = f"{tried:,} of {total:,} operand pairs: {which} with extremes, random ones"
    return selected, Coverage.SAMPLED, what


def column(machine: Machine) -> StageResult:
    """Long reductions through one column: random, cancelling, overflowing, 1 to many tiles."""
    context = machine.context
    array = context.array
    data = kernels.Data(array, context.random("column"))
    lengths = lossless.edge_lengths(array)

    def cases() -> Iterator[Case]:
        for mode in array.modes:
            for length in lengths:
                yield lossless.overflowing(array, data, mode, length)
                yield lossless.overflowing(array, data, mode, length, small=True)
                if array.block_scaled:
                    yield lossless.overflowing(array, data, mode, length, beyond=True)
                if length <= _CANCELLING:
                    yield lossless.cancelling(array, data, mode, length - 1)
            for i in range(context.effort.columns // 2):
                k = int(data.rng.integers(1, 12 * array.rows))
                case = data.case(product_kernel(array, 1, k, min(array.cols, 2), mode))
                yield case if i % 2 else lossless.nulled(array, case, np.zeros(1, np.int64))

    what = f"cancellation, overflow edges, K up to {lengths[-1]}, {context.effort.columns} random"
    return machine.stage("column", cases(), what)


def tile(machine: Machine) -> StageResult:
    """Whole tiles: every code through every lane, random ones."""
    context = machine.context
    array = context.array
    data = kernels.Data(array, context.random("tile"))

    def cases() -> Iterator[Case]:
        for mode in array.modes:
            yield from lossless.every_code(array, mode, context.effort.lanes, data.rng)
            for _ in range(context.effort.tiles // 2):
                m = int(data.rng.integers(1, 2 * array.rows + 1))
                yield data.case(product_kernel(array, m, array.rows, array.cols, mode))

    effort = context.effort
    widest = max(len(inputs.usable_codes(fmt, False)) for fmt in (array.act, array.weight))
    which = "every code" if widest <= inputs.MANY else f"{inputs.MANY:,} codes"
    what = f"{which} alone in {effort.lanes} lane(s), both operands; {effort.tiles} random tiles"
    return machine.stage("tile", cases(), what)


def scales(machine: Machine) -> StageResult:
    """Block scales: every pair of E8M0's, edge and random binary32 values, on several sums."""
    context = machine.context
    array, effort = context.array, context.effort
    if not array.block_scaled:
        return StageResult("scales", 0, 0, Coverage.SKIPPED, "no block scales")
    rng = context.random("scales")
    edges = block_scales.finite_operands(effort.float_patterns)
    sums = lossless.block_sums(array, rng)
    side = int(effort.random_floats**0.5) // 2

    def cases() -> Iterator[Case]:
        for a, w in sums:
            pairs = (
                (block_scales.E8M0, block_scales.E8M0),
                (edges, edges),
                (block_scales.draw(rng, side, "any"), block_scales.draw(rng, side, "any")),
            )
            for a_scales, w_scales in pairs:
                case = block_scales.pairs(array, a_scales, w_scales, a, w)
                rows = np.zeros(math.prod(case.kernel.outer), np.int64)
                yield lossless.nulled(array, case, rows)

    what = (
        f"all {len(block_scales.E8M0) ** 2:,} pairs of E8M0 scales, {len(edges)}^2 edges, "
        f"{side}^2 random binary32, each on {len(sums)} sums"
    )
    return machine.stage("scales", cases(), what)


def whole_kernels(machine: Machine) -> StageResult:
    """Random kernels in both modes: any strides, guards, layouts; some among random stalls."""
    context = machine.context
    array, effort = context.array, context.effort
    data = kernels.Data(array, context.random("kernels"))

    def cases() -> Iterator[Case]:
        for i in range(effort.kernels):
            make = kernels.random_gemm if i % 4 == 0 else kernels.random_kernel
            case = data.case(make(array, data.rng))
            if array.block_scaled and i % 2:
                rows = data.rng.integers(0, case.kernel.bank_rows, math.prod(case.kernel.outer))
                case = lossless.nulled(array, case, rows)
            yield case
            if i * effort.stalled // effort.kernels != (i + 1) * effort.stalled // effort.kernels:
                yield replace(case, stall_seed=int(data.rng.integers(0, 1 << 31)))

    modes = _modes(array) if array.block_scaled else "both modes"
    what = (
        f"{effort.kernels} random kernels, {modes}, any strides, guards and layouts; "
        f"{effort.stalled} again with random stalls"
    )
    return machine.stage("kernels", cases(), what)


def directed_kernels(machine: Machine) -> StageResult:
    """Kernels that reach what random ones do not: see ``systolab.cosim.check.directed``."""
    context = machine.context
    data = kernels.Data(context.array, context.random("directed"))
    what = (
        "every row of both banks, every loop and guard alone and all together, loops of up to "
        f"{MAX_LENGTH:,}, all modes in turn; some again with random stalls"
    )
    return machine.stage("directed", directed.directed(context.array, data), what)


def pipeline(machine: Machine) -> StageResult:
    """Scale, bias, clamp and encoder in the machine itself, at every decision boundary."""
    context = machine.context
    rng = context.random("pipeline")
    case = kernels.pipeline(context.array, rng, context.effort.random_values // 50)
    many = len(inputs.boundaries(context.array.out)) > kernels.MOST_BOUNDARIES
    which = f"{kernels.MOST_BOUNDARIES:,} values at decision boundaries"
    which = which if many else "every decision boundary"
    what = f"zero sums: {which} as bias through the machine's own pipeline"
    return machine.stage("pipeline", [case], what)
