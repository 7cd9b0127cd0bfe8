"""Runs a rule on random terms and interprets both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from systolab.glenside.language import grammar as g
from systolab.glenside.language.interpreter import evaluate
from systolab.glenside.rules.rule import Rule
from systolab.glenside.search.egraph import EGraph
from systolab.glenside.search.forms import forms, smallest

Rng = np.random.Generator
Generator = Callable[["Terms"], g.Term]


class Terms:
    """Random ingredients of terms; every leaf gets values of its own."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values: dict[str, np.ndarray] = {}

    def integer(self, lo: int, hi: int) -> int:
        return int(self.rng.integers(lo, hi + 1))

    def dims(self, rank: int, hi: int = 4) -> g.Dims:
        return tuple(self.integer(1, hi) for _ in range(rank))

    def leaf(self, access: g.Dims, item: g.Dims = ()) -> g.Term:
        name = f"t{len(self.values)}"
        dims = (*access, *item)
        self.values[name] = self.rng.integers(-9, 10, dims)
        tensor = g.Tensor(name, dims)
        return g.Access(tensor, len(access)) if item else tensor

    def seldom(self) -> bool:
        """True for terms on which a side condition is to fail."""
        return self.integer(0, 7) == 0

    def permutation(self, rank: int) -> g.Dims:
        return tuple(int(i) for i in self.rng.permutation(rank))

    def reshaped(self, dims: g.Dims) -> g.Dims:
        """Other dimensions with as many elements: dims cut in factors, some joined again."""
        factors: list[int] = []
        for d in dims:
            cut = next((f for f in (2, 3, 5) if d % f == 0 and d > f and self.integer(0, 1)), 1)
            factors += [cut, d // cut] if cut > 1 else [d]
        result: list[int] = []
        for f in factors:
            if result and self.integer(0, 1):
                result[-1] *= f
            else:
                result.append(f)
        return tuple(result)


@dataclass(frozen=True)
class Verdict:
    """How often a rule fired, and what first was wrong, if anything.

    Attributes:
        fired: classes to which the rule added a form.
        wrong: a term, and an unequal form of its class or what was stated wrongly of its shape.
    """

    fired: int
    wrong: tuple[g.Term, object] | None


def check(rules: Iterable[Rule], rule: Rule, generate: Generator, count: int, seed: int) -> Verdict:
    """Applies `rules` until saturation to `count` random terms, and interprets all forms.

    Also compares the shapes and numbers of elements that the rules state with the terms' own.
    """
    terms = Terms(seed)
    egraph = EGraph(rules)
    for i in range(count):
        egraph.insert(f"r{i}", generate(terms))
    assert egraph.saturate()
    snapshot = egraph.snapshot()
    fired = sum(rule.name in names for names in snapshot.fired.values())
    best = smallest(snapshot)
    for name in snapshot.classes:
        stated = snapshot.stated.get(name)
        if stated != (best[name].access, best[name].item):
            return Verdict(fired, (best[name], stated))
        for dims in stated:
            if snapshot.products.get(dims, prod(dims)) != prod(dims):
                return Verdict(fired, (best[name], snapshot.products[dims]))
        expected = evaluate(best[name], terms.values)
        for form in forms(snapshot, name, best):
            if form.shape != best[name].shape:
                return Verdict(fired, (best[name], form))
            if not np.array_equal(evaluate(form, terms.values), expected):
                return Verdict(fired, (best[name], form))
    return Verdict(fired, None)
