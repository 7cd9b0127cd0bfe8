"""Accumulator names and the limits of their parameters."""

import pytest

from systolab.formats.arithmetic.accumulator import (
    Exact,
    Float,
    Float32,
    Saturate,
    Wrap,
    parse_accumulator,
)
from systolab.formats.errors import SystolabError
from systolab.formats.families.adaptivfloat import AdaptivFloat


@pytest.mark.parametrize(
    ("text", "accumulator"),
    [
        ("exact", Exact()),
        ("float32", Float32()),
        ("wrap:32", Wrap(32)),
        ("wrap:32,-20", Wrap(32, -20)),
        ("saturate:24", Saturate(24)),
        ("saturate:63,7", Saturate(63, 7)),
    ],
)
def test_names_are_read_and_written(text: str, accumulator: object) -> None:
    assert parse_accumulator(text) == accumulator
    assert str(accumulator) == text


def test_float_names_its_format() -> None:
    assert str(Float(AdaptivFloat(8, 3))) == "float:adaptivfloat:8,3"


@pytest.mark.parametrize(
    "text", ["", "Exact ", "wrap", "wrap:", "wrap:3,", "wrap:x", "saturate:1.5"]
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(SystolabError, match="^Accumulator must be exact, float32, wrap:BITS"):
        parse_accumulator(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("exakt", "did you mean 'exact'?"),
        ("satrate:24", "did you mean 'saturate'?"),
        ("wrap32", "did you mean 'wrap'?"),
    ],
)
def test_the_name_that_was_meant(text: str, hint: str) -> None:
    with pytest.raises(SystolabError) as error:
        parse_accumulator(text)
    assert str(error.value).endswith(f", not {text!r}; {hint}")


def test_unreasonable_registers_are_refused() -> None:
    with pytest.raises(SystolabError, match="^Accumulator width must be 2 to 64 bits, not 65$"):
        Wrap(65)
    with pytest.raises(SystolabError, match="^Accumulator width must be 2 to 63 bits, not 64$"):
        Saturate(64)
    with pytest.raises(SystolabError, match="^Accumulator width must be 2 to 64 bits, not 1$"):
        parse_accumulator("wrap:1")
    with pytest.raises(SystolabError, match="^Accumulator lsb must be -1000 to 1000, not 1001$"):
        Wrap(32, 1001)
