"""Where terms end: named tensors and literals; which a term has, what may take their place."""

from __future__ import annotations

from collections.abc import Mapping

from systolab.glenside.language.term import Dims, Shape, Term, construct, require

__all__ = ["Literal", "Tensor", "substitute", "tensors"]


@construct("tensor")
class Tensor(Term):
    """A named tensor of a fixed shape: ((dims), ()). Values are bound when it is evaluated."""

    name: str
    dimensions: Dims

    def _infer(self) -> Shape:
        require(
            all(d > 0 for d in self.dimensions),
            f"tensor {self.name}: every dimension",
            "positive",
            self.dimensions,
        )
        return Shape(self.dimensions, ())


@construct("literal")
class Literal(Term):
    """A tensor filled with one binary32 value: ((dims), ())."""

    value: float
    dimensions: Dims

    def _infer(self) -> Shape:
        require(
            all(d > 0 for d in self.dimensions),
            "literal: every dimension",
            "positive",
            self.dimensions,
        )
        return Shape(self.dimensions, ())


def tensors(term: Term) -> tuple[Tensor, ...]:
    """The distinct tensor leaves of a term, in order of first use."""
    return tuple(node for node in term.walk() if isinstance(node, Tensor))


def substitute(term: Term, bindings: Mapping[str, Term]) -> Term:
    """``term`` with tensor leaves replaced by name."""
    memo: dict[Term, Term] = {}

    def visit(node: Term) -> Term:
        if node not in memo:
            if isinstance(node, Tensor):
                memo[node] = bindings.get(node.name, node)
            else:
                memo[node] = node.with_children(tuple(map(visit, node.children())))
        return memo[node]

    return visit(term)
