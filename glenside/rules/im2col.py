"""im2col by composition: dot products over any item become matrix products of flat operands.

No rule here knows of convolutions. A dot product over non-flat operands asks for flat ones; each
flattening is undone by a reshape, and the reshapes move outwards until the dot product itself is
flat.
"""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["RULES"]

_DOT = '(= t (Compute "dot-product" (CartesianProduct a b k)))'
_SHAPES = (
    "(= aa (access-dims a)) (= ab (access-dims b)) (= i (item-dims a)) "
    "(> (+ (vec-length aa) (+ (vec-length ab) (* 2 (vec-length i)))) (+ 4 (* 2 k)))"
)


def _flatten(operand: str, name: str) -> list[Rule]:
    """``?a = reshape(flatten ?a)`` where a dot product asks for it, with k = 0 or 1 batch dims."""
    rules = []
    for batch, access in (
        (0, "(vec-of sa)"),
        (1, "(vec-of (vec-get aa 0) (/ sa (vec-get aa 0)))"),
    ):
        when = _DOT.replace(" k)", f" {batch})") + " " + _SHAPES.replace(" k)", f" {batch})")
        if operand == "b":
            when = when.replace("(= i (item-dims a))", "(= i (item-dims b))")
        own = "aa" if operand == "a" else "ab"
        flat = f"(Flatten {operand} {batch})"
        rules.append(
            Rule(
                name=f"flatten-{name}-of-dot-product" + ("-per-batch" if batch else ""),
                meaning="an operand of a dot product is its flattened form, reshaped back",
                conditions="asked for by a dot product whose operands are not all flat",
                when=when
                + f" (> (vec-length {own}) {batch}) (= sa (product {own})) (= si (product i))",
                then=f"(union {operand} (Reshape {flat} {own} i)) "
                + shape(flat, access.replace("aa", own), "(vec-of si)")
                + f" (set (product (vec-of si)) si) (set (product {access.replace('aa', own)}) sa)",
                purpose="im2col",
                target=operand,
            )
        )
    return rules


def _products(batch: int) -> Rule:
    inner = f"(CartesianProduct a b {batch})"
    if batch:
        access = "(vec-append aa (vec-remove ab 0))"
        guard = (
            " (= (vec-get aa 0) (vec-get ab 0)) (= (vec-get aa 0) (vec-get ra 0))"
            " (= (vec-get ab 0) (vec-get rb 0))"
        )
        size = "(/ (* (product aa) (product ab)) (vec-get ab 0))"
    else:
        access, guard, size = "(vec-append aa ab)", "", "(* (product aa) (product ab))"
    item = "(vec-append (vec-of 2) i)"
    return Rule(
        name="reshape-out-of-cartesian-product" + ("-per-batch" if batch else ""),
        meaning="a cartesian product of reshaped operands is a reshaped cartesian product",
        conditions="the operands' items are equal before the reshape too"
        + ("; the batch dimension is not touched" if batch else ""),
        when=f"(= t (CartesianProduct (Reshape a ra ri) (Reshape b rb ri) {batch}))"
        " (= i (item-dims a)) (= i (item-dims b)) (= aa (access-dims a)) (= ab (access-dims b))"
        f"{guard} (= ta (access-dims t)) (= ti (item-dims t)) (= size {size}) (= is (product i))",
        then=f"(union t (Reshape {inner} ta ti)) "
        + shape(inner, access, item)
        + f" (set (product {access}) size) (set (product {item}) (* 2 is))",
        purpose="im2col",
    )


_THROUGH_DOT = Rule(
    name="reshape-out-of-dot-product",
    meaning="the dot product of a reshaped pattern is a reshaped dot product",
    conditions="the reshape keeps the tuple dimension, the first of the item",
    when='(= t (Compute "dot-product" (Reshape p ra ri))) (= ip (item-dims p)) '
    "(= (vec-get ip 0) (vec-get ri 0)) (= pa (access-dims p))",
    then='(union t (Reshape (Compute "dot-product" p) ra (vec-empty))) '
    + shape('(Compute "dot-product" p)', "pa", "(vec-empty)"),
    purpose="im2col",
)

RULES = (
    *_flatten("a", "left"),
    *_flatten("b", "right"),
    _products(0),
    _products(1),
    _THROUGH_DOT,
)
