"""All benchmarks are run in one way, and the page that lists them lists all of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import utilisation
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attention", "--array", "5"], "Array must be ROWSxCOLS with both from 1 to 64, not '5'"),
        (["attention", "--heads", "3"], "Width must be a multiple of 3 heads, not 128"),
        (["attention", "--length", "0"], "--length: must be an integer of at least 1, not '0'"),
        (["binary32", "--vectors", "nan"], "--vectors: must be a number of at least 1, not 'nan'"),
        (["check_formats", "--level", "x"], "level must be one of quick, normal, full, not 'x'"),
        (["compile", "no.onnx"], "Model 'no.onnx' must be a readable file: No such file or"),
        (
            ["layouts", "--format", "nope"],
            "Format family must be one of the known ones, not 'nope'",
        ),
        (["offload", "nope"], "NAME must be one of resnet50, "),
        (["simulation", "4q4"], "Array must be ROWSxCOLS with both from 1 to 64, not '4q4'"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: list[str], message: str) -> None:
    name, *rest = arguments
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *rest],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr.replace("error: argument ", "error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("format", ["int:12", "e4m3fn"])
def test_wide_formats_and_those_with_nan(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert utilisation.main(["--array", "4x4", "--size", "6", "--format", format]) == 0
    assert capsys.readouterr().out.count(", 0 codes differ") == 2


@pytest.mark.parametrize(
    "words",
    [["-m", "benchmarks"], ["examples/single_step.py"]],
    ids=" ".join,
)
def test_a_closed_pipe_ends_quietly(words: list[str], tmp_path: Path) -> None:
    wave = [str(tmp_path / "new" / "wave.vcd")] if words[0].startswith("examples") else []
    process = subprocess.Popen(
        [sys.executable, *words, *wave],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(120) == 2


def test_every_script_has_the_one_way_out() -> None:
    """A traceback would be the answer to what a user gave."""
    scripts = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "examples").rglob("*.py")]
    found = [p for p in scripts if '__name__ == "__main__"' in p.read_text(encoding="utf-8")]
    assert len(found) > 12
    for path in found:
        last = path.read_text(encoding="utf-8").rstrip().split("\n")[-1].strip()
        assert last.startswith(("start(main)", "sys.exit(guarded(")), path
