"""Lowering: a matrix product runs on the array, in either dataflow."""

from __future__ import annotations

from systolab.glenside.language.machine import DATAFLOWS
from systolab.glenside.rules.rule import Rule

__all__ = ["RULES"]


def _lower(dataflow: str, batch: int) -> Rule:
    return Rule(
        name=f"lower-{dataflow}" + ("-per-batch" if batch else ""),
        meaning=f"dot products of two matrices are one {dataflow} run of the array",
        conditions="both operands are matrices (flat)" + (" per batch element" if batch else ""),
        when=f'(= t (Compute "dot-product" (CartesianProduct a b {batch})))'
        f" (= aa (access-dims a)) (= {batch + 1} (vec-length aa))"
        f" (= ab (access-dims b)) (= {batch + 1} (vec-length ab))"
        " (= i (item-dims a)) (= 1 (vec-length i))",
        then=f'(union t (SystolicArray "{dataflow}" a b {batch}))',
        purpose="lowering",
    )


RULES = tuple(_lower(dataflow, batch) for dataflow in DATAFLOWS for batch in (0, 1))
