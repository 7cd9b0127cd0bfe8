"""`systolab map` on the digits network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from systolab.cosim.cli import main

MODEL = "examples/digits_cnn.onnx"


def test_overview(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    drawing, data = tmp_path / "program.dot", tmp_path / "program.json"
    arguments = ["map", MODEL, "--array", "8x8", "--dot", str(drawing), "--json", str(data)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:8]] == [
        "conv1", "pool1", "conv2", "pool2", "dense1", "dense2",
    ]  # fmt: skip
    plain = json.loads(data.read_text())
    steps = [step for step in plain["steps"] if step["kind"] == "kernel"]
    assert sum(step["cycles"] for step in steps) == plain["cycles"]
    assert plain["cycles"] <= min(plain["policies"].values())
    assert f"total                 {plain['cycles']:,} cycles" in lines[9]
    assert set(plain["policies"]) == {
        "all NCHW", "all NHWC", "all NCHW8c", "all weight-stationary", "all output-stationary",
    }  # fmt: skip
    assert drawing.read_text().startswith("digraph program {")
    assert '"conv1" -> "pool1"' in drawing.read_text()


def test_peak_memory() -> None:
    # VmHWM, not ru_maxrss: the latter also counts what the parent held when it started the child.
    command = f"""
from pathlib import Path
from systolab.cosim.cli import main
assert main(["map", "{MODEL}"]) == 0
print(Path("/proc/self/status").read_text())
"""
    child = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    lines = [line.split() for line in child.stdout.splitlines()]
    (kibibytes,) = (int(line[1]) for line in lines if line[:1] == ["VmHWM:"])
    assert kibibytes < 200 * 1024  # twice what the libraries and the rules take


def test_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", MODEL, "--explain", "dense2"]) == 0
    text = capsys.readouterr().out
    assert "= bias-into-post-processing: the array adds a bias to what it computed" in text
    assert "terms are equal on random integers" in text


def test_knowledge(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["map", MODEL, "--array", "8x8", "--knowledge", str(tmp_path / "known.json")]
    for known in (0, 4):
        assert main(arguments) == 0
        assert f"known before          {known} of 4 shapes" in capsys.readouterr().out
    assert main([*arguments, "--array", "4x4"]) == 2
    assert "must be of array" in capsys.readouterr().err


def test_host_steps_name_their_operator_and_their_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["map", MODEL, "--array", "8x8"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    (pool,) = [row for row in rows if row.startswith("pool1 ")]
    reason = heading.index("why on the host")
    assert pool[heading.index("operator") :].split()[:2] == ["max_pool", "host"]
    assert pool[reason:] == "the array has no max pool"
    assert all(len(row) <= reason for row in rows if row.startswith(("conv", "dense")))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("pool1", "Layer 'pool1' must run on the array, not on the host"),
        ("con1", "not 'con1'; did you mean 'conv1'?"),
        (
            "nothing",
            "Layer must be one that runs on the array (conv1, conv2, dense1, dense2; or one fused "
            "with them), not 'nothing'",
        ),
    ],
)
def test_layers_without_explanation(
    layer: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", MODEL, "--explain", layer]) == 2
    assert message in capsys.readouterr().err
