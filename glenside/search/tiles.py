"""A term as products of tiles: the compiler's tile loops, written down as rewrites.

Kernels choose their tiles in ``systolab.glenside.lowering``; this shows that such tiles mean the
same.
"""

from __future__ import annotations

from dataclasses import replace

from systolab.formats.errors import SystolabError
from systolab.glenside.language import grammar as g
from systolab.glenside.rules import tiling
from systolab.glenside.rules.rulebook import ALL
from systolab.glenside.search.egraph import EGraph, Node, Snapshot
from systolab.glenside.search.forms import smallest
from systolab.glenside.search.targets import VIEWS

__all__ = ["saturate", "tiled"]

_CONSTRUCTS = (*VIEWS, g.Compute, g.SystolicArray)


def saturate(term: g.Term, tile: int) -> tuple[Snapshot, bool]:
    """Everything equal to ``term`` by all rules, tiling included; whether the rules ended."""
    egraph = EGraph((*ALL, *tiling.rules(tile)))
    egraph.insert("root", term)
    saturated = egraph.saturate()
    return egraph.snapshot(), saturated


def tiled(term: g.Term, tile: int, dataflow: str = g.DATAFLOWS[0]) -> g.Term:
    """The smallest form of ``term`` whose products all are systolic arrays of at most tile^3.

    Raises:
        SystolabError: no dot product was found that can be tiled.
    """
    if tile < 2:
        raise SystolabError(f"Tile must be greater than 1, not {tile}")
    snapshot, _ = saturate(term, tile)
    found = smallest(_within(snapshot, tile, dataflow), _CONSTRUCTS).get(snapshot.roots["root"])
    if found is None:
        raise SystolabError(f"Term must have products that tiles of {tile} can compute, not {term}")
    return found


def _within(snapshot: Snapshot, tile: int, dataflow: str) -> Snapshot:
    """Without dot products that no tile computes, and without larger arrays."""
    shapes = {name: term.shape for name, term in smallest(snapshot).items()}

    def fits(node: Node) -> bool:
        if node.construct is g.Compute:
            return node.operands[0] != "dot-product"
        if node.construct is not g.SystolicArray:
            return True
        sides = [shapes[child] for child in node.children()]
        return node.operands[0] == dataflow and all(
            max(side.access[-1], *side.item) <= tile for side in sides
        )

    classes = {
        name: tuple(node for node in nodes if fits(node))
        for name, nodes in snapshot.classes.items()
    }
    return replace(snapshot, classes=classes)
