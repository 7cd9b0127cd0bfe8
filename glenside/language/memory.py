"""Tensors as they stand in memory."""

from __future__ import annotations

from systolab.glenside.language.layout import Layout
from systolab.glenside.language.term import Dims, Shape, Term, construct, require

__all__ = ["Load", "Store"]


@construct("store")
class Store(Term):
    """A tensor ((dims), ()) as memory: ((size), ()) codes in the given layout.

    Layout names are those that ``Layout.parse`` reads.
    """

    a: Term
    layout: str

    def _infer(self) -> Shape:
        require(not self.a.item, "store: item dimensions", "none", self.a.item)
        return Shape((Layout.parse(self.layout).size(self.a.access),), ())


@construct("load")
class Load(Term):
    """Memory ((size), ()) in a layout read as the tensor ((dimensions), ())."""

    a: Term
    layout: str
    dimensions: Dims

    def _infer(self) -> Shape:
        size = Layout.parse(self.layout).size(self.dimensions)
        require(self.a.shape == Shape((size,), ()), "load: memory", f"(({size}) ())", self.a.shape)
        return Shape(self.dimensions, ())
