"""Constructs that make access patterns: what is iterated over, and what each iteration yields."""

from __future__ import annotations

from systolab.glenside.language.term import Dims, Shape, Term, construct, require

__all__ = ["Access", "CartesianProduct", "Pair", "ShiftRight", "Windows"]


@construct("access")
class Access(Term):
    """Splits the dimensions anew: the first ``split`` are access dimensions."""

    a: Term
    split: int

    def _infer(self) -> Shape:
        dims = self.a.dims
        require(0 <= self.split <= len(dims), "access: split", f"in 0..{len(dims)}", self.split)
        return Shape(dims[: self.split], dims[self.split :])


@construct("shift-right")
class ShiftRight(Term):
    """Moves the last access dimension to the item side."""

    a: Term

    def _infer(self) -> Shape:
        access = self.a.access
        require(bool(access), "shift-right: access dimensions", "at least one", access)
        return Shape(access[:-1], access[-1:] + self.a.item)


@construct("cartesian-product")
class CartesianProduct(Term):
    """Every access of ``a`` beside every access of ``b``.

    The first ``batch`` access dimensions are shared:
    ((B.., M..), I) and ((B.., N..), I) give ((B.., M.., N..), (2, I..)).
    """

    a: Term
    b: Term
    batch: int = 0

    def _infer(self) -> Shape:
        a, b, k = self.a.shape, self.b.shape, self.batch
        limit = min(len(a.access), len(b.access))
        require(0 <= k <= limit, "cartesian-product: batch", f"in 0..{limit}", k)
        require(
            a.item == b.item, "cartesian-product: items", f"equal ({a.item} on the left)", b.item
        )
        require(
            a.access[:k] == b.access[:k],
            "cartesian-product: batch dimensions",
            f"equal ({a.access[:k]} on the left)",
            b.access[:k],
        )
        return Shape(a.access + b.access[k:], (2, *a.item))


@construct("pair")
class Pair(Term):
    """Two access patterns of one shape side by side: ((A), I) twice gives ((A), (2, I..))."""

    a: Term
    b: Term

    def _infer(self) -> Shape:
        a, b = self.a.shape, self.b.shape
        require(a == b, "pair: shapes", f"equal ({a} on the left)", b)
        return Shape(a.access, (2, *a.item))


@construct("windows")
class Windows(Term):
    """Sliding windows over the item dimensions; each window position becomes an access dimension.

    Item dimension d with window w, stride s and dilation e gives (d - (w-1)*e - 1) // s + 1
    positions. No padding: see Pad.
    """

    a: Term
    window: Dims
    strides: Dims
    dilation: Dims

    def _infer(self) -> Shape:
        item = self.a.item
        for name in ("window", "strides", "dilation"):
            values: Dims = getattr(self, name)
            require(
                len(values) == len(item) and all(v > 0 for v in values),
                f"windows: {name}",
                f"{len(item)} positive numbers",
                values,
            )
        spans = tuple((w - 1) * e + 1 for w, e in zip(self.window, self.dilation, strict=True))
        require(
            all(s <= d for s, d in zip(spans, item, strict=True)),
            "windows: dilated window",
            f"no larger than the item {item}",
            spans,
        )
        counts = tuple((d - s) // t + 1 for d, s, t in zip(item, spans, self.strides, strict=True))
        return Shape(self.a.access + counts, self.window)
