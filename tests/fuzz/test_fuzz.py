"""A short campaign, and that the campaign finds what it looks for."""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import models, runner
from tests.fuzz.campaign import KINDS
from tests.fuzz.runner import Case, Found, Outcome

SHORT = 100


def test_a_short_campaign(tmp_path: Path) -> None:
    """In a process of its own: this one may have threads, and must not fork."""
    # The machine may be busy with other tests.
    words = ["--cases", str(SHORT), "--seed", "12", "--folder", str(tmp_path), "--seconds", "120"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stdout + child.stderr
    *rows, last = child.stdout.splitlines()
    assert f"{SHORT}  cases of seed 12, 0 findings" in last
    for kind in KINDS:
        assert any(kind in row for row in rows)


def test_a_case_is_decided_by_its_seed_and_number(tmp_path: Path) -> None:
    contents: list[bytes] = []
    for number in (3, 3, 4):
        place = tmp_path / str(len(contents))
        place.mkdir()
        models.damaged_structure(Case("model structure", 7, number).random(), place)
        contents.append((place / "model.onnx").read_bytes())
    assert contents[0] == contents[1] != contents[2]


def _abort() -> Outcome:
    os.abort()


def _segfault() -> Outcome:
    ctypes.string_at(0)
    return ""


def _raise() -> Outcome:
    raise KeyError("x")


def _hang() -> Outcome:
    time.sleep(60)
    return ""


def _exhaust() -> Outcome:
    return str(len(bytearray(4 << 30)))


def _half() -> Outcome:
    Path("result.json").write_text('{"a":')
    return "done"


def _refused_but_written() -> Outcome:
    Path("result.json").write_text(json.dumps(1))
    return "refused"


def _temporary() -> Outcome:
    Path(".systolab-x").touch()
    return "done"


def _orphan() -> Outcome:
    subprocess.Popen(["sleep", "60"])
    return "done"


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (_abort, "abort (SIGABRT)"),
        (_segfault, "abort (SIGSEGV)"),
        (_raise, "traceback (KeyError: 'x')"),
        (_hang, "hang"),
        (_exhaust, "traceback (MemoryError)"),
        (_half, "partial file"),
        (_refused_but_written, "partial file"),
        (_temporary, "partial file"),
        (_orphan, "orphan"),
        (lambda: "status 1", "status 1"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, work: Callable[[], Outcome], outcome: str) -> None:
    found = _one(tmp_path, work)
    assert (found.outcome, found.wrong) == (outcome, True)
    assert (tmp_path / found.case.name).is_dir()


def test_what_is_right_leaves_nothing(tmp_path: Path) -> None:
    found = _one(tmp_path, lambda: "ran")
    assert (found.outcome, found.wrong) == ("ran", False)
    assert list(tmp_path.iterdir()) == []


def _one(folder: Path, work: Callable[[], Outcome]) -> Found:
    def maker(rng: random.Random, place: Path) -> Callable[[], Outcome]:
        return work

    (found,) = runner.run(iter([Case("one", 0, 0)]), {"one": maker}, folder, seconds=2.0)
    return found
