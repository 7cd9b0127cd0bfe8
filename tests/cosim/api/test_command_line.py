"""The command line that a report names does what the call did, or is not named at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import systolab as sl
from systolab.cosim.api.command_line import command_line, spelt_in_full
from tests.formats.own import Thirds


@pytest.mark.parametrize(
    ("format", "line"),
    [
        ("int:8,scale=pow2", "systolab check int:8,scale=pow2 --seed 3 --quick"),
        (sl.format("int:8,scale=pow2"), "systolab check int:8,scale=pow2 --seed 3 --quick"),
        ("my folder/f.py:F", "systolab check 'my folder/f.py:F' --seed 3 --quick"),
    ],
)
def test_what_is_spelt(format: object, line: str) -> None:
    said = command_line("check", format, seed=3, weight=None, quick=True, full=False)
    assert said == line


def test_names_of_options() -> None:
    assert command_line("run", out_format="e4m3fn") == "systolab run --out-format e4m3fn"


@pytest.mark.parametrize("value", [Thirds(), np.ones(3), (1, 2)])
def test_what_no_text_stands_for(value: object) -> None:
    assert command_line("check", value) == ""
    assert command_line("run", data=value) == ""


def test_arrays() -> None:
    array = sl.array("4x8", "e4m3fn", weight="int:4", accumulator="wrap:32")
    assert spelt_in_full(array)
    assert not spelt_in_full(replace(array, acc_rows=64))
