"""All benchmarks are run in one way, and the page that lists them lists all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import questions

ROOT = Path(__file__).parents[2]
NAMES = sorted(questions())


def test_the_page_lists_them_all() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == NAMES


def test_the_list_fits_80_columns() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "python -m benchmarks.NAME, where NAME is one of:"
    assert [line.split()[0] for line in lines[2:] if not line.startswith(" ")] == NAMES
    assert max(map(len, lines)) <= 80
    said = " ".join(" ".join(lines[2:]).split())
    for name, question in questions().items():
        assert f"{name} {question}" in said


@pytest.mark.parametrize("name", NAMES)
def test_each_tells_its_use(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m benchmarks.{name}" in done.stdout
