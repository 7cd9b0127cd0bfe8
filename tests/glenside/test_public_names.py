"""What a module of the compiler offers is listed in its `__all__`, and documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from systolab import glenside

ROOM = Path(next(iter(glenside.__path__)))
MODULES = [path for path in sorted(ROOM.rglob("*.py")) if path.name != "__init__.py"]


def defined(tree: ast.Module) -> set[str]:
    """Public names that a module defines: classes, functions and what it assigns."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and "TypeVar(" not in ast.unparse(node):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def imported(tree: ast.Module) -> set[str]:
    return {
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOM).as_posix())
def test_all_lists_what_is_public(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = listed(tree)
    assert defined(tree) <= set(names) <= defined(tree) | imported(tree)
    assert len(names) == len(set(names))


def documented(body: list[ast.stmt], missing: list[str]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                missing.append(node.name)
            if isinstance(node, ast.ClassDef):
                documented(node.body, missing)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOM).as_posix())
def test_what_is_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    missing: list[str] = []
    documented(tree.body, missing)
    assert ast.get_docstring(tree)
    assert missing == []
