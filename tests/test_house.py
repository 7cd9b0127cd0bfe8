"""The house: which room knows which, that nothing points back, and that every room says what it is.

    formats  <-  rtl  <-  glenside  <-  cosim  <-  systolab        (read: is imported by)

A room is a folder; what lies beside the rooms of a folder, file by file, is a room of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("formats", "rtl", "glenside", "cosim")


@cache
def modules() -> dict[str, Path]:
    """Every module of the four folders: file by name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str) -> Iterator[str]:
    """Modules of ours that a module imports, anywhere in it: for type checkers too."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            base = f"{node.module}.".removeprefix("systolab.")
            for alias in node.names:
                inner = base + alias.name
                yield inner if inner in modules() else base.removesuffix(".")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.removeprefix("systolab.")


@cache
def graph() -> dict[str, set[str]]:
    """Imports between our modules."""
    return {name: {x for x in imported(name) if x in modules()} - {name} for name in modules()}


def room(name: str) -> str:
    """The folder of a module within a room, or the module itself beside the rooms."""
    path = modules()[name]
    inside = path.parent != ROOT / path.relative_to(ROOT).parts[0]
    return ".".join(path.parent.relative_to(ROOT).parts) if inside else name


def circle(edges: Mapping[str, set[str]]) -> list[str] | None:
    """Names that lead back to the first one, or None."""
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return list(error.args[1])
    return None


def test_nothing_points_back() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if FOLDERS.index(name.partition(".")[0]) < FOLDERS.index(other.partition(".")[0])
    ]
    assert not wrong


def test_no_circle_of_modules() -> None:
    assert circle(graph()) is None


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, set[str]] = {}
    for name, others in graph().items():
        rooms.setdefault(room(name), set()).update(room(other) for other in others)
    assert circle({name: others - {name} for name, others in rooms.items()}) is None


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_room_says_what_it_is_for(folder: str) -> None:
    for init in (ROOT / folder).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_stay_readable_whole(folder: str) -> None:
    long = {
        name: lines
        for name, path in modules().items()
        if name.partition(".")[0] == folder
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert not long


def test_only_commands_know_the_command_line() -> None:
    """What a command does is a function with named parameters, for notebooks and sweeps too."""
    wrong = [
        name
        for name in modules()
        if not name.startswith(("cosim.commands", "cosim.cli"))
        for node in ast.walk(tree(name))
        if (isinstance(node, ast.ImportFrom) and node.module == "argparse")
        or (isinstance(node, ast.Import) and any(x.name == "argparse" for x in node.names))
    ]
    assert not wrong
