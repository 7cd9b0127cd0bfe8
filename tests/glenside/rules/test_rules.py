"""Every rule is sound on random terms; the harness rejects known unsound ones."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from egglog.bindings import EggSmolError

from systolab.glenside.language import grammar as g
from systolab.glenside.rules.rule import Rule, shape
from systolab.glenside.rules.rulebook import ALL, BY_NAME
from tests.glenside.rules.generators import GENERATORS
from tests.glenside.rules.soundness import Generator, Terms, check

INSTANCES = 200


def test_every_rule_has_a_generator() -> None:
    assert set(GENERATORS) == set(BY_NAME)
    assert len(BY_NAME) == len(ALL)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_rule_is_sound(name: str) -> None:
    verdict = check([BY_NAME[name]], BY_NAME[name], GENERATORS[name], INSTANCES + 100, seed=1)
    assert verdict.wrong is None, f"{verdict.wrong[0]} is not {verdict.wrong[1]}"
    assert verdict.fired >= INSTANCES


_DOT = '(Compute "dot-product" p)'

# The equations of Glenside's published rewrites that do not hold.
UNSOUND = {
    "reshape-out-of-dot-product-whatever-happens-to-the-tuple": Rule(
        "a", "", "none", '(= t (Compute "dot-product" (Reshape p ra ri))) (= pa (access-dims p))',
        f"(union t (Reshape {_DOT} ra (vec-empty))) " + shape(_DOT, "pa", "(vec-empty)"), "control",
    ),
    "concatenate-out-of-dot-product-on-any-item-axis": Rule(
        "b", "", "the axis is an item axis",
        '(= t (Compute "dot-product" (Concatenate p q axis))) (= pa (access-dims p))'
        " (>= axis (vec-length pa))",
        f'(union t (Compute "reduce-sum" (Access (Pair {_DOT} (Compute "dot-product" q))'
        " (vec-length pa))))", "control",
    ),
    "slice-of-zeros-out-of-dot-product-on-any-item-axis": Rule(
        "c", "", "the axis is an item axis and what is cut off is zero",
        '(= t (Compute "dot-product" (Slice (Pad p "zero" axis 0 n) axis 0 size)))'
        " (= pa (access-dims p)) (= pi (item-dims p)) (>= axis (vec-length pa))"
        " (= size (vec-get pi (- axis (vec-length pa))))",
        '(union t (Compute "dot-product" (Pad p "zero" axis 0 n)))', "control",
    ),
    "reassociate-max-over-windows-that-need-not-cover": Rule(
        "d", "", "the window divides the length",
        '(= t (Compute "reduce-max" a)) (= (vec-of 8) (item-dims a)) (= aa (access-dims a))',
        '(union t (Compute "reduce-max" (Access (Compute "reduce-max"'
        " (Windows a (vec-of 4) (vec-of 3) (vec-of 1))) (vec-length aa))))", "control",
    ),
}  # fmt: skip


def _any_reshape(t: Terms) -> g.Term:
    return g.Compute("dot-product", g.Reshape(t.leaf((3,), (2, 4)), (3,), (1, 8)))


def _any_concatenate(t: Terms) -> g.Term:
    axis = t.integer(1, 2)
    return g.Compute("dot-product", g.Concatenate(t.leaf((3,), (2, 4)), t.leaf((3,), (2, 4)), axis))


def _any_slice(t: Terms) -> g.Term:
    axis = t.integer(1, 2)
    leaf = t.leaf((3,), (2, 4))
    padded = g.Pad(leaf, "zero", axis, 0, t.integer(1, 2))
    return g.Compute("dot-product", g.Slice(padded, axis, 0, leaf.dims[axis]))


CONTROLS: dict[str, Generator] = dict(
    zip(
        UNSOUND,
        (
            _any_reshape,
            _any_concatenate,
            _any_slice,
            lambda t: g.Compute("reduce-max", t.leaf((3,), (8,))),
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("name", sorted(UNSOUND))
def test_unsound_rule_is_rejected(name: str) -> None:
    rule = UNSOUND[name]
    verdict = check([rule], rule, CONTROLS[name], 20, seed=1)
    assert verdict.fired
    assert verdict.wrong is not None


# Rules with one condition dropped or one part changed: name, field, old text, new text.
BROKEN = [
    ("store-of-load", "when", " (= (vec-get md 0) (product d))", ""),
    ("load-of-store", "when", "(Store a l) l d", "(Store a k) l d"),
    ("add-into-transpose", "then", "(Transpose b q)", "(Transpose b p)"),
    ("swap-operands-per-batch", "then", "(vec-of 0 2 1)", "(vec-of 0 1 2)"),
    ("clamp-into-post-processing", "when", "b -inf inf)", "b other limits)"),
    ("widen-batch-by-4", "then", "(vec-of 0 2 1 3)", "(vec-of 0 1 2 3)"),
    ("widen-batch-by-4", "when", " (= 0 (% g 4))", ""),
    ("reshape-out-of-cartesian-product", "when", " (= i (item-dims b))", ""),
    ("reshape-out-of-dot-product", "when", "(= (vec-get ip 0) (vec-get ri 0)) ", ""),
    ("flatten-flat", "when", "(= (+ k 1) (vec-length aa))", ""),
    ("identity-reshape", "when", " (= pa (access-dims a))", ""),
    ("identity-access", "when", "(= n (vec-length aa))", ""),
    ("identity-transpose-3", "when", "(vec-of 0 1 2)", "(vec-of 0 2 1)"),
    ("lower-weight-stationary", "when", " (= 1 (vec-length i))", ""),
    ("compose-transposes-3", "then", "(vec-get p (vec-get q 0))", "(vec-get q (vec-get p 0))"),
    ("nchw8c-is-cut-and-transposed", "when", " (= 0 (% (vec-get aa 1) 8))", ""),
    ("relu-is-clamp", "then", "0.0 inf", "-inf 0.0"),
    ("empty-pad", "when", "axis 0 0", "axis 0 n"),
]


@pytest.mark.parametrize(("name", "field", "old", "new"), BROKEN)
def test_broken_rule_is_noticed(name: str, field: str, old: str, new: str) -> None:
    """Another value, an ill-formed term, or two shapes of one class."""
    rule = BY_NAME[name]
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
    for rule in ALL:
        family = re.sub(r"-\d+$", "-N", re.sub(r"\d+c-", "Nc-", rule.name))
        assert f"`{family}`" in text
