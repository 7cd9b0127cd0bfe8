"""The house: which room knows which, that nothing points back, and that every room says what it is.

    formats  <-  rtl  <-  glenside  <-  cosim  <-  systolab        (read: is imported by)

A room is a folder; what lies beside the rooms of a folder, file by file, is a room of its own.
What a module offers to others is what it defines and lists in ``__all__``; everything else in it
begins with an underscore. Whoever wants it imports the module, not the folder around it. That the
lists are sorted and that what is public is documented, ruff checks (RUF022, D1).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("formats", "rtl", "glenside", "cosim")
DOOR = "systolab"  # the package itself: it knows all four folders, and none of them knows it
LISTED = FOLDERS  # whose every module has ``__all__``


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


def imported(module: ast.Module) -> Iterator[str]:
    """Modules of ours that a module imports, anywhere in it: for type checkers too."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            base = f"{node.module}.".removeprefix(f"{DOOR}.")
            for alias in node.names:
                inner = base + alias.name
                outer = base.removesuffix(".") or DOOR
                yield inner if inner in modules() else outer
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.removeprefix(f"{DOOR}.")


@cache
def graph() -> dict[str, set[str]]:
    """Imports between our modules."""
    ours = {*modules(), DOOR}
    return {name: {x for x in imported(tree(name)) if x in ours} - {name} for name in modules()}


def room(name: str) -> str:
    """The folder of a module within a room, or the module itself beside the rooms."""
    if name == DOOR:
        return DOOR
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
    order = (*FOLDERS, DOOR)
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if order.index(name.partition(".")[0]) < order.index(other.partition(".")[0])
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import systolab", DOOR),
        ("import systolab as sl", DOOR),
        ("from systolab import check", DOOR),
        ("from systolab import formats", "formats"),
        ("from systolab.rtl.values import run", "rtl.values"),
        ("def f():\n    from systolab.rtl import values", "rtl.values"),
        ("import systolab.rtl.values", "rtl.values"),
        ("import numpy", "numpy"),
    ],
)
def test_what_counts_as_an_import(source: str, found: str) -> None:
    assert list(imported(ast.parse(source))) == [found]


def test_rooms_import_modules_not_their_folder() -> None:
    """A folder's names are for those outside: inside they would tie every room to all others."""
    wrong = [name for name, others in graph().items() if name.partition(".")[0] in others]
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


def defined(module: ast.Module) -> set[str]:
    """Public names that a module defines at its top: classes, functions and what it assigns."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:  # one name, or a tuple of them
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                found.update(x.id for x in names if isinstance(x, ast.Name))
    return {name for name in found if not name.startswith("_")}


def offered(module: ast.Module) -> set[str]:
    """What a module lists in ``__all__``; nothing where it has no such list."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def gathered(name: str) -> set[str]:
    """What a module imports from its own room: it may offer that on one page with its own."""
    return {
        alias.name
        for node in tree(name).body
        if isinstance(node, ast.ImportFrom)
        and (other := f"{node.module}".removeprefix("systolab.")) in modules()
        and room(other) == room(name)
        for alias in node.names
    }


@pytest.mark.parametrize("folder", LISTED)
def test_modules_list_what_they_offer(folder: str) -> None:
    for name, path in modules().items():
        if name.partition(".")[0] == folder and path.name != "__init__.py":
            own, listed = defined(tree(name)), offered(tree(name))
            assert own <= listed, f"{name} must list {own - listed} in __all__, or call it private"
            strange = listed - own - gathered(name)
            assert not strange, f"{name} must define {strange}, which it lists in __all__"


def test_an_unlisted_name_would_be_found() -> None:
    module = ast.parse(
        "__all__ = ['a', 'd']\na = 1\nb: int = 2\n_c, e = 3, 4\ndef d(): f = 5\na[e] = 6\n"
    )
    assert offered(module) == {"a", "d"}
    assert defined(module) == {"a", "b", "d", "e"}
    assert offered(ast.parse("a = 1")) == set()


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


# What opens, makes or moves files beside ``systolab.formats.outside.writing``, and why it may.
WRITERS = {
    "formats.outside.writing": "the writer",
    "cosim.simulator.cache": "the cache has folders of its own, and locks",
}
WRITING = {
    "copyfile", "copytree", "link_to", "makedirs", "mkdir", "move", "rename", "savez",
    "savez_compressed", "symlink_to", "tofile", "touch", "savefig", "write_bytes", "write_text",
}  # fmt: skip
TO_STREAM = {
    "np.save",
    "np.savez",
    "np.savez_compressed",
    "figure.savefig",
}  # that ``replacing`` gave


def written(module: ast.Module) -> Iterator[str]:
    """Calls of a module that write files, but for those that write into an open stream."""
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        first = ast.unparse(call.args[0]) if call.args else ""
        modes = [x.value for x in ast.walk(call) if isinstance(x, ast.Constant)]
        if last == "open" and any(
            isinstance(x, str) and re.fullmatch("[rwaxbt+]*[wax+][bt+]*", x) for x in modes
        ):
            yield name
        elif name in TO_STREAM:
            if first != "stream":
                yield name
        elif name == "os.open":
            if "O_CREAT" in ast.unparse(call):
                yield name
        elif last in WRITING and name != "write_text":
            yield name


def test_everything_is_written_whole() -> None:
    wrong = [
        f"{name}: {call}"
        for name in modules()
        if name not in WRITERS
        for call in written(tree(name))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open(path, 'w')", ["open"]),
        ("path.open('xb')", ["path.open"]),
        ("open(path, mode='r+')", ["open"]),
        ("os.open(path, os.O_WRONLY | os.O_CREAT)", ["os.open"]),
        ("os.open(path, os.O_RDONLY)", []),
        ("path.open(); open(path, 'rb')", []),
        ("path.write_text('x')", ["path.write_text"]),
        ("write_text(path, 'x')", []),
        ("np.savez(path, x)", ["np.savez"]),
        ("np.savez(stream, x)", []),
        ("figure.savefig(path)", ["figure.savefig"]),
        ("shutil.copyfile(a, b)", ["shutil.copyfile"]),
        ("folder.mkdir()", ["folder.mkdir"]),
    ],
)
def test_what_counts_as_writing(source: str, found: list[str]) -> None:
    assert list(written(ast.parse(source))) == found
