"""Constructs that compute: a function of every item, and limits."""

from __future__ import annotations

from systolab.glenside.language.term import Shape, Term, construct, require

__all__ = ["ELEMENTWISE", "FUNCTIONS", "POINTWISE", "REDUCTIONS", "Clamp", "Compute"]

REDUCTIONS = ("reduce-sum", "reduce-max", "reduce-mean")
ELEMENTWISE = ("elementwise-add", "elementwise-mul", "elementwise-div")
POINTWISE = ("relu", "sqrt", "negative")
FUNCTIONS = ("dot-product", "softmax", *REDUCTIONS, *ELEMENTWISE, *POINTWISE)


@construct("compute")
class Compute(Term):
    """Applies a function to every item.

    dot-product: item (n, I..) -> (): product over n, sum over the rest. reduce-*: item -> ().
    elementwise-*: item (n, I..) -> (I..): folds n. relu, sqrt, negative: unchanged shape.
    softmax: over a one-dimensional item.
    """

    function: str
    a: Term

    def _infer(self) -> Shape:
        access, item, f = self.a.access, self.a.item, self.function
        require(f in FUNCTIONS, "compute: function", "one of " + ", ".join(FUNCTIONS), f)
        if f in POINTWISE:
            return self.a.shape
        if f == "softmax":
            require(len(item) == 1, "compute softmax: item", "one-dimensional", item)
            return self.a.shape
        require(bool(item), f"compute {f}: item", "at least one-dimensional", item)
        return Shape(access, item[1:] if f in ELEMENTWISE else ())


@construct("clamp")
class Clamp(Term):
    """Limits every element to lo..hi in binary32; NaN passes, infinities mean no limit."""

    a: Term
    lo: float
    hi: float

    def _infer(self) -> Shape:
        require(self.lo <= self.hi, "clamp: bounds", "ordered", f"{self.lo}..{self.hi}")
        return self.a.shape
