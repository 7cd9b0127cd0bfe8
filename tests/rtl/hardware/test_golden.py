"""What is generated for a small array, as text to review: ``pytest --update-golden`` renews it."""

from __future__ import annotations

from pathlib import Path

import pytest

from systolab.formats import Exact, get
from systolab.rtl import Array
from systolab.rtl.codecs import Codec
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.hardware.top import TOP

GOLDEN = Path(__file__).with_name("golden")
STATIC = Path(__file__).parents[3] / "rtl" / "sv"


def generated(codec: Codec) -> dict[str, str]:
    """Sources of a 2x2 array that are not the same for every array."""
    fmt = get("adaptivfloat:4,2")
    common = {path.name for path in STATIC.rglob("*.sv")}
    if codec is Codec.CLOSED:
        common.add(f"{TOP}.v")  # the same for both kinds
    files = hardware(Array(2, 2, fmt, fmt, fmt, Exact(), k_max=64), codec).files
    return {name: text for name, text in files.items() if name not in common}


@pytest.mark.parametrize("codec", [Codec.TABLE, Codec.CLOSED])
def test_sources_are_the_reviewed_ones(codec: Codec, request: pytest.FixtureRequest) -> None:
    folder = GOLDEN / codec
    files = generated(codec)
    if request.config.getoption("--update-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert found == files
