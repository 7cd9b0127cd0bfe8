"""Folding must not change what a network computes, and must fold exactly what it may."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from glenside import host
from glenside.folding import fold
from glenside.network import Network
from glenside.onnx_import import from_model


def network(nodes: list[onnx.NodeProto], outputs: tuple[str, ...] = ("y",)) -> Network:
    rng = np.random.default_rng(1)
    shapes = {
        "w": (4, 3, 3, 3), "b": (4,), "w2": (4, 4, 1, 1), "scale": (4,), "shift": (4,),
        "mean": (4,), "var": (4,), "c": (4, 1, 1), "one": (1,), "wide": (4, 6, 6), "d": (4, 5),
        "e": (5, 4),
    }  # fmt: skip
    weights = [
        numpy_helper.from_array(rng.uniform(0.5, 2, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 6, 6])]
    results = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, None, None, None])
        for name in outputs
    ]
    graph = helper.make_graph(nodes, "g", inputs, results, weights)
    return from_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )


def conv(bias: bool = True, output: str = "h") -> onnx.NodeProto:
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    return helper.make_node("Conv", inputs, [output], name="conv", pads=[1, 1, 1, 1])


NORM = helper.make_node("BatchNormalization", ["h", "scale", "shift", "mean", "var"], ["y"])


def node(op: str, *names: str) -> onnx.NodeProto:
    *inputs, output = names
    return helper.make_node(op, inputs, [output])


def same(before: Network, after: Network) -> None:
    x = np.random.default_rng(2).standard_normal((2, 3, 6, 6)).astype(np.float32)
    expected, found = host.execute(before, {"x": x}), host.execute(after, {"x": x})
    assert list(expected) == list(found)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "rest",
    [
        [NORM],
        [node("Mul", "h", "c", "y")],
        [node("Mul", "c", "h", "y")],
        [node("Add", "h", "one", "y")],
        [node("Mul", "h", "c", "i"), node("Add", "i", "c", "j"), node("Mul", "j", "one", "y")],
    ],
    ids=["norm", "mul", "mul left", "add", "chain"],
)
def test_folds_into_convolution(rest: list[onnx.NodeProto], bias: bool) -> None:
    before = network([conv(bias), *rest])
    after = fold(before)
    assert [layer.name for layer in after.layers] == ["conv"]
    assert set(after.layers[0].inputs[1:]) == set(after.constants)
    same(before, after)


def test_folds_into_dense() -> None:
    flat = node("GlobalAveragePool", "h", "p")
    rest = [
        node("Flatten", "p", "f"),
        helper.make_node("Gemm", ["f", "d"], ["g"]),
        helper.make_node("Gemm", ["g", "e", "b"], ["h2"]),
        helper.make_node("BatchNormalization", ["h2", "scale", "shift", "mean", "var"], ["y"]),
    ]
    before = network([conv(), flat, *rest])  # the declared rank of y is corrected by inference
    after = fold(before)
    assert [layer.op for layer in after.layers][-2:] == ["gemm", "gemm"]
    same(before, after)


@pytest.mark.parametrize(
    ("rest", "outputs"),
    [
        ([node("Mul", "h", "wide", "y")], ("y",)),  # differs between positions
        ([NORM], ("y", "h")),  # the unscaled result is read too
        ([node("Relu", "h", "r"), node("Add", "r", "h", "y")], ("y",)),
        ([node("Mul", "h", "h", "y")], ("y",)),
    ],
)
def test_leaves_the_rest_alone(rest: list[onnx.NodeProto], outputs: tuple[str, ...]) -> None:
    before = network([conv(), *rest], outputs)
    assert fold(before).layers == before.layers
    same(before, fold(before))


def test_weights_shared_with_another_layer_stay() -> None:
    other = helper.make_node("Conv", ["x", "w"], ["k"], name="other", pads=[1, 1, 1, 1])
    before = network([conv(), other, NORM], ("y", "k"))
    after = fold(before)
    assert [layer.inputs[1] for layer in after.layers] == ["conv.weight", "w"]
    same(before, after)
