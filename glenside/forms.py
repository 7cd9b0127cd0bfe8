"""Reading terms back out of an e-graph: the smallest form of a class, and all short ways to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from glenside.egraph import ClassId, Node, Snapshot
from glenside.language import Term


@dataclass(frozen=True)
class Form:
    """A term with the order by which the best of a class is chosen: size, then text."""

    size: int
    text: str
    term: Term

    @property
    def key(self) -> tuple[int, str]:
        return self.size, self.text


def smallest(
    snapshot: Snapshot, constructs: Collection[type[Term]] | None = None
) -> Mapping[ClassId, Term]:
    """The smallest term of every class that has one built only from `constructs`.

    Ties go to the lexicographically first text, so the result does not depend on e-graph order.
    """
    best: dict[ClassId, Form] = {}
    changed = True
    while changed:
        changed = False
        for name, nodes in snapshot.classes.items():
            for node in nodes:
                if constructs is not None and node.construct not in constructs:
                    continue
                form = _build(node, best)
                if form is not None and (name not in best or form.key < best[name].key):
                    best[name] = form
                    changed = True
    return {name: form.term for name, form in best.items()}


def _build(node: Node, best: Mapping[ClassId, Form]) -> Form | None:
    operands: list[object] = []
    size = 1
    for value in node.operands:
        if isinstance(value, ClassId):
            if value not in best:
                return None
            operands.append(best[value].term)
            size += best[value].size
        else:
            operands.append(value)
    term = node.build(operands)
    return Form(size, str(term), term)


def forms(snapshot: Snapshot, name: ClassId, best: Mapping[ClassId, Term]) -> Iterator[Term]:
    """One term for each node of a class, over the best terms of its children."""
    for node in snapshot.classes[name]:
        if all(child in best for child in node.children()):
            yield node.build(
                best[value] if isinstance(value, ClassId) else value for value in node.operands
            )
