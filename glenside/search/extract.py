"""Extraction at least total cost, where shared parts are paid once (DAG cost).

Finding the optimum is NP-hard. ``extract`` builds a solution greedily from the leaves, compares it
with the seeds it is given, and improves the best by exchanging single choices until none helps.
Ties go to the earlier choice, so the result depends on nothing but its arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from systolab.formats.errors import SystolabError

__all__ = ["Choice", "Graph", "Label", "Solution", "extract", "greedy"]

Label = TypeVar("Label")


@dataclass(frozen=True)
class Choice(Generic[Label]):
    """One way to have a class: what it costs by itself and which classes it needs."""

    cost: int
    needs: tuple[str, ...]
    label: Label


Graph = Mapping[str, Sequence[Choice[Label]]]


@dataclass(frozen=True)
class Solution(Generic[Label]):
    """A choice for every class that the roots need, in an order that respects needs."""

    choices: Mapping[str, Choice[Label]]
    cost: int


def extract(
    graph: Graph[Label],
    roots: Sequence[str],
    seeds: Iterable[Mapping[str, Choice[Label]]] = (),
) -> Solution[Label]:
    """The best solution found.

    Args:
        graph: the choices of every class.
        roots: classes that are wanted.
        seeds: other solutions to start from.

    Raises:
        SystolabError: a root has no finite solution.
    """
    graph = _undominated(graph)
    table = _greedy(graph)
    for root in roots:
        if root not in table:
            raise SystolabError(f"Root {root} must be computable, not out of reach of every rule")
    tables = [table, *({**table, **seed} for seed in seeds)]
    starts = [(start, _reach(roots, start)) for start in tables]
    found = [(start, solution) for start, solution in starts if solution is not None]
    start, best = min(found, key=lambda item: item[1].cost)
    return _improve(graph, roots, start, best)


def greedy(graph: Graph[Label], roots: Sequence[str]) -> Solution[Label] | None:
    """The greedy solution alone: every class takes what is best for itself."""
    return _reach(roots, _greedy(_undominated(graph)))


def _undominated(graph: Graph[Label]) -> Graph[Label]:
    """Of choices with equal needs the cheapest."""
    result = {}
    for name, choices in graph.items():
        best: dict[tuple[str, ...], Choice[Label]] = {}
        for choice in choices:
            if choice.needs not in best or choice.cost < best[choice.needs].cost:
                best[choice.needs] = choice
        result[name] = list(best.values())
    return result


def _greedy(graph: Graph[Label]) -> dict[str, Choice[Label]]:
    """For every class the choice whose needs, each with all it needs, cost least together."""
    users: dict[str, list[str]] = {}
    for name, choices in graph.items():
        for choice in choices:
            for need in choice.needs:
                users.setdefault(need, []).append(name)
    table: dict[str, Choice[Label]] = {}
    paid: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    pending = dict.fromkeys(graph)
    while pending:
        name = next(iter(pending))
        del pending[name]
        changed = False
        for choice in graph[name]:
            if any(need not in paid or name in paid[need] for need in choice.needs):
                continue
            whole: dict[str, int] = {}
            for need in choice.needs:
                whole |= paid[need]
            whole[name] = choice.cost
            total = sum(whole.values())
            if name not in totals or total < totals[name]:
                table[name], paid[name], totals[name] = choice, whole, total
                changed = True
        if changed:
            pending.update(dict.fromkeys(users.get(name, ())))
    return table


def _reach(roots: Sequence[str], table: Mapping[str, Choice[Label]]) -> Solution[Label] | None:
    """What the roots need under the choices of ``table``, or None if it runs in a circle."""
    order: dict[str, Choice[Label]] = {}
    active: set[str] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        name, done = stack.pop()
        if done:
            active.discard(name)
            order[name] = table[name]
        elif name in active:
            return None
        elif name not in order:
            if name not in table:
                return None
            active.add(name)
            stack.append((name, True))
            stack.extend((need, False) for need in reversed(table[name].needs))
    return Solution(order, sum(choice.cost for choice in order.values()))


def _improve(
    graph: Graph[Label],
    roots: Sequence[str],
    table: Mapping[str, Choice[Label]],
    solution: Solution[Label],
) -> Solution[Label]:
    """Exchanges single choices while that lowers the total.

    What an exchange costs is counted from what it adds and drops; only one that lowers the total is
    built.
    """
    current = dict(table)
    uses = _uses(roots, solution)
    improved = True
    while improved:
        improved = False
        for name in solution.choices:
            for choice in graph[name]:
                old = current[name]
                if choice is old or name not in solution.choices:
                    continue
                if _saved(current, uses, name, choice) <= 0:
                    continue
                current[name] = choice
                other = _reach(roots, current)
                if other is not None and other.cost < solution.cost:
                    solution, improved = other, True
                    uses = _uses(roots, solution)
                else:
                    current[name] = old
    return solution


def _uses(roots: Sequence[str], solution: Solution[Label]) -> Counter[str]:
    """How many choices of a solution need each class; a root counts as a need."""
    uses = Counter(roots)
    for choice in solution.choices.values():
        uses.update(choice.needs)
    return uses


def _saved(
    table: Mapping[str, Choice[Label]], uses: Counter[str], name: str, choice: Choice[Label]
) -> int:
    """What is saved by another choice for a class in use, unless that runs in a circle."""
    changed: dict[str, int] = {}  # number of uses, where it is another than before
    saved = table[name].cost - choice.cost
    for needs, step in ((choice.needs, 1), (table[name].needs, -1)):
        pending = list(needs)
        while pending:
            need = pending.pop()
            before = changed.get(need, uses[need])
            changed[need] = before + step
            if min(before, before + step) == 0 and need in table:  # it comes or goes
                saved -= step * table[need].cost
                pending.extend(table[need].needs)
    return saved
