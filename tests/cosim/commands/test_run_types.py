"""`systolab run` on inputs that are no real numbers, and on models of which nothing is mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import systolab as sl
from systolab.formats.errors import SystolabError
from tests.cosim.runs import Systolab

Weights = Mapping[str, NDArray[Any] | np.generic]

FORMAT = ["--format", "adaptivfloat:6,3", "--array", "4x4", "--images", "2"]


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: Weights,
    kind: int,
    shape: list[int | str],
    outputs: list[str],
    rank: int = 2,
) -> str:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return str(path)


def embedding(path: Path, kind: int = TensorProto.INT64) -> str:
    """Token ids, a table of 10 rows, a dense layer."""
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal(s).astype(np.float32)
               for name, s in {"table": (10, 4), "w": (4, 3)}.items()}  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["e"], name="embed"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="dense"),
    ]
    return save(path, nodes, weights, kind, [1, 5], ["y"], rank=3)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_token_ids_run(systolab: Systolab, tmp_path: Path, kind: int) -> None:
    path = embedding(tmp_path / "m.onnx", kind)
    status, _, err, result = systolab(path, *FORMAT)
    assert (status, err) == (0, "")
    assert result["identical"] is True
    assert result["compared"] == 1


def test_token_ids_of_a_user(systolab: Systolab, tmp_path: Path) -> None:
    path, data = embedding(tmp_path / "m.onnx"), tmp_path / "x.npz"
    np.savez(data, x=np.arange(40).reshape(8, 5) % 10)
    assert systolab(path, *FORMAT, "--data", str(data)).status == 0
    np.savez(data, x=np.arange(40).reshape(8, 5))
    status, out, err, _ = systolab(path, *FORMAT, "--data", str(data))
    assert (status, out) == (2, "")
    assert err == (
        "systolab: error: Layer 'embed' (gather) must have parameters that fit its inputs: "
        "index 10 is out of bounds for axis 0 with size 10\n"
    )


def test_a_mask_is_a_truth_value(systolab: Systolab, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Where", ["x", "one", "two"], ["c"]),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]
    weights: Weights = {
        "one": np.float32(1),
        "two": np.float32(2),
        "w": np.eye(4, dtype=np.float32),
    }
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.BOOL, [2, 4], ["y"])
    assert systolab(path, *FORMAT).status == 0


def test_products_of_integers_stay_on_the_host(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="product"),
        helper.make_node("Gather", ["t", "m"], ["y"]),
    ]
    weights: Weights = {"w": np.eye(4, dtype=np.int64), "t": np.arange(9, dtype=np.float32)}
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.INT64, [1, 4], ["y"])
    (step, _) = sl.map(path, "e4m3fn", array="4x4").program.steps
    assert getattr(step, "reason", None) == "the array has no int64"
    report = sl.run(path, "e4m3fn", array="4x4", images=1)
    assert not report.identical


def test_nothing_on_the_array_is_no_verdict(systolab: Systolab, tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {}, TensorProto.FLOAT, [1, 4], ["y"])
    status, out, err, result = systolab(path, *FORMAT)
    assert status == 2
    assert "verdict         nothing ran on the array: nothing was compared" in out
    assert "emulated by no engine" in out
    with pytest.raises(SystolabError, match=r"that runs on the array \(none does\), not 'z'"):
        sl.map(path, "e4m3fn", array="4x4").explain("z")
    assert err == (
        "systolab: error: Model must have a layer that the array runs, for a comparison\n"
    )
    assert (result["identical"], result["compared"], result["first_mismatch"]) == (False, 0, None)


@pytest.mark.parametrize("constant", ["w", "f"])
def test_an_output_that_is_constant(systolab: Systolab, tmp_path: Path, constant: str) -> None:
    """An initializer, or what is folded; first or last of the outputs."""
    weights = {"w": np.eye(4, dtype=np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Transpose", ["w"], ["f"]),
    ]
    for outputs in ([constant, "y"], ["y", constant]):
        path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.FLOAT, [2, 4], outputs)
        status, _, err, result = systolab(path, *FORMAT)
        assert (status, err) == (0, "")
        assert result["identical"]


@pytest.mark.parametrize("output", ["w", "x"])
def test_a_model_without_layers(systolab: Systolab, tmp_path: Path, output: str) -> None:
    weights = {"w": np.eye(4, dtype=np.float32)}
    nodes = [helper.make_node("Identity", [output], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.FLOAT, [2, 4], ["y"])
    status, out, _, _ = systolab(path, *FORMAT)
    assert status == 2
    assert "nothing was compared" in out


def test_a_batch_that_is_taken_as_1_is_told(
    systolab: Systolab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {"w": np.eye(4, dtype=np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.FLOAT, ["N", 4], ["y"])
    _, out, _, result = systolab(path, *FORMAT)
    assert "batch           taken as 1: N of input x" in out
    assert result["assumed_batch"] == ["N of input x"]
    status, out, _, result = systolab(path, *FORMAT, "--dims", "N=3")
    assert status == 0
    assert "taken as 1" not in out
    assert result["layers"][0]["shape"] == [3, 4]
    assert "batch                 taken as 1: N of input x" in sl.map(path, "e4m3fn").text()
    report = sl.map(path, "e4m3fn", dims={"N": 3})
    assert "taken as 1" not in report.text()
    assert report.program.network.inputs == {"x": (3, 4)}
    status, _, err, _ = systolab(path, *FORMAT, "--dims", "M=3")
    assert status == 2
    assert err == "systolab: error: --dims must be one of N, x[0], not 'M'\n"


def test_the_work_of_a_run_is_limited(tmp_path: Path) -> None:
    names = ["a", "b", "c", "y"]
    nodes = [helper.make_node("Expand", ["x", "s"], ["t"])]
    nodes += [helper.make_node("MatMul", ["t", "t"], [name]) for name in names]
    weights = {"s": np.array([1 << 12, 1 << 12])}
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.FLOAT, [1, 1], names)
    with pytest.raises(SystolabError) as caught:
        sl.run(path, "e4m3fn", array="4x4", images=1)
    products = 33 * (4 * (1 << 36) + (1 << 24) + 1)
    assert str(caught.value) == (
        f"Run of 33 calls must have at most 4398046511104 multiplications, not {products}"
    )
    nodes = [
        helper.make_node("Tile", ["x", "r"], ["t"]),
        helper.make_node("Tile", ["t", "r"], ["y"]),
    ]
    weights = {"r": np.array([1 << 14, 1])}
    path = save(tmp_path / "m.onnx", nodes, weights, TensorProto.FLOAT, [1, 1], ["y"])
    with pytest.raises(SystolabError) as caught:
        sl.run(path, "e4m3fn", array="4x4", images=1)
    assert str(caught.value) == (
        "Tensors of a run must have at most 268435456 elements, not 268451840"
    )
