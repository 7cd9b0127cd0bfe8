"""The exact optimum of DAG extraction, by integer programming with HiGHS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import (  # type: ignore[import-untyped]  # no stubs
    Bounds,
    LinearConstraint,
    milp,
)

from systolab.glenside.search.extract import Choice


def optimum(graph: dict[str, list[Choice[str]]], roots: Sequence[str]) -> int | None:
    """Least total cost of having all roots; None if impossible.

    Variables: one binary for each choice, and a level for each class that orders needs before what
    they serve, so that no class supports itself.
    """
    names = list(graph)
    index = {name: i for i, name in enumerate(names)}
    choices = [(name, choice) for name in names for choice in graph[name]]
    count, levels = len(choices), len(names)
    size = count + levels
    rows, lows, highs = [], [], []

    def row(low: float, high: float) -> np.ndarray:
        values = np.zeros(size)
        rows.append(values)
        lows.append(low)
        highs.append(high)
        return values

    own = {name: [i for i, (n, _) in enumerate(choices) if n == name] for name in names}
    for root in roots:
        row(1, np.inf)[own[root]] = 1
    for i, (name, choice) in enumerate(choices):
        for need in choice.needs:
            if need not in own:
                row(0, 0)[i] = 1
                continue
            values = row(0, np.inf)  # the need is chosen if this choice is
            values[own[need]] += 1
            values[i] -= 1
            order = row(1 - levels - 1, np.inf)  # level(name) >= level(need) + 1 if chosen
            order[count + index[name]] += 1
            order[count + index[need]] -= 1
            order[i] -= levels + 1
    cost = np.array([choice.cost for _, choice in choices] + [0] * levels, dtype=float)
    upper = np.array([1.0] * count + [float(levels)] * levels)
    result = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), lows, highs) if rows else (),
        integrality=np.array([1] * count + [0] * levels),
        bounds=Bounds(np.zeros(size), upper),
    )
    return None if result.x is None else round(result.fun)
