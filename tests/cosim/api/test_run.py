"""Running a network from Python: objects in place of text, data in place of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import systolab as sl
from tests.cosim.runs import matmul
from tests.formats.own import Thirds


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A product [1, 4] by [4, 3]."""
    weight = np.random.default_rng(0).standard_normal((4, 3))
    return matmul(tmp_path / "m.onnx", weight.astype(np.float32))


def comparable(report: sl.RunReport) -> dict[str, Any]:
    """What does not differ from run to run."""
    plain: dict[str, Any] = json.loads(json.dumps(report.as_data()))
    return {key: value for key, value in plain.items() if key != "measured"}


def test_objects_and_text_are_the_same_run(model: str) -> None:
    fmt = sl.format("e4m3fn")
    by_text = sl.run(model, "e4m3fn", array="4x4", accumulator="wrap:40", images=3)
    machine = sl.array((4, 4), fmt, accumulator=sl.accumulator("wrap:40"))
    by_object = sl.run(sl.load(model), array=machine, images=3)
    assert by_text.identical
    assert replace(by_object, model="m.onnx", measured={}) == replace(by_text, measured={})


def test_data_from_memory_and_from_a_file(model: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    filed = comparable(sl.run(model, "e4m3fn", array="4x4", data=tmp_path / "data.npz"))
    held = comparable(sl.run(model, "e4m3fn", array="4x4", data=(x, y)))
    assert filed.pop("data") == "data.npz"
    assert held.pop("data") == "data"
    assert held == filed
    assert held["accuracy"]["images"] == held["inputs"] == 30
    unlabelled = sl.run(model, "e4m3fn", array="4x4", data=x)
    assert unlabelled.accuracy is None
    assert unlabelled.inputs == 30


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((40, 5)), "data: x must have samples of shape [4], as the network's input, not"),
        (np.full((40, 4), np.nan), "data: x must be finite in binary32, not NaN or infinite"),
        ((np.ones((40, 4)), np.ones(40)), "data: y must be an array of integers, not float64"),
        (3, "data must be 'digits', an .npz file, an array x or a pair (x, y), not 3"),
        ((1, 2, 3), "data must be 'digits', an .npz file, an array x or a pair (x, y), not"),
    ],
)
def test_data_that_cannot_be_used(model: str, data: Any, message: str) -> None:
    with pytest.raises(sl.SystolabError) as raised:
        sl.run(model, "e4m3fn", array="4x4", data=data)
    assert message in str(raised.value)


def test_a_class_of_ones_own(model: str) -> None:
    report = sl.run(model, Thirds(), array="4x4", images=2)
    assert report.identical
    assert report.format == "Thirds"
    assert sl.check(Thirds(), level="quick", stages=["table", "decoder"]).passed


def test_errors_are_part_of_the_report(model: str) -> None:
    report = sl.run(model, "int:8,scale=pow2", array="4x4", images=2, trace_error=True, budget=1e-9)
    assert report.errors is not None
    assert report.errors.budget == 1e-9
    assert report.as_data()["errors"] == report.errors.as_data()
    assert report.text().endswith(report.errors.text())


def test_both_a_bias_and_an_array(model: str) -> None:
    machine = sl.array("4x4", "e4m3fn")
    with pytest.raises(sl.SystolabError, match="fixed_bias must be given with a format, not an"):
        sl.run(model, array=machine, fixed_bias=-2)
