"""Depthwise products widened: groups of batch elements share one block-diagonal product.

A depthwise convolution is a batch of products with a single column each, which leaves all but one
column of an array idle. ``size`` of them side by side multiply by zeros instead; cost decides
whether that pays.
"""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["RULES"]

_SIZES = (2, 4, 8, 16, 32)


def _widen(size: int) -> Rule:
    cut = f"(Reshape a (vec-of gs {size} m) (vec-of k))"
    moved = f"(Transpose {cut} (vec-of 0 2 1 3))"
    split = f"(Access {moved} 2)"
    flat = f"(Flatten {split} 1)"
    wide = f"(BlockDiagonal b {size})"
    both = f"(CartesianProduct {flat} {wide} 1)"
    dot = f'(Compute "dot-product" {both})'
    spread = f"(Reshape {dot} (vec-of gs m {size} 1) (vec-empty))"
    back = f"(Transpose {spread} (vec-of 0 2 1 3))"
    length = f"(* {size} k)"
    access = f"(vec-of gs m {size})"
    return Rule(
        name=f"widen-batch-by-{size}",
        meaning=f"{size} products of one column each are one product with a block-diagonal matrix",
        conditions="both operands are matrices per batch element, the right one of one row; "
        f"{size} divides the batch",
        when='(= t (Compute "dot-product" (CartesianProduct a b 1)))'
        " (= aa (access-dims a)) (= 2 (vec-length aa))"
        " (= ab (access-dims b)) (= g (vec-get ab 0)) (= 1 (vec-get ab 1))"
        " (= i (item-dims a)) (= 1 (vec-length i)) (= k (vec-get i 0)) (= m (vec-get aa 1))"
        f" (= 0 (% g {size})) (= gs (/ g {size})) (= ta (access-dims t))",
        then=f"(union t (Reshape {back} ta (vec-empty))) "
        + shape(cut, f"(vec-of gs {size} m)", "(vec-of k)")
        + shape(moved, f"(vec-of gs m {size})", "(vec-of k)")
        + shape(split, "(vec-of gs m)", f"(vec-of {size} k)")
        + shape(flat, "(vec-of gs m)", f"(vec-of {length})")
        + shape(wide, f"(vec-of gs {size})", f"(vec-of {length})")
        + shape(both, access, f"(vec-of 2 {length})")
        + shape(dot, access, "(vec-empty)")
        + shape(spread, f"(vec-of gs m {size} 1)", "(vec-empty)")
        + shape(back, f"(vec-of gs {size} m 1)", "(vec-empty)")
        + f" (set (product {access}) (* gs (* m {size})))"
        + f" (set (product (vec-of {length})) {length})"
        + " (set (inverse (vec-of 0 2 1 3)) (vec-of 0 2 1 3))",
        purpose="depthwise",
    )


RULES = tuple(map(_widen, _SIZES))
