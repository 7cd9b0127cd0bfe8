"""Reading terms back out of an e-graph: the smallest form of a class, and all short ways to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from systolab.glenside.language.term import Term
from systolab.glenside.search.egraph import ClassId, Node, Snapshot

__all__ = ["Form", "forms", "smallest"]


@dataclass(frozen=True)
class Form:
    """A term with the order by which the best of a class is chosen: size, then text."""

    size: int
    text: str
    term: Term


def smallest(
    snapshot: Snapshot, constructs: Collection[type[Term]] | None = None
) -> Mapping[ClassId, Term]:
    """The smallest term of every class that has one built only from ``constructs``.

    Ties go to the lexicographically first text, so the result does not depend on e-graph order.
    """
    nodes = [
        (name, node, node.children())
        for name, found in snapshot.classes.items()
        for node in found
        if constructs is None or node.construct in constructs
    ]
    best: dict[ClassId, Form] = {}
    changed = True
    while changed:
        changed = False
        for name, node, children in nodes:
            if any(child not in best for child in children):
                continue
            size = 1 + sum(best[child].size for child in children)
            old = best.get(name)
            if old is not None and size > old.size:
                continue
            text = _text(node, best)
            if old is None or (size, text) < (old.size, old.text):
                best[name] = Form(size, text, _term(node, best))
                changed = True
    return {name: form.term for name, form in best.items()}


def _text(node: Node, best: Mapping[ClassId, Form]) -> str:
    """An order among nodes of equal size; cheaper than the term's own text."""
    parts = (best[v].text if isinstance(v, ClassId) else repr(v) for v in node.operands)
    return f"{node.construct.head} {' '.join(parts)}"


def _term(node: Node, best: Mapping[ClassId, Form]) -> Term:
    return node.build(best[v].term if isinstance(v, ClassId) else v for v in node.operands)


def forms(snapshot: Snapshot, name: ClassId, best: Mapping[ClassId, Term]) -> Iterator[Term]:
    """One term for each node of a class, over the best terms of its children."""
    for node in snapshot.classes[name]:
        if all(child in best for child in node.children()):
            yield node.build(
                best[value] if isinstance(value, ClassId) else value for value in node.operands
            )
