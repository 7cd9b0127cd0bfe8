"""The best choice for every buffer of a network, and what fixed policies would cost instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from systolab.glenside.search.alternatives import Alternatives
from systolab.glenside.search.assembly import Label, Run
from systolab.glenside.search.extract import Solution, extract, greedy
from systolab.glenside.search.graph import Graph, graph, roots
from systolab.rtl.kernel.modes import Mode

__all__ = ["Solved", "solve"]


@dataclass(frozen=True)
class Solved:
    """What was chosen.

    Attributes:
        solution: of least total cycles that was found.
        policies: total cycles under fixed policies, by name; without those that cannot run the
            network.
    """

    solution: Solution[Label]
    policies: Mapping[str, int]


def solve(ways: Alternatives) -> Solved:
    """Kernels, dataflows and layouts of all layers together; never worse than a fixed policy.

    Raises:
        SystolabError: an output of the network is out of reach.
    """
    choices, wanted = graph(ways), roots(ways)
    fixed = _policies(ways, choices, wanted)
    solution = extract(choices, wanted, [policy.choices for policy in fixed.values()])
    return Solved(solution, {name: policy.cost for name, policy in fixed.items()})


def _policies(ways: Alternatives, choices: Graph, wanted: list[str]) -> dict[str, Solution[Label]]:
    """Solutions under fixed policies: one layout for all images, or one dataflow for all."""
    policies: dict[str, Callable[[Run], bool]] = {
        f"all {layout}": partial(_keeps, ways, layout)
        for layout in ("NCHW", "NHWC", f"NCHW{ways.array.line}c")
    }
    for mode in Mode:
        policies[f"all {mode.value}"] = partial(_flows, ways, mode)
    found = {}
    for name, allowed in policies.items():
        kept = {
            buffer: [
                choice
                for choice in listed
                if not isinstance(choice.label, Run) or allowed(choice.label)
            ]
            for buffer, listed in choices.items()
        }
        solution = greedy(kept, wanted)
        if solution is not None:  # None: some layer has no option under this policy
            found[name] = solution
    return found


def _flows(ways: Alternatives, mode: Mode, run: Run) -> bool:
    """Whether a kernel has a dataflow."""
    return ways.option(run).dataflow == mode.value


def _keeps(ways: Alternatives, layout: str, run: Run) -> bool:
    """Whether a kernel keeps images in one layout, and other tensors in row-major order."""
    option, region = ways.option(run), ways.partition.regions[run.output]
    used = {region.slots[slot]: name for slot, name in option.layouts.items()}
    used[run.output] = option.output
    return all(
        name == ways.nearest(tensor, layout if ways.rank(tensor) == 4 else "")
        for tensor, name in used.items()
    )
