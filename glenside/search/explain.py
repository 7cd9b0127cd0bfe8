"""Why a layer runs as it does: a chain of single rule applications, re-checked numerically.

The e-graph tells that two terms are equal; the chain shows it, from the layer as written to its
form on the array. It is found by best-first search over terms: each rule is applied alone, in an
e-graph of the current term, and the term that shares most with the goal is followed first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from systolab.formats.errors import SystolabError
from systolab.glenside.language.interpreter import evaluate
from systolab.glenside.language.leaves import tensors
from systolab.glenside.language.term import Term
from systolab.glenside.rules.rule import Rule
from systolab.glenside.rules.rulebook import ALL
from systolab.glenside.search.egraph import ClassId, EGraph, Snapshot

__all__ = ["Link", "check", "checkable", "explain", "replace"]

_SEARCH_LIMIT = 2000  # applications of rules to try before giving up
_CHECK_LIMIT = 1 << 24  # largest number of elements that re-checking may hold at once


@dataclass(frozen=True)
class Link:
    """A term and the rule that led to it from the one before; no rule for the first."""

    rule: str | None
    term: Term


def explain(
    source: Term, target: Term, rules: Sequence[str], known: Sequence[Rule] = ALL
) -> list[Link]:
    """The chain from ``source`` to ``target`` by the named rules, checked where ``checkable``.

    Names are those of ``known`` rules.

    Raises:
        SystolabError: no chain was found, or two terms of it differ on random data.
    """
    chain = _search(source, target, [rule for rule in known if rule.name in rules])
    if checkable(chain):
        check(chain)
    return chain


def checkable(chain: Sequence[Link]) -> bool:
    """Whether every value in the chain is small enough to be interpreted."""
    return all(prod(node.dims) <= _CHECK_LIMIT for link in chain for node in link.term.walk())


def check(chain: Sequence[Link]) -> None:
    """Interprets all terms of a chain on random integers.

    Raises:
        SystolabError: their values are not all equal.
    """
    rng = np.random.default_rng(0)
    values = {leaf.name: rng.integers(-8, 9, leaf.dimensions) for leaf in tensors(chain[0].term)}
    expected = evaluate(chain[0].term, values)
    for link in chain[1:]:
        if not np.array_equal(evaluate(link.term, values), expected):
            raise SystolabError(f"Rule {link.rule} must keep the value of the term, not change it")


def _search(source: Term, target: Term, rules: Sequence[Rule]) -> list[Link]:
    goal = set(target.walk())
    parents: dict[Term, tuple[Term, str] | None] = {source: None}
    # Terms by distance, older first; each with the applications that were not tried yet.
    queue = [(_distance(source, goal), 0, source, _applications(source, rules))]
    for count in range(1, _SEARCH_LIMIT):
        if not queue:
            break
        distance, age, term, applications = heapq.heappop(queue)
        if term == target:
            return _chain(term, parents)
        for rule, other in applications:
            if other not in parents:
                parents[other] = (term, rule)
                entry = (_distance(other, goal), count, other, _applications(other, rules))
                heapq.heappush(queue, entry)
                heapq.heappush(queue, (distance, age, term, applications))
                break
    raise SystolabError(f"A chain of rules must lead from {source} to {target}, but none was found")


def _applications(term: Term, rules: Sequence[Rule]) -> Iterator[tuple[str, Term]]:
    for rule in rules:
        for other in _successors(term, rule):
            yield rule.name, other


def _distance(term: Term, goal: set[Term]) -> tuple[int, int]:
    """How far a term is from the goal: subterms that are missing, and those that are too many."""
    own = set(term.walk())
    return len(goal - own), len(own - goal)


def _chain(term: Term, parents: dict[Term, tuple[Term, str] | None]) -> list[Link]:
    links: list[Link] = []
    step = parents[term]
    while step is not None:
        links.append(Link(step[1], term))
        term = step[0]
        step = parents[term]
    return [Link(None, term), *reversed(links)]


def _successors(term: Term, rule: Rule) -> Iterator[Term]:
    """The terms that one application of a rule to one subterm gives."""
    egraph = EGraph([rule])
    egraph.insert("term", term)
    egraph.step()
    snapshot = egraph.snapshot()
    classes = _classes(term, snapshot)
    originals = {name: subterm for subterm, name in reversed(classes.items())}
    for name, subterm in originals.items():
        for node in sorted(snapshot.classes[name], key=repr):
            replacement = node.build(
                _rebuild(snapshot, v, originals) if isinstance(v, ClassId) else v
                for v in node.operands
            )
            if replacement != subterm:
                yield replace(term, subterm, replacement)


def _classes(term: Term, snapshot: Snapshot) -> dict[Term, ClassId]:
    """The class of every subterm, children first."""
    index = {
        (node.construct, node.operands): name
        for name, nodes in snapshot.classes.items()
        for node in nodes
    }
    found: dict[Term, ClassId] = {}
    for subterm in term.walk():
        operands = tuple(found[v] if isinstance(v, Term) else v for v in subterm.operands())
        found[subterm] = index[type(subterm), operands]
    return found


def _rebuild(snapshot: Snapshot, name: ClassId, originals: dict[ClassId, Term]) -> Term:
    if name in originals:
        return originals[name]
    node = min(snapshot.classes[name], key=repr)
    return node.build(
        _rebuild(snapshot, v, originals) if isinstance(v, ClassId) else v for v in node.operands
    )


def replace(term: Term, old: Term, new: Term) -> Term:
    """``term`` with every occurrence of a subterm exchanged."""
    if term == old:
        return new
    children = tuple(replace(child, old, new) for child in term.children())
    return term if children == term.children() else term.with_children(children)
