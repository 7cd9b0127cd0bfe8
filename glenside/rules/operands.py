"""Operand swap: which side of a matrix product streams and which side is held."""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["RULES"]


def _swap(batch: int) -> Rule:
    permutation = "(vec-of 0 2 1)" if batch else "(vec-of 1 0)"
    swapped = f'(Compute "dot-product" (CartesianProduct b a {batch}))'
    b = "(vec-get ta 0) " if batch else ""
    access = f"(vec-of {b}(vec-get ta {batch + 1}) (vec-get ta {batch}))"
    return Rule(
        name="swap-operands" + ("-per-batch" if batch else ""),
        meaning="a matrix product is the transposed product of the swapped operands",
        conditions="both operands are matrices (flat)" + (" per batch element" if batch else ""),
        when=f'(= t (Compute "dot-product" (CartesianProduct a b {batch})))'
        f" (= ta (access-dims t)) (= size (product ta)) (= {batch + 2} (vec-length ta))"
        f" (= aa (access-dims a)) (= {batch + 1} (vec-length aa))"
        " (= ti (item-dims a)) (= 1 (vec-length ti))",
        then=f"(union t (Transpose {swapped} {permutation})) "
        + shape(swapped, access, "(vec-empty)")
        + f" (set (inverse {permutation}) {permutation})"
        + f" (set (product {access}) size)"
        + " "
        + shape(f"(CartesianProduct b a {batch})", access, "(vec-append (vec-of 2) ti)"),
        purpose="operands",
    )


RULES = (_swap(0), _swap(1))
