"""What must be listed is listed: families, stages, rooms, public names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import systolab
from docs.output import pages
from systolab.cosim.check.stages import STAGES
from systolab.cosim.cli import COMMANDS
from systolab.formats.families.builtin import BUILTIN
from systolab.formats.families.floating import NAMED

ROOT = Path(__file__).parents[2]
FOLDERS = ("formats", "rtl", "glenside", "cosim")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [family.name for family in BUILTIN])
def test_every_family_has_a_spelling_in_the_documents(name: str) -> None:
    assert re.search(rf"^\|.*`{re.escape(name)}[`:\[]", page("numbers.md"), re.MULTILINE)


def test_named_floats_are_families() -> None:
    assert set(NAMED) <= {family.name for family in BUILTIN}


@pytest.mark.parametrize("name", [stage.name for stage in STAGES])
def test_every_stage_is_in_the_table(name: str) -> None:
    rows = re.findall(r"^\| ([^|]+) \|", page("check.md"), re.MULTILINE)
    assert name in {stage for row in rows for stage in row.split(", ")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_room_is_introduced(folder: str) -> None:
    text = page("contributing.md")
    rooms = [path for path in (ROOT / folder).iterdir() if path.is_dir()]
    for room in rooms:
        if room.name != "__pycache__":
            assert f"`{folder}/{room.name}/`" in text


def test_every_command_is_in_the_readme() -> None:
    """With what it is in Python, and within a terminal's 80 columns."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| `systolab ...` | in Python |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+).*?` \| (?:`sl\.(\w+).*?`)? ?\|", table, re.MULTILINE)
    assert {command for command, _ in rows} == set(COMMANDS)
    assert {name for _, name in rows if name} <= set(systolab.__all__)
    assert max(map(len, table.splitlines())) <= 80


def test_every_environment_variable_is_documented() -> None:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    named = set(re.findall(r'environ\.get\("(\w+)"', "".join(map(Path.read_text, sources))))
    assert {"SYSTOLAB_CACHE", "CXX"} <= named
    text = "".join(map(Path.read_text, pages()))
    assert [name for name in sorted(named) if not re.search(rf"`\$?{name}\b", text)] == []


@pytest.mark.parametrize("name", ["README.md", "docs/plugin.md"])
def test_readers_are_told_that_formats_are_programs_and_what_is_cached(name: str) -> None:
    text = " ".join((ROOT / name).read_text(encoding="utf-8").replace("**", "").split())
    assert re.search(r"runs the file", text)
    assert "only files that you trust" in text
    assert "`SYSTOLAB_CACHE`" in text


def test_front_door_is_on_its_page() -> None:
    text = page("api.md")
    for name in systolab.__all__:
        told = (
            f".. autofunction:: {name}\n",
            f"{{py:class}}`{name} <systolab.",
            f"`systolab.{name}`",
        )
        assert name == "__version__" or any(form in text for form in told), name
