"""Constructs that the machine runs or is given."""

from __future__ import annotations

from systolab.glenside.language.term import Shape, Term, construct, require
from systolab.rtl.kernel.modes import Mode

__all__ = ["DATAFLOWS", "BlockDiagonal", "PostProcess", "SystolicArray"]

DATAFLOWS = tuple(mode.value for mode in Mode)


@construct("systolic-array")
class SystolicArray(Term):
    """A matrix product on the array, batched over the first ``batch`` access dimensions.

    ``a`` ((B.., M), (K)) streams through rows, ``w`` ((B.., N), (K)) is the other operand; gives
    ((B.., M, N), ()). The value is that of the dot products; the dataflow is a promise to run so.
    """

    dataflow: str
    a: Term
    w: Term
    batch: int = 0

    def _infer(self) -> Shape:
        a, w, k = self.a.shape, self.w.shape, self.batch
        require(
            self.dataflow in DATAFLOWS, "systolic-array: dataflow", "a known one", self.dataflow
        )
        for name, shape in (("a", a), ("w", w)):
            require(
                len(shape.access) == k + 1 and len(shape.item) == 1,
                f"systolic-array: operand {name}",
                f"a matrix per batch element ({k + 1} access dimensions, 1 item dimension)",
                shape,
            )
        require(
            a.access[:k] == w.access[:k] and a.item == w.item,
            "systolic-array: operands",
            f"equal in batch and reduction ({a} on the left)",
            w,
        )
        return Shape(a.access + w.access[k:], ())


@construct("post-process")
class PostProcess(Term):
    """What the array does to its sums before they leave: clamp(a + bias, lo, hi).

    ``bias`` has the shape of ``a``; infinite limits mean none.
    """

    a: Term
    bias: Term
    lo: float
    hi: float

    def _infer(self) -> Shape:
        require(self.lo <= self.hi, "post-process: bounds", "ordered", f"{self.lo}..{self.hi}")
        a, bias = self.a.shape, self.bias.shape
        require(a == bias, "post-process: bias", f"of the shape {a}", bias)
        return a


@construct("block-diagonal")
class BlockDiagonal(Term):
    """Groups of ``size`` batch elements as one matrix: ((G, N), (K)) gives ((G/c, c*N), (c*K)).

    Row i*N + n of a group holds element i's row n in columns i*K..(i+1)*K-1, zeros elsewhere.
    """

    a: Term
    size: int

    def _infer(self) -> Shape:
        a, c = self.a.shape, self.size
        require(
            len(a.access) == 2 and len(a.item) == 1, "block-diagonal: operand", "((G, N), (K))", a
        )
        require(
            c > 0 and a.access[0] % c == 0, "block-diagonal: size", f"a divisor of {a.access[0]}", c
        )
        return Shape((a.access[0] // c, c * a.access[1]), (c * a.item[0],))
