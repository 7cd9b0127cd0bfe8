"""Extraction against the exact optimum."""

from __future__ import annotations

import numpy as np
import pytest

from systolab.formats.errors import SystolabError
from systolab.glenside.search.extract import Choice, extract, greedy
from tests.glenside.search.ilp import optimum

Graph = dict[str, list[Choice[str]]]


def choice(cost: int, *needs: str) -> Choice[str]:
    return Choice(cost, needs, f"{cost} {needs}")


# Two consumers can each be had a little cheaper on their own than through what they could share.
SHARED: Graph = {
    "shared": [choice(6)],
    "own1": [choice(5)],
    "own2": [choice(5)],
    "left": [choice(1, "shared"), choice(1, "own1")],
    "right": [choice(1, "shared"), choice(1, "own2")],
    "root": [choice(0, "left", "right")],
}


def test_better_than_greedy_and_optimal_where_sharing_pays() -> None:
    alone = greedy(SHARED, ["root"])
    assert alone is not None
    assert alone.cost == 12
    assert optimum(SHARED, ["root"]) == 8
    seed = {"left": SHARED["left"][0], "right": SHARED["right"][0]}
    assert extract(SHARED, ["root"], [seed]).cost == 8


def test_single_exchanges_improve_on_greedy() -> None:
    graph = dict(SHARED, right=[choice(1, "shared")])
    alone = greedy(graph, ["root"])
    assert alone is not None
    assert alone.cost == 13
    assert extract(graph, ["root"]).cost == optimum(graph, ["root"]) == 8


def random_graph(seed: int) -> Graph:
    """Classes in layers with choices over earlier ones, and copies between neighbours (circles)."""
    rng = np.random.default_rng(seed)
    graph: Graph = {"c0": [choice(int(rng.integers(1, 9)))]}
    for i in range(1, 14):
        choices = []
        for _ in range(int(rng.integers(1, 4))):
            needs = rng.choice(i, size=min(i, int(rng.integers(1, 3))), replace=False)
            choices.append(choice(int(rng.integers(1, 20)), *(f"c{n}" for n in sorted(needs))))
        graph[f"c{i}"] = choices
    for i in range(1, 13, 3):
        graph[f"c{i}"].append(choice(int(rng.integers(1, 4)), f"c{i + 1}"))
        graph[f"c{i + 1}"].append(choice(int(rng.integers(1, 4)), f"c{i}"))
    return graph


def test_random_graphs_against_the_optimum() -> None:
    gaps, greedy_gaps = [], []
    for seed in range(60):
        graph, roots = random_graph(seed), ["c13", "c12"]
        best = optimum(graph, roots)
        alone = greedy(graph, roots)
        assert best is not None
        assert alone is not None
        found = extract(graph, roots)
        assert best <= found.cost <= alone.cost
        assert found.cost == sum(c.cost for c in found.choices.values())
        order = list(found.choices)
        for i, name in enumerate(order):  # every need comes before what needs it
            assert set(found.choices[name].needs) <= set(order[:i])
        gaps.append(found.cost - best)
        greedy_gaps.append(alone.cost - best)
    assert sum(gap > 0 for gap in greedy_gaps) >= 3
    assert sum(gaps) < sum(greedy_gaps)
    assert sum(gap == 0 for gap in gaps) >= 55


def test_circles_do_not_support_themselves() -> None:
    graph: Graph = {"a": [choice(1, "b")], "b": [choice(1, "a")]}
    assert optimum(graph, ["a"]) is None
    assert greedy(graph, ["a"]) is None
    with pytest.raises(SystolabError, match="Root a must be computable"):
        extract(graph, ["a"])
