"""`systolab run` as a user has it: whole runs on real and on random input."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from systolab.cosim.network import data
from systolab.glenside.network.network import Tensor
from tests.cosim.runs import MODEL, SMALL, TINY, Systolab, matmul


def _without_measured(result: Any) -> Any:
    return {key: value for key, value in result.items() if key != "measured"}


def _check_identical(result: Any) -> None:
    kernels = [row for row in result["layers"] if row["dataflow"] != "host"]
    assert result["identical"] is True
    assert len(kernels) >= 4
    for row in kernels:
        assert row["mismatched"] == 0
        assert row["cycle_differences"] == 0
        assert row["predicted"] == row["rtl"] > 0
    assert result["predictions_differ"] == 0
    assert result["accuracy"]["emulated"] == result["accuracy"]["rtl"]


def test_digits_are_identical_and_the_report_is_complete(systolab: Systolab) -> None:
    images = 10
    status, out, err, result = systolab(*TINY, "--images", str(images))
    assert status == 0
    assert err == ""
    _check_identical(result)
    evaluator = ReferenceEvaluator(MODEL)
    dataset = data.load("digits", {"image": (1, 1, 8, 8)}, images, 0)
    outputs = [cast(list[Tensor], evaluator.run(None, dict(call)))[0] for call in dataset.calls]
    predicted = [np.argmax(output) for output in outputs]
    assert dataset.labels is not None
    assert result["accuracy"]["fp32"] == int((np.array(predicted) == dataset.labels).sum())
    # Multiplications of the network by hand: outputs x reduction.
    macs = {"conv1": 64 * 16 * 9, "conv2": 16 * 32 * 144, "dense1": 64 * 128, "dense2": 10 * 64}
    found = [row["macs"] for row in result["layers"] if row["macs"] is not None]
    assert found == list(macs.values())
    for row in result["layers"]:
        if row["macs"] is not None:
            assert row["utilisation"] == pytest.approx(100 * row["macs"] / (row["rtl"] * 16))
            assert row["sqnr_db"] > 10
    assert "verdict         identical" in out
    assert f"of {images}" in out


@pytest.mark.parametrize("array", ["5x3", "8x8"])
@pytest.mark.parametrize("fmt", ["adaptivfloat:4,2", "adaptivfloat:8,3"])
def test_other_arrays_and_formats(systolab: Systolab, fmt: str, array: str) -> None:
    status, _, _, result = systolab(*SMALL, "--format", fmt, "--array", array)
    assert status == 0
    _check_identical(result)


@pytest.mark.slow
@pytest.mark.parametrize("array", ["4x4", "8x8", "5x3", "16x16"])
@pytest.mark.parametrize("fmt", ["adaptivfloat:8,3", "adaptivfloat:6,3", "adaptivfloat:4,2"])
def test_a_hundred_images_everywhere(systolab: Systolab, fmt: str, array: str) -> None:
    status, _, _, result = systolab(*SMALL, "--format", fmt, "--array", array, "--images", "100")
    assert status == 0
    assert result["inputs"] == 100
    _check_identical(result)


@pytest.mark.parametrize("accumulator", ["float32", "wrap:32", "saturate:24"])
def test_other_accumulators(systolab: Systolab, accumulator: str) -> None:
    status, _, _, result = systolab(*TINY, "--accumulator", accumulator)
    assert status == 0
    _check_identical(result)


@pytest.mark.parametrize(
    ("accumulator", "engine"), [("exact", "numpy+softfloat"), ("float32", "softfloat")]
)
def test_softfloat_engine_gives_the_same_bytes(
    systolab: Systolab, accumulator: str, engine: str
) -> None:
    fast = systolab(*TINY, "--accumulator", accumulator)[3]
    slow = systolab(*TINY, "--accumulator", accumulator, "--engine", "softfloat")[3]
    assert slow["engines"] == [engine]
    assert fast["engines"] != slow["engines"]
    assert {**_without_measured(fast), "engines": None} == {
        **_without_measured(slow),
        "engines": None,
    }


def test_the_same_run_gives_the_same_results(systolab: Systolab) -> None:
    first, second = systolab(*TINY)[3], systolab(*TINY)[3]
    assert _without_measured(first) == _without_measured(second)


def test_random_inputs_have_no_accuracy_row(systolab: Systolab, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = matmul(tmp_path / "m.onnx", rng.standard_normal((6, 5)))
    arguments = [path, "--format", "adaptivfloat:6,3", "--array", "4x4", "--images", "3"]
    status, out, _, result = systolab(*arguments, "--seed", "7")
    assert status == 0
    assert "accuracy" not in out
    assert result["accuracy"] is None
    assert result["data"] == "random, seed 7"


def test_a_users_data(systolab: Systolab, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = matmul(tmp_path / "m.onnx", rng.standard_normal((6, 5)))
    x, y = rng.standard_normal((12, 6)).astype(np.float32), rng.integers(0, 5, 12)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    status, _, _, result = systolab(
        path, "--format", "adaptivfloat:6,3", "--array", "4x4", "--data", str(tmp_path / "d.npz")
    )
    assert status == 0
    assert result["accuracy"]["images"] == 9


def test_out_holds_report_and_hardware(systolab: Systolab, tmp_path: Path) -> None:
    status, out, _, result = systolab(*TINY, "--out", str(tmp_path / "out" / "deep"))
    folder = tmp_path / "out" / "deep"
    assert status == 0
    assert (folder / "report.txt").read_text() == out
    assert json.loads((folder / "report.json").read_text()) == result
    assert list((folder / "rtl").glob("*.sv"))
