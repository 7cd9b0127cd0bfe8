"""The modes of the machine are told once: nothing but their descriptions names them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from systolab.rtl import Mode
from systolab.rtl.kernel.modes import DESCRIPTIONS, Dimension

ROOT = Path(__file__).parents[1]
FOLDERS = ("formats", "rtl", "glenside", "cosim", "src", "benchmarks", "docs", "examples")

# Every file that may name a mode, and why. A new mode adds a line to the first two, and no file.
ALLOWED = {
    "rtl/kernel/modes.py": "the descriptions",
    "rtl/timing/timing.py": "which file times which mode",
    "rtl/timing/weight_stationary.py": "how that mode is timed",
    "rtl/timing/output_stationary.py": "how that mode is timed",
    "rtl/timing/reference.py": "an independent count: it must not ask the descriptions it checks",
    "cosim/mutation/equivalent.py": "the reason, in words, why a mutant of the RTL is equivalent",
    "benchmarks/utilisation.py": "the name of SCALE-Sim's dataflow",
    "examples/single_step.py": "a user's choice",
}


def names_a_mode(source: str) -> bool:
    """Whether code names a mode: as a member, or as text outside of docstrings."""
    tree = ast.parse(source)
    docstrings = set(_docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in Mode.__members__:
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value.casefold().replace("_", "-")
            named = any(mode in said for mode in Mode)
            if id(node) not in docstrings and (named or node.value in _SHORT):
                return True
    return False


_SHORT = {mode.description.short for mode in Mode}


def _docstrings(tree: ast.AST) -> Iterator[int]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr):
            yield id(node.body[0].value)


def test_nothing_else_names_a_mode() -> None:
    naming = {
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if names_a_mode(path.read_text(encoding="utf-8"))
    }
    assert naming == set(ALLOWED)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("x = Mode.OUTPUT_STATIONARY", True),
        ("x = kernel.mode == 'weight-stationary'", True),
        ("x = f'in output-stationary mode, not {rows}'", True),
        ("x = {'WS': 1}", True),
        ("x = {'OUTPUT_STATIONARY': 1}", True),
        ("x = ('Weight-stationary',)", True),
        ("def f():\n    'Weight-stationary, or weight-stationary.'\n", False),
        ("x = tuple(Mode)", False),
    ],
)
def test_what_counts_as_naming_one(source: str, named: bool) -> None:
    assert names_a_mode(source) == named


@pytest.mark.parametrize("mode", Mode)
def test_a_description_is_whole(mode: Mode) -> None:
    """Every stream says its loops, each at most once, and the operands meet in the output."""
    description = DESCRIPTIONS[mode]
    assert description is mode.description
    assert {"A", "W", "O", "P"} <= set(description.walks) <= {"A", "W", "O", "P", "SA", "SW"}
    assert ("SA" in description.walks) == ("SW" in description.walks)
    for walk in description.walks.values():
        kinds = [*walk.loops, *([] if walk.lanes is None else [walk.lanes])]
        assert len(set(kinds)) == len(kinds)
        assert walk.loops[0] is Dimension.OUTER
    # A and W are summed over the same loops, and tiles end where a stream's outer loops do.
    w = description.walks["W"]
    assert set(description.reduced) <= {*w.loops, w.lanes}
    for stream in ("A", "W"):
        loops = description.walks[stream].loops
        assert loops[: len(description.tile)] == description.tile


def test_modes_tell_themselves_apart() -> None:
    assert len({mode.description.code for mode in Mode}) == len(Mode)
    assert len({mode.description.short for mode in Mode}) == len(Mode)
