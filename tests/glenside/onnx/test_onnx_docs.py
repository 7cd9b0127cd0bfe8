"""The operators that the documentation lists are the operators that are imported."""

from __future__ import annotations

import re
from pathlib import Path

from systolab.glenside.onnx.operators import TRANSLATORS

PAGE = Path(__file__).parents[3] / "docs" / "onnx.md"
NAMES = Path(__file__).with_name("onnx_backend_names.txt")


def test_operators_are_listed() -> None:
    listed = re.search(r"operators: begin -->(.*)<!-- operators: end", PAGE.read_text(), re.DOTALL)
    assert listed is not None
    assert listed[1].split() == sorted(TRANSLATORS)


def test_number_of_conformance_tests() -> None:
    count = len(NAMES.read_text().split())
    assert f"the {count:,} names" in " ".join(PAGE.read_text().split())
