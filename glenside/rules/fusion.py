"""Fusion: bias and clamp move inwards to the array's post-processing."""

from __future__ import annotations

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["RULES"]

_ADD = 'Compute "elementwise-add"'

RULES = (
    Rule(
        name="relu-is-clamp",
        meaning="ReLU limits from below by zero",
        conditions="none",
        when='(= t (Compute "relu" a))',
        then="(union t (Clamp a 0.0 inf))",
        purpose="fusion",
    ),
    Rule(
        name="clamp-into-reshape",
        meaning="clamping commutes with reshaping",
        conditions="none",
        when="(= t (Clamp (Reshape a ra ri) lo hi)) (= aa (access-dims a)) (= ai (item-dims a))",
        then="(union t (Reshape (Clamp a lo hi) ra ri)) " + shape("(Clamp a lo hi)", "aa", "ai"),
        purpose="fusion",
    ),
    Rule(
        name="clamp-into-transpose",
        meaning="clamping commutes with transposing",
        conditions="none",
        when="(= t (Clamp (Transpose a p) lo hi)) (= aa (access-dims a)) (= ai (item-dims a))",
        then="(union t (Transpose (Clamp a lo hi) p)) " + shape("(Clamp a lo hi)", "aa", "ai"),
        purpose="fusion",
    ),
    Rule(
        name="add-into-reshape",
        meaning="adding to a reshaped term is adding the reshaped addend before",
        conditions="none: both operands of the sum have one shape",
        when=f"(= t ({_ADD} (Pair (Reshape a ra ri) b))) (= aa (access-dims a))"
        " (= ai (item-dims a))",
        then=f"(union t (Reshape ({_ADD} (Pair a (Reshape b aa ai))) ra ri)) "
        + shape("(Reshape b aa ai)", "aa", "ai")
        + shape("(Pair a (Reshape b aa ai))", "aa", "(vec-append (vec-of 2) ai)")
        + shape(f"({_ADD} (Pair a (Reshape b aa ai)))", "aa", "ai"),
        purpose="fusion",
    ),
    Rule(
        name="add-into-transpose",
        meaning="adding to a transposed term is adding the transposed-back addend before",
        conditions="none",
        when=f"(= t ({_ADD} (Pair (Transpose a p) b))) (= q (inverse p)) (= aa (access-dims a))"
        " (= ai (item-dims a))",
        then=f"(union t (Transpose ({_ADD} (Pair a (Transpose b q))) p)) "
        + shape("(Transpose b q)", "aa", "ai")
        + shape("(Pair a (Transpose b q))", "aa", "(vec-append (vec-of 2) ai)")
        + shape(f"({_ADD} (Pair a (Transpose b q)))", "aa", "ai"),
        purpose="fusion",
    ),
    Rule(
        name="bias-into-post-processing",
        meaning="the array adds a bias to what it computed",
        conditions="none (whether the bias is one per column is the lowering's concern)",
        when=f"(= t ({_ADD} (Pair s b))) (= s (SystolicArray d x w k))",
        then="(union t (PostProcess s b -inf inf))",
        purpose="fusion",
    ),
    Rule(
        name="clamp-into-post-processing",
        meaning="the array clamps after its bias",
        conditions="the post-processing has no limits yet",
        when="(= t (Clamp (PostProcess s b -inf inf) lo hi))",
        then="(union t (PostProcess s b lo hi))",
        purpose="fusion",
    ),
    Rule(
        name="clamp-of-product-into-post-processing",
        meaning="the array clamps with a bias of zero",
        conditions="none",
        when="(= t (Clamp s lo hi)) (= s (SystolicArray d x w k)) (= sa (access-dims s))",
        then="(union t (PostProcess s (Literal 0.0 sa) lo hi)) "
        + shape("(Literal 0.0 sa)", "sa", "(vec-empty)"),
        purpose="fusion",
    ),
)
