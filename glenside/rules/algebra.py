"""Access-pattern algebra: forms of one term that only move elements, brought to fewer nodes."""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule

__all__ = ["RULES"]

_MAX_RANK = 6


def _compose(rank: int) -> Rule:
    composed = " ".join(f"(vec-get p (vec-get q {i}))" for i in range(rank))
    return Rule(
        name=f"compose-transposes-{rank}",
        meaning="two transposes are one",
        conditions="none",
        when=f"(= t (Transpose (Transpose a p) q)) (= {rank} (vec-length p))",
        then=f"(union t (Transpose a (vec-of {composed})))",
        purpose="algebra",
    )


def _identity(rank: int) -> Rule:
    unit = " ".join(map(str, range(rank)))
    return Rule(
        name=f"identity-transpose-{rank}",
        meaning="a transpose that keeps the order is nothing",
        conditions="none",
        when=f"(= t (Transpose a (vec-of {unit})))",
        then="(union t a)",
        purpose="algebra",
    )


RULES = (
    *(_compose(rank) for rank in range(2, _MAX_RANK + 1)),
    *(_identity(rank) for rank in range(1, _MAX_RANK + 1)),
    Rule(
        name="compose-reshapes",
        meaning="two reshapes are one",
        conditions="none: each side keeps its number of elements",
        when="(= t (Reshape (Reshape a pa pi) qa qi))",
        then="(union t (Reshape a qa qi))",
        purpose="algebra",
    ),
    Rule(
        name="identity-reshape",
        meaning="a reshape to the same dimensions is nothing",
        conditions="the operand has those dimensions",
        when="(= t (Reshape a pa pi)) (= pa (access-dims a)) (= pi (item-dims a))",
        then="(union t a)",
        purpose="algebra",
    ),
    Rule(
        name="collapse-accesses",
        meaning="the last split wins",
        conditions="none",
        when="(= t (Access (Access a m) n))",
        then="(union t (Access a n))",
        purpose="algebra",
    ),
    Rule(
        name="identity-access",
        meaning="a split where it already is is nothing",
        conditions="the operand is split there",
        when="(= t (Access a n)) (= aa (access-dims a)) (= n (vec-length aa))",
        then="(union t a)",
        purpose="algebra",
    ),
    Rule(
        name="flatten-flat",
        meaning="flattening what is flat is nothing",
        conditions="one access dimension after the kept ones and one item dimension",
        when="(= t (Flatten a k)) (= aa (access-dims a)) (= (+ k 1) (vec-length aa))"
        " (= i (item-dims a)) (= 1 (vec-length i))",
        then="(union t a)",
        purpose="algebra",
    ),
    Rule(
        name="empty-pad",
        meaning="padding by nothing is nothing",
        conditions="none",
        when="(= t (Pad a p axis 0 0))",
        then="(union t a)",
        purpose="algebra",
    ),
)
