"""Unrolled recurrent operators against ONNX's reference evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Tensor
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.operators import host

STEPS, BATCH, INPUTS, HIDDEN = 3, 2, 4, 5
GATES = {"LSTM": 4, "GRU": 3}


def recurrent(
    kind: str, direction: str = "forward", opset: int = 17, extra: int = 0, **attributes: object
) -> onnx.ModelProto:
    """A model whose weights, biases and initial states are random."""
    rng = np.random.default_rng(3)
    ways, width = 2 if direction == "bidirectional" else 1, GATES[kind] * HIDDEN
    state = (ways, BATCH, HIDDEN)
    weights: dict[str, Tensor] = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in (
            ("w", (ways, width, INPUTS)), ("r", (ways, width, HIDDEN)), ("b", (ways, 2 * width)),
            ("h", state), ("c", state), ("p", (ways, 3 * HIDDEN)),
        )
    }  # fmt: skip
    names = ["x", "w", "r", "b", "", "h", *(["c"] if kind == "LSTM" else []), *(["p"] * extra)]
    outputs = ["y", "last", *(["cell"] if kind == "LSTM" else [])]
    node = helper.make_node(
        kind, names, outputs, name="cell", domain=None,
        hidden_size=HIDDEN, direction=direction, **attributes,  # type: ignore[arg-type]
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, BATCH, INPUTS])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    graph.output[0].type.tensor_type.shape.dim.add()  # y has four dimensions
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def results(model: onnx.ModelProto) -> tuple[list[Tensor], list[Tensor]]:
    x = np.random.default_rng(4).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    found = host.execute(from_model(model), {"x": x}).values()
    expected = ReferenceEvaluator(model).run(None, {"x": x})
    return list(found), [np.asarray(item) for item in expected]


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("opset", [9, 17])
def test_forward(kind: str, opset: int) -> None:
    found, expected = results(recurrent(kind, opset=opset))
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", GATES)
def test_backwards_is_forward_on_the_reversed_sequence(kind: str) -> None:
    x = np.random.default_rng(5).standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    forward, reverse = (from_model(recurrent(kind, way)) for way in ("forward", "reverse"))
    y, last, *_ = host.execute(forward, {"x": x[::-1]}).values()
    found, found_last, *_ = host.execute(reverse, {"x": x}).values()
    np.testing.assert_array_equal(found, y[::-1])
    np.testing.assert_array_equal(found_last, last)


def test_gru_resets_after_or_before_the_product() -> None:
    found, expected = results(recurrent("GRU", linear_before_reset=1))
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


def test_products_are_dense_layers() -> None:
    ops = [layer.op for layer in from_model(recurrent("LSTM")).layers]
    assert ops.count("matmul") == 1  # the inputs of all steps at once
    assert ops.count("gemm") == STEPS - 1  # the first one's state is constant, so folded


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (recurrent("LSTM", clip=1.0), "must not clip, couple its gates, or have the batch first"),
        (recurrent("LSTM", extra=1), "must not have peepholes"),
        (
            recurrent("GRU", activations=["Relu", "Tanh"]),
            "must have the activations Sigmoid, Tanh",
        ),
    ],
)
def test_refusals(model: onnx.ModelProto, complaint: str) -> None:
    with pytest.raises(SystolabError) as caught:
        from_model(model)
    kind = model.graph.node[0].op_type
    assert str(caught.value) == f"Operator {kind} (node 'cell') {complaint}"
