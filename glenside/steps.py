"""From what was chosen to steps in execution order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.block_axes import block_axis
from systolab.glenside.network.network import Layer
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Operand, Step
from systolab.glenside.search.alternatives import Alternatives
from systolab.glenside.search.assembly import Copied, Label, OnHost, Run
from systolab.glenside.search.extract import Solution
from systolab.glenside.search.operands import MOVEMENT
from systolab.glenside.search.options import Option, Realisation, is_constant, realise
from systolab.glenside.search.regions import Region

__all__ = ["steps"]


def steps(ways: Alternatives, solution: Solution[Label]) -> tuple[Step, ...]:
    """The steps of a program, each after those that it needs.

    Args:
        ways: what was chosen from.
        solution: a choice for every buffer, in an order that respects needs.

    Raises:
        SystolabError: an option does not belong to this compiler or array.
    """
    realised: dict[tuple[str, int], Realisation] = {}
    done: set[str] = set()
    result: list[Step] = []
    for choice in solution.choices.values():
        label = choice.label
        if isinstance(label, Run):
            key = (ways.partition.regions[label.output].key, label.index)
            if key not in realised:
                realised[key] = realise(ways.option(label), ways.array)
            result.append(_kernel_step(ways, label, realised[key]))
        elif isinstance(label, Copied):
            result.append(
                CopyStep(
                    f"{label.tensor}: {label.source} to {label.target}",
                    label.tensor,
                    Layout.parse(label.source),
                    Layout.parse(label.target),
                    choice.cost,
                )
            )
        elif isinstance(label, OnHost) and label.step not in done:
            done.add(label.step)
            result.append(_host_step(ways, ways.host[label.step]))
    return tuple(result)


def _host_step(ways: Alternatives, layer: Layer) -> HostStep:
    reason = ways.partition.reasons.get(layer.name)
    if reason is None:
        if layer.op in MOVEMENT:
            reason = "moves elements for the host"
        elif ways.array.block_scaled:
            reason = "no block-scaled kernel: blocks must run along one dimension of both operands"
        else:
            reason = "no kernel within the array's limits"
    return HostStep(layer.name, (layer.name,), reason, ways.move_cost(layer))


def _kernel_step(ways: Alternatives, run: Run, real: Realisation) -> KernelStep:
    region, option = ways.partition.regions[run.output], ways.option(run)
    contraction, bias = real.layer.contraction, real.layer.bias
    axes: tuple[int | None, int | None] = (None, None)
    if ways.array.block_scaled:
        blocks = block_axis(contraction)
        axes = blocks.a, blocks.w
    a, w = (
        replace(_operand(ways, region, option, real, place.tensor), block_axis=axis)
        for place, axis in zip((contraction.a, contraction.w), axes, strict=True)
    )
    return KernelStep(
        name=region.layers[0],
        layers=region.layers,
        op=region.op,
        kernel=real.kernel,
        a=a,
        w=w,
        o=Operand(run.output, Layout.parse(option.output), ways.shape(run.output)),
        bias=None if bias is None else region.slots[bias.tensor],
        bias_index=None if bias is None else bias.index,
        lo=real.layer.lo,
        hi=real.layer.hi,
        macs=region.macs,
        cycles=option.cycles,
        alternatives=_by_cycles(ways.options[run.output]),
        rules=option.rules,
        source=region.term,
        slots=region.slots,
        target=real.target,
    )


def _operand(
    ways: Alternatives, region: Region, option: Option, real: Realisation, slot: str
) -> Operand:
    tensor = region.slots[slot]
    if is_constant(slot):
        assert real.w_layout is not None
        return Operand(tensor, real.w_layout, ways.shape(tensor))
    return Operand(tensor, Layout.parse(option.layouts[slot]), ways.shape(tensor))


def _by_cycles(options: Sequence[Option]) -> dict[str, int]:
    """Cycles of every way that is known, by dataflow and layouts, cheapest first."""
    named = {
        f"{option.dataflow} {' '.join(option.layouts.values())} -> {option.output}": option.cycles
        for option in options
    }
    return dict(sorted(named.items(), key=lambda item: (item[1], item[0])))
