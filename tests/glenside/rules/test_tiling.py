"""Tiling rules are sound, broken ones are noticed, and together they reach tiles of any size."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from egglog.bindings import EggSmolError

from systolab.formats.errors import SystolabError
from systolab.glenside.language import grammar as g
from systolab.glenside.language.interpreter import evaluate
from systolab.glenside.language.text import parse
from systolab.glenside.rules import tiling
from systolab.glenside.rules.rulebook import ALL, BY_NAME
from systolab.glenside.search.explain import explain
from systolab.glenside.search.tiles import saturate, tiled
from tests.glenside.rules.soundness import check
from tests.glenside.rules.tiling_generators import GENERATORS, TILE

INSTANCES = 200
RULES = {rule.name: rule for rule in tiling.rules(TILE)}


def test_every_rule_has_a_generator() -> None:
    assert set(GENERATORS) == set(RULES)
    assert not set(RULES) & set(BY_NAME)  # none runs when networks are compiled


@pytest.mark.parametrize("name", sorted(RULES))
def test_rule_is_sound(name: str) -> None:
    verdict = check([RULES[name]], RULES[name], GENERATORS[name], 2 * INSTANCES, seed=1)
    assert verdict.wrong is None, f"{verdict.wrong[0]} is not {verdict.wrong[1]}"
    assert verdict.fired >= INSTANCES


# Rules with one condition dropped or one part changed: name, field, old text, new text.
BROKEN = [
    ("pad-reduction-to-3", "then", '(Pad b "zero" (+ k 1) 0 (- 3 (% r 3)))',
     '(Pad b "zero" (+ k 1) (- 3 (% r 3)) 0)'),
    ("cut-left-reduction-by-3", "when", "(= 0 (% r 3))", ""),
    ("cut-right-reduction-by-3", "then", "(vec-of (/ r 3) 3)", "(vec-of 3 3)"),
    ("sum-dot-products-of-3", "then", "reduce-sum", "reduce-max"),
    ("sum-dot-products-per-batch-of-3", "then", "(vec-of 0 1 2 4 3 5)", "(vec-of 0 1 2 3 4 5)"),
    ("batch-out-of-cartesian-product", "then", "(vec-of 1 2 0 3 4)", "(vec-of 2 1 0 3 4)"),
    ("batch-out-of-cartesian-product", "when", "(Transpose (CartesianProduct a b 0)"
     " (vec-of 0 1 3 2 4))", "(Transpose (CartesianProduct a b 0) other)"),
    ("batch-out-of-cartesian-product-per-batch", "then", "(vec-of 0 2 1 3)", "(vec-of 0 1 2 3)"),
    ("pad-columns-to-3", "then", "k 0 n)", "k 1 (+ n 1))"),
    ("cut-columns-by-3", "when", "(= 0 (% n 3))", ""),
    ("repeat-left-operand-for-tiles-of-3", "then", "(vec-of 1 0 2 3 4)", "(vec-of 0 1 2 3 4)"),
    ("repeat-left-operand-for-tiles-of-3", "when", "(= 3 (vec-get ab 1))", ""),  # a stated shape
    ("repeat-left-operand-for-tiles-of-3", "then", "(* n sa)", "sa"),  # a stated size
    ("reshape-out-of-right-operand", "when", "(= i (item-dims b))", ""),
    ("reshape-out-of-right-operand-per-batch", "when", "(= (vec-get ab 0) (vec-get rb 0))", ""),
    ("transpose-out-of-dot-product-3", "when", "(= 3 (vec-get q 3))", ""),
    ("flatten-of-reshape", "when", "(> (vec-length ai) 0)", ""),
    ("flatten-of-reshape-per-batch", "when", "(= (vec-get aa 0) (vec-get ra 0))", ""),
    ("merge-batches", "then", "(Reshape b", "(Reshape a"),
    ("slice-out-of-cartesian-product", "when", "(< axis (vec-length ab))", ""),
    ("slice-out-of-cartesian-product", "when", "(>= axis k)", ""),
    ("slice-out-of-dot-product", "when", "(< axis (vec-length pa))", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "old", "new"), BROKEN)
def test_broken_rule_is_noticed(name: str, field: str, old: str, new: str) -> None:
    """Another value, an ill-formed term, or two shapes of one class."""
    rule = RULES[name]
    text = rule.when if field == "when" else rule.then
    assert old in text
    broken = replace(rule, **{field: text.replace(old, new)})
    try:
        verdict = check([broken], broken, GENERATORS[name], 100, seed=1)
    except (g.ShapeError, EggSmolError):
        return
    assert verdict.wrong is not None


def test_every_rule_is_documented() -> None:
    text = Path("docs/glenside.md").read_text(encoding="utf-8")
    for name in RULES:
        family = re.sub(r"-\d+$", "-N", name)
        assert f"`{family}`" in text


# Eight 3x3x3 filters on a 3x32x32 image: a product over 27 with 900 columns.
CONVOLUTION = parse(
    "(compute dot-product (cartesian-product (access (tensor c0 (8 3 3 3)) 1)"
    " (windows (access (tensor x0 (3 32 32)) 0) (3 3 3) (1 1 1) (1 1 1))))"
)
# Batched, and no size is a multiple of most tiles.
PRODUCT = parse(
    "(compute dot-product (cartesian-product (access (tensor x0 (3 11 9)) 2)"
    " (access (tensor x1 (3 10 9)) 2) 1))"
)


def arrays(term: g.Term) -> list[g.SystolicArray]:
    return [node for node in term.walk() if isinstance(node, g.SystolicArray)]


@pytest.mark.parametrize("dataflow", g.DATAFLOWS)
@pytest.mark.parametrize("tile", [2, 3, 4, 5, 16, 64])
@pytest.mark.parametrize("term", [CONVOLUTION, PRODUCT], ids=["convolution", "product"])
def test_products_reach_tiles(term: g.Term, tile: int, dataflow: str) -> None:
    """Saturating; no product larger than a tile is left, and the value is the same."""
    snapshot, saturated = saturate(term, tile)
    assert saturated
    assert snapshot.nodes < 2000
    found = tiled(term, tile, dataflow)
    (array,) = arrays(found)
    assert array.dataflow == dataflow
    assert max(array.a.access[-1], array.w.access[-1], *array.a.item) <= tile
    assert not any(isinstance(node, g.CartesianProduct) for node in found.walk())
    rng = np.random.default_rng(0)
    values = {leaf.name: rng.integers(-8, 9, leaf.dimensions) for leaf in g.tensors(term)}
    np.testing.assert_array_equal(evaluate(found, values), evaluate(term, values))


def test_chain_to_tiles_of_16() -> None:
    """27 x 900 reach 2 x 57 tiles of 16 x 16 by named rules, each checked by the interpreter."""
    names = [
        "flatten-left-of-dot-product",
        "flatten-right-of-dot-product",
        "reshape-out-of-cartesian-product",
        "reshape-out-of-dot-product",
        "pad-reduction-to-16",
        "cut-left-reduction-by-16",
        "cut-right-reduction-by-16",
        "sum-dot-products-of-16",
        "batch-out-of-cartesian-product",
        "transpose-out-of-dot-product-3",
        "pad-columns-to-16",
        "slice-out-of-cartesian-product",
        "slice-out-of-dot-product",
        "cut-columns-by-16",
        "reshape-out-of-right-operand-per-batch",
        "repeat-left-operand-per-batch-for-tiles-of-16",
        "transpose-out-of-dot-product-4",
        "merge-batches",
        "compose-reshapes",
        "lower-weight-stationary-per-batch",
    ]
    target = tiled(CONVOLUTION, 16)
    (array,) = arrays(target)
    assert array.a.shape == g.Shape((2 * 57, 8), (16,))
    assert array.w.shape == g.Shape((2 * 57, 16), (16,))
    chain = explain(CONVOLUTION, target, names, (*ALL, *tiling.rules(16)))
    assert chain[-1].term == target
    assert {link.rule for link in chain[1:]} == set(names)


@pytest.mark.parametrize(
    ("term", "tile", "message"),
    [
        (PRODUCT, 0, "Tile must be greater than 1, not 0"),
        (
            parse("(compute dot-product (access (tensor x0 (2 5)) 0))"),
            4,
            "Term must have products that tiles of 4 can compute, not",
        ),
    ],
)
def test_what_cannot_be_tiled_is_told(term: g.Term, tile: int, message: str) -> None:
    with pytest.raises(SystolabError, match=message):
        tiled(term, tile)
