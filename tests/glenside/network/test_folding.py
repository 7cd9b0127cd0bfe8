"""Folding must not change what a network computes, and must fold exactly what it may."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from systolab.glenside.network.folding import fold
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.operators import host


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


def dense(
    nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], rank: int = 2
) -> Network:
    """Nodes from x (4, 4) to y, with random weights of the given shapes."""
    rng = np.random.default_rng(1)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [
            numpy_helper.from_array(rng.uniform(0.5, 2, shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )
    return from_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )


def agree(before: Network, after: Network) -> None:
    x = np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32)
    (expected,) = host.execute(before, {"x": x}).values()
    (found,) = host.execute(after, {"x": x}).values()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("bias", [None, (), (1,), (5,), (1, 5)])
def test_factors_of_a_gemm_become_weights(bias: tuple[int, ...] | None, trans_b: int) -> None:
    inputs = ["x", "w"] if bias is None else ["x", "w", "b"]
    gemm = helper.make_node("Gemm", inputs, ["h"], alpha=0.75, beta=-2.0, transB=trans_b)
    weights = {"w": (5, 4) if trans_b else (4, 5), "scale": (5,)}
    if bias is not None:
        weights["b"] = bias
    before = dense([gemm, node("Mul", "h", "scale", "y")], weights)
    after = fold(before)
    (layer,) = after.layers
    assert (layer.number("alpha"), layer.number("beta")) == (1.0, 1.0)
    agree(before, after)


def test_factors_that_are_powers_of_two_round_nothing() -> None:
    gemm = helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=4.0)
    before = dense([gemm], {"w": (4, 5), "b": (5,)})
    (layer,) = (after := fold(before)).layers
    weight, bias = (after.constants[name] for name in layer.inputs[1:])
    np.testing.assert_array_equal(weight, before.constants["w"] * np.float32(0.5))
    np.testing.assert_array_equal(bias, before.constants["b"] * np.float32(4))


@pytest.mark.parametrize(("w", "factor"), [((4, 5), ()), ((4, 5), (5,)), ((2, 4, 5), (1, 5))])
def test_factors_after_a_matrix_product(w: tuple[int, ...], factor: tuple[int, ...]) -> None:
    nodes = [node("MatMul", "x", "w", "h"), node("Mul", "h", "factor", "y")]
    before = dense(nodes, {"w": w, "factor": factor}, len(w))
    after = fold(before)
    assert [layer.op for layer in after.layers] == ["matmul"]
    agree(before, after)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        # A bias per row is not one per column, though there are as many.
        (
            [helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=2.0)],
            {"w": (4, 4), "b": (4, 1)},
        ),
        ([helper.make_node("Gemm", ["x", "x"], ["y"], alpha=2.0)], {}),
        ([helper.make_node("Gemm", ["w", "x"], ["y"], alpha=2.0)], {"w": (4, 4)}),
        # The array adds this as a bias; the product has none to add it to.
        ([node("MatMul", "x", "w", "h"), node("Add", "h", "b", "y")], {"w": (4, 5), "b": (5,)}),
        ([node("MatMul", "x", "w", "h"), node("Mul", "h", "b", "y")], {"w": (4, 5), "b": (4, 1)}),
        ([node("MatMul", "x", "w", "h"), node("Mul", "h", "b", "y")], {"w": (4,), "b": (1,)}),
    ],
)
def test_leaves_other_products_alone(
    nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]]
) -> None:
    before = dense(nodes, weights, len(weights.get("w", "xy")))
    assert fold(before).layers == before.layers
    agree(before, fold(before))
