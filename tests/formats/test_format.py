"""Formats are immutable, and two that project differently are two formats."""

from __future__ import annotations

import numpy as np
import pytest

from systolab.formats import Float, Format, Rounding, SystolabError, get
from systolab.formats.dot.product import dot


@pytest.mark.parametrize("switch", ["rounding", "saturation", "scaling", "seed", "bits", "name"])
def test_formats_cannot_be_changed(switch: str) -> None:
    fmt = get("e5m2")
    with pytest.raises(SystolabError, match=r"^Format e5m2 must not be changed: use replace\("):
        setattr(fmt, switch, getattr(get("int:8"), switch))
    assert get("e5m2").rounding is Rounding.NEAREST_EVEN


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
