"""Layouts: transforms that cancel, and layouts as compositions of plain access patterns."""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["RULES"]

# Dimension orders that are row-major orders of a transposed tensor: name, order, row-major name.
_ORDERS = (
    ("CN", (1, 0), "NC"),
    ("ACB", (0, 2, 1), "ABC"),
    ("NHWC", (0, 2, 3, 1), "NCHW"),
)
_BLOCKS = (4, 8, 16, 32, 64)


def _ordered(name: str, order: tuple[int, ...], plain: str) -> Rule:
    moved = f"(Transpose a (vec-of {' '.join(map(str, order))}))"
    dims = " ".join(f"(vec-get aa {i})" for i in order)
    return Rule(
        name=f"{name.lower()}-is-transposed",
        meaning=f"storing in {name} is storing the transposed tensor in row-major order",
        conditions="none",
        when=f'(= t (Store a "{name}")) (= aa (access-dims a))',
        then=f'(union t (Store {moved} "{plain}")) '
        + shape(moved, f"(vec-of {dims})", "(vec-empty)"),
        purpose="layouts",
    )


def _blocked(block: int) -> Rule:
    n, c, h, w = (f"(vec-get aa {i})" for i in range(4))
    cut = f"(Reshape a (vec-of {n} (/ {c} {block}) {block} {h} {w}) (vec-empty))"
    moved = f"(Transpose {cut} (vec-of 0 1 3 4 2))"
    return Rule(
        name=f"nchw{block}c-is-cut-and-transposed",
        meaning=f"storing in NCHW{block}c is cutting the channels and storing them transposed",
        conditions=f"{block} divides the channels (else the layout pads)",
        when=f'(= t (Store a "NCHW{block}c")) (= aa (access-dims a)) (= 0 (% {c} {block}))',
        then=f'(union t (Store {moved} "ABCDE")) '
        + shape(cut, f"(vec-of {n} (/ {c} {block}) {block} {h} {w})", "(vec-empty)")
        + shape(moved, f"(vec-of {n} (/ {c} {block}) {h} {w} {block})", "(vec-empty)"),
        purpose="layouts",
    )


RULES = (
    Rule(
        name="load-of-store",
        meaning="what was stored is what is loaded",
        conditions="the layouts are equal",
        when="(= t (Load (Store a l) l d))",
        then="(union t a)",
        purpose="layouts",
    ),
    Rule(
        name="store-of-load",
        meaning="storing what was loaded gives the same memory",
        conditions="the layouts are equal and have no padding, whose content loading forgets",
        when="(= t (Store (Load m l d) l)) (= md (access-dims m)) (= (vec-get md 0) (product d))",
        then="(union t m)",
        purpose="layouts",
    ),
    *(_ordered(*order) for order in _ORDERS),
    *(_blocked(block) for block in _BLOCKS),
)
