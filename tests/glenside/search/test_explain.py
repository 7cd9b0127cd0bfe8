"""Chains of rules: im2col is found, never stated; a broken chain is refused."""

from __future__ import annotations

import re

import pytest

from systolab.formats.errors import SystolabError
from systolab.glenside.language import grammar as g
from systolab.glenside.language.text import parse
from systolab.glenside.rules.rulebook import ALL
from systolab.glenside.search.egraph import EGraph
from systolab.glenside.search.explain import Link, check, explain
from systolab.glenside.search.targets import Target, TargetFinder

# Eight 3x3x3 filters on a 3x32x32 image, without padding.
CONVOLUTION = parse(
    "(compute dot-product (cartesian-product (access (tensor c0 (8 3 3 3)) 1)"
    " (windows (access (tensor x0 (3 32 32)) 0) (3 3 3) (1 1 1) (1 1 1))))"
)


def targets(term: g.Term) -> list[Target]:
    egraph = EGraph(ALL)
    egraph.insert("root", term)
    assert egraph.saturate()
    snapshot = egraph.snapshot()
    return TargetFinder(snapshot).targets(snapshot.roots["root"])


def test_im2col_is_found() -> None:
    """Glenside's example reaches the array as a product over 27 with 900 columns."""
    found = [t for t in targets(CONVOLUTION) if t.product.w.access == (900,)]
    assert {t.product.dataflow for t in found} == set(g.DATAFLOWS)
    for target in found:
        assert target.product.a.shape == g.Shape((8,), (27,))
        assert target.product.w.shape == g.Shape((900,), (27,))
    (target,) = [t for t in found if t.product.dataflow == "weight-stationary"]
    chain = explain(CONVOLUTION, target.term, target.rules)
    assert chain[0].term == CONVOLUTION
    assert chain[-1].term == target.term
    assert {link.rule for link in chain[1:]} == {
        "flatten-left-of-dot-product",
        "flatten-right-of-dot-product",
        "reshape-out-of-cartesian-product",
        "reshape-out-of-dot-product",
        "lower-weight-stationary",
    }


def test_no_rule_knows_convolutions() -> None:
    for rule in ALL:
        assert not re.search(r"Windows|im2col|conv", rule.program().replace("ruleset im2col", ""))


def test_a_wrong_link_is_refused() -> None:
    x = g.Tensor("x0", (2, 3))
    links = [Link(None, x), Link("wrong", g.Compute("negative", x))]
    with pytest.raises(SystolabError, match="Rule wrong must keep the value of the term"):
        check(links)


def test_unreachable_targets_are_refused() -> None:
    with pytest.raises(SystolabError, match="A chain of rules must lead from"):
        explain(CONVOLUTION, g.Transpose(CONVOLUTION, (1, 0, 2, 3)), ["swap-operands"])
