"""What a saturated e-graph says about running a region on the array.

A target is a hardware form of the region's root: through transposes and reshapes, which the output
stream absorbs, down to the array's product with or without post-processing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from systolab.glenside.language import grammar as g
from systolab.glenside.search.egraph import ClassId, Node, Snapshot
from systolab.glenside.search.forms import smallest

__all__ = ["OUTPUT", "VIEWS", "Target", "TargetFinder"]

VIEWS = (
    g.Tensor, g.Literal, g.Access, g.Transpose, g.Windows, g.Slice, g.Pad, g.Squeeze, g.InsertAxis,
    g.Broadcast, g.Flatten, g.Reshape, g.ShiftRight, g.BlockDiagonal,
)  # fmt: skip

OUTPUT = "y"


@dataclass(frozen=True)
class Target:
    """A run of the array that computes a region.

    Attributes:
        product: the array's product; its operands are views of the region's slots.
        output: the product's elements ((B.., M, N), ()) as a view of the stored output, the tensor
            leaf OUTPUT.
        bias: view of what post-processing adds, of the product's shape, or None.
        lo, hi: clamp of post-processing.
        rules: names of the rules that may have led to it, sorted.
        term: the whole region with this product.
    """

    product: g.SystolicArray
    output: g.Term
    bias: g.Term | None
    lo: float
    hi: float
    rules: tuple[str, ...]
    term: g.Term


class TargetFinder:
    """Finds the targets of a snapshot's classes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._views: Mapping[ClassId, g.Term] = smallest(snapshot, VIEWS)
        self._shapes: Mapping[ClassId, g.Term] = smallest(snapshot)
        self._rules: frozenset[str] = frozenset()

    def targets(self, root: ClassId) -> list[Target]:
        """All targets of a class, in an order that depends on their text only."""
        found: dict[str, Target] = {}
        self._rules = self._fired_below(root)
        start = g.Tensor(OUTPUT, self._shapes[root].access)
        for target in self._walk(root, start, frozenset(), ()):
            key = f"{target.product} {target.bias} {target.lo} {target.hi}"
            best = found.get(key)
            if best is None or _order(target) < _order(best):
                found[key] = target
        return sorted(found.values(), key=_order)

    def _fired_below(self, root: ClassId) -> frozenset[str]:
        """Rules that fired on any class the root can be made of."""
        seen: set[ClassId] = set()
        pending = [root]
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                pending.extend(c for n in self._snapshot.classes[name] for c in n.children())
        return frozenset(rule for name in seen for rule in self._snapshot.fired.get(name, ()))

    def _walk(
        self,
        name: ClassId,
        output: g.Term,
        above: frozenset[ClassId],
        chain: tuple[tuple[ClassId, Node], ...],
    ) -> Iterator[Target]:
        if name in above:
            return
        above |= {name}
        for node in self._snapshot.classes[name]:
            if node.construct is g.Transpose:
                child, permutation = node.operands
                assert isinstance(child, ClassId)
                assert isinstance(permutation, tuple)
                inverse = tuple(permutation.index(i) for i in range(len(permutation)))
                view: g.Term = g.Transpose(output, inverse)
                yield from self._walk(child, view, above, (*chain, (name, node)))
            elif node.construct is g.Reshape:
                child = node.children()[0]
                shape = self._shapes[child].shape
                if not shape.item:
                    view = g.Reshape(output, shape.access, ())
                    yield from self._walk(child, view, above, (*chain, (name, node)))
            elif node.construct is g.SystolicArray:
                yield from self._target(node, output, chain, None)
            elif node.construct is g.PostProcess:
                product, bias = node.children()
                for inner in self._snapshot.classes[product]:
                    if inner.construct is g.SystolicArray:
                        yield from self._target(inner, output, chain, (node, bias))

    def _target(
        self,
        node: Node,
        output: g.Term,
        chain: tuple[tuple[ClassId, Node], ...],
        post: tuple[Node, ClassId] | None,
    ) -> Iterator[Target]:
        a, w = node.children()
        if a not in self._views or w not in self._views:
            return
        dataflow, _, _, batch = node.operands
        product = g.SystolicArray(str(dataflow), self._views[a], self._views[w], _int(batch))
        bias, lo, hi = None, -float("inf"), float("inf")
        term: g.Term = product
        if post is not None:
            post_node, bias_class = post
            if bias_class not in self._views:
                return
            bias = self._views[bias_class]
            lo, hi = (float(value) for value in post_node.operands[2:] if isinstance(value, float))
            term = g.PostProcess(product, bias, lo, hi)
        for _, wrapper in reversed(chain):
            term = wrapper.build((term, *wrapper.operands[1:]))
        yield Target(product, output, bias, lo, hi, _relevant(self._rules, term), term)


def _relevant(rules: frozenset[str], term: g.Term) -> tuple[str, ...]:
    """Rules that can have led to a target: none of another dataflow or width."""
    used = {node.dataflow for node in term.walk() if isinstance(node, g.SystolicArray)}
    widths = {str(node.size) for node in term.walk() if isinstance(node, g.BlockDiagonal)}
    other = set(g.DATAFLOWS) - used
    return tuple(
        sorted(
            rule
            for rule in rules
            if not any(dataflow in rule for dataflow in other)
            and (not rule.startswith("widen") or rule.rpartition("-")[2] in widths)
        )
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _order(target: Target) -> tuple[int, str]:
    text = str(target.term)
    return len(text), text
