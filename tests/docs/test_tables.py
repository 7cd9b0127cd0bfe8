"""What must be listed is listed: families, stages, rooms, public names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import systolab
from systolab.cosim.check.stages import STAGES
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


def test_front_door_is_on_its_page() -> None:
    text = page("api.md")
    for name in systolab.__all__:
        told = (
            f".. autofunction:: {name}\n",
            f"{{py:class}}`{name} <systolab.",
            f"`systolab.{name}`",
        )
        assert name == "__version__" or any(form in text for form in told), name
