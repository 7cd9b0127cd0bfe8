"""Several values at once."""

from __future__ import annotations

from systolab.glenside.language.term import Shape, Term, construct, require

__all__ = ["MakeTuple", "TupleGet"]


@construct("tuple")
class MakeTuple(Term):
    """Several values at once; only TupleGet may consume it."""

    a: Term
    b: Term

    def _infer(self) -> Shape:
        return Shape((), ())


@construct("tuple-get")
class TupleGet(Term):
    """One value of a tuple."""

    a: Term
    index: int

    def _infer(self) -> Shape:
        require(isinstance(self.a, MakeTuple), "tuple-get: operand", "a tuple", self.a.head)
        assert isinstance(self.a, MakeTuple)
        require(self.index in (0, 1), "tuple-get: index", "0 or 1", self.index)
        return self.a.children()[self.index].shape
