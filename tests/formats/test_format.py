"""Formats are immutable, and two that project differently are two formats."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import systolab
from systolab.formats import Float, Format, Rounding, SystolabError, get
from systolab.formats.dot.product import dot
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds


@pytest.mark.parametrize(
    ("attribute", "instead"),
    [
        ("rounding", "use replace(rounding=...) for a copy"),
        ("saturation", "use replace(saturation=...) for a copy"),
        ("scaling", "use replace(scale=..., rule=..., block=...) for a copy"),
        ("seed", "use replace(seed=...) for a copy"),
        ("name", "use named(...) for a copy"),
        ("bits", "set bits in __init__, or compute it in a functools.cached_property"),
    ],
)
def test_formats_cannot_be_changed(attribute: str, instead: str) -> None:
    fmt = get("e5m2")
    before = getattr(fmt, attribute)
    refused = re.escape(f"Format e5m2 must not be changed: {instead}") + "$"
    with pytest.raises(SystolabError, match=refused):
        setattr(fmt, attribute, getattr(get("int:8"), attribute))
    with pytest.raises(SystolabError, match=refused):
        delattr(fmt, attribute)
    assert getattr(get("e5m2"), attribute) == before


def test_arrays_of_a_format_cannot_be_written() -> None:
    fmt = get("e5m2")
    book, projection, table = fmt.codebook, fmt.projection, fmt.encoder()
    for array in (
        *(fmt.values, book.values, book.points, book.codes),
        *(projection.bounds, projection.codes, table.keys, table.codes),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    "copy_of", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@pytest.mark.parametrize("spec", ["e5m2:rounding=up", "lns:8,3", "mxfp8", "nf4"])
def test_copies_and_pickles(spec: str, copy_of: Callable[[Format], Format]) -> None:
    fmt = get(spec)
    copied = copy_of(fmt)
    assert copied == fmt
    assert copied.replace(rounding=Rounding.DOWN) == fmt.replace(rounding=Rounding.DOWN)
    with pytest.raises(SystolabError, match="must not be changed"):
        copied.seed = 1


def test_a_format_is_shown_as_what_gives_it() -> None:
    assert repr(get("adaptivfloat:8,3")) == "systolab.format('adaptivfloat:8,3')"
    assert repr(get("e5m2:seed=1,rounding=up")) == "systolab.format('e5m2:rounding=up,seed=1')"
    assert eval(repr(get("mxfp8")), {"systolab": systolab}) == get("mxfp8")


def test_what_becomes_of_its_class_does_not_change_a_format() -> None:
    class Edited(Nearest):
        pass

    before = Edited()
    Edited.rounding = Rounding.DOWN
    assert before.rounding is Rounding.NEAREST_EVEN
    assert before == before.replace(rounding=Rounding.NEAREST_EVEN)
    assert before != Edited()


def test_copies_keep_nothing_that_was_computed() -> None:
    fmt = get("e5m2")
    before = fmt.encode([1.1])
    up = fmt.replace(rounding=Rounding.UP)
    assert up.encode([1.1]) != before
    assert up.replace(rounding=Rounding.NEAREST_EVEN) == fmt
    assert fmt.named("other").name == "other"
    assert fmt.named("other") != fmt


class Nearest(Format):
    """A table, as an author would write it without a name."""

    bits = 5

    def decode(self, code: int) -> float:
        return float(code - 8)


class Down(Nearest):
    """The same table, projected another way."""

    rounding = Rounding.DOWN


def test_formats_of_one_table_and_two_projections_share_nothing() -> None:
    """As accumulators of one process, the one must not be taken for the other."""
    assert Nearest() != Down()
    assert Nearest() == Nearest()
    thirds = get("fixed:8,4").encode([[0.75, 0.75, 0.75]])
    ones = get("fixed:8,4").encode([[1.0], [1.0], [1.0]])
    sums = [
        dot(thirds, ones, get("fixed:8,4"), get("fixed:8,4"), Float(fmt), 1).acc
        for fmt in (Nearest(), Down())
    ]
    assert [float(np.ravel(x)[0]) for x in sums] == [3.0, 0.0]


def test_a_late_computation_is_told_where_it_belongs() -> None:
    class Late(Nearest):
        def decode(self, code: int) -> float:
            self.count = code
            return super().decode(code)

    with pytest.raises(
        SystolabError, match=r"must not be changed: set count in __init__, or compute it in a func"
    ):
        _ = Late().values


class Lazy(Nearest):
    """The same table, switches and name; only where it decides between neighbours differs."""

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        return default_bounds(pairs, Rounding.DOWN)


def test_equality_sees_the_projection_alone() -> None:
    """As of a class that was edited and loaded again under its name."""
    one, other = Nearest().named("mine"), Lazy().named("mine")
    assert one.switches == other.switches
    assert one.values.tobytes() == other.values.tobytes()
    assert one != other
    assert one == Nearest().named("mine")
