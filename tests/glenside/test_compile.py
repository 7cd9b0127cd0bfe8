"""Compiled programs compute what their networks compute, at the promised costs, reproducibly."""

from __future__ import annotations

import doctest
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside import compile as compiler
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.execute import execute
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import from_model, load
from systolab.glenside.operators import host
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Program
from systolab.glenside.search.knowledge import Knowledge
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.timing.timing import cycles

FORMAT = registry.get("adaptivfloat:8,3")


def array(rows: int = 8, cols: int = 8) -> Array:
    return Array(rows, cols, FORMAT, FORMAT, FORMAT, parse_accumulator("exact"))


def network(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    weights: dict[str, tuple[int, ...]],
    output: tuple[int | None, ...],
) -> Network:
    rng = np.random.default_rng(1)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [
            numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n)
            for n, s in weights.items()
        ],
    )
    return from_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )


def node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def check(net: Network, machine: Array) -> Program:
    """Compiles, runs in floating point, compares every computed tensor with the host's."""
    program = compile_network(net, machine)
    rng = np.random.default_rng(2)
    feeds = {n: rng.standard_normal(s).astype(np.float32) for n, s in net.inputs.items()}
    expected: dict[str, np.ndarray] = {}
    host.execute(net, feeds, lambda name, value: expected.update({name: value}))
    for name, value in execute(program, feeds).items():
        if name in expected:
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)
    for step in program.kernels:
        assert step.cycles == cycles(step.kernel, machine)
        assert step.cycles in step.alternatives.values()
    assert program.cycles <= min(program.policies.values())
    return program


def digits() -> Network:
    return load("examples/digits_cnn.onnx")


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (8, 8), (16, 16)])
def test_digits(shape: tuple[int, int]) -> None:
    program = check(digits(), array(*shape))
    assert [step.name for step in program.kernels] == ["conv1", "conv2", "dense1", "dense2"]
    assert program.kernels[0].layers == ("conv1", "relu1")
    assert [(s.name, s.reason) for s in program.steps if isinstance(s, HostStep)] == [
        ("pool1", "the array has no max pool"),
        ("pool2", "the array has no max pool"),
    ]


CONVOLUTIONS = [
    ({}, (1, 3, 9, 7), (4, 3, 3, 3)),
    ({"pads": [1, 2, 0, 1], "strides": [2, 1]}, (2, 3, 9, 7), (4, 3, 3, 3)),
    ({"dilations": [2, 1], "pads": [1, 1, 1, 1]}, (1, 3, 9, 7), (4, 3, 3, 3)),
    ({"group": 2, "pads": [1, 1, 1, 1]}, (1, 4, 6, 6), (6, 2, 3, 3)),
    ({"group": 8, "pads": [1, 1, 1, 1]}, (1, 8, 6, 6), (8, 1, 3, 3)),
    ({"group": 8, "strides": [2, 2]}, (1, 8, 7, 7), (16, 1, 3, 3)),
    ({"strides": [3]}, (2, 3, 20), (5, 3, 4)),
]


@pytest.mark.parametrize(("attributes", "x", "w"), CONVOLUTIONS)
def test_convolutions_reach_the_array(
    attributes: dict[str, Any], x: tuple[int, ...], w: tuple[int, ...]
) -> None:
    nodes = [node("Conv", ["x", "w", "b"], "c", **attributes), node("Relu", ["c"], "y")]
    net = network(nodes, {"x": x}, {"w": w, "b": w[:1]}, (None,) * len(x))
    (step,) = check(net, array()).kernels
    assert step.layers == ("c", "y")
    assert (step.lo, step.hi) == (0.0, np.inf)
    assert step.kernel.length >= np.prod(w[1:])


EPILOGUES: list[tuple[list[onnx.NodeProto], dict[str, tuple[int, ...]], tuple[str, ...]]] = [
    ([node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "y")], {}, ("c", "y")),
    (
        [
            node("Conv", ["x", "w"], "c"),
            node("Transpose", ["c"], "t", perm=[0, 2, 3, 1]),
            node("Add", ["t", "v"], "a"),
            node("Relu", ["a"], "y"),
        ],
        {"v": (4,)},
        ("c", "t", "a", "y"),
    ),
    (
        [
            node("Conv", ["x", "w"], "c", group=1),
            node("Transpose", ["c"], "t", perm=[2, 3, 1, 0]),
            node("Relu", ["t"], "r"),
            node("Add", ["v", "r"], "y"),  # after the clamp: the array cannot
        ],
        {"v": (4, 1)},
        ("c", "t", "r"),
    ),
    (
        [node("Conv", ["x", "w"], "c"), node("Add", ["c", "rows"], "y")],  # not per channel
        {"rows": (4, 1)},
        ("c",),
    ),
]


@pytest.mark.parametrize(("nodes", "weights", "layers"), EPILOGUES)
def test_bias_and_clamp_join_the_kernel(
    nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], layers: tuple[str, ...]
) -> None:
    net = network(nodes, {"x": (1, 3, 6, 6)}, {"w": (4, 3, 3, 3), **weights}, (None,) * 4)
    (step,) = check(net, array()).kernels
    assert step.layers == layers


def test_grouped_convolutions_take_residuals_and_reads_through_moves() -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2"], "d", pads=[1, 1, 1, 1], group=4),
        node("Add", ["d", "r"], "s"),
        node("Flatten", ["s"], "f"),
        node("Gemm", ["f", "v", "b2"], "y", transB=1),
    ]
    weights = {
        "w": (8, 3, 3, 3), "b": (8,), "w2": (8, 2, 3, 3), "v": (5, 8 * 36), "b2": (5,),
    }  # fmt: skip
    program = check(network(nodes, {"x": (1, 3, 6, 6)}, weights, (1, 5)), array())
    assert [step.name for step in program.kernels] == ["c", "d", "y"]
    assert program.kernels[2].a.tensor == "s"  # the flattened tensor is never stored
    assert [s.name for s in program.steps if isinstance(s, HostStep)] == ["s"]


def test_attention_without_transposes() -> None:
    heads, tokens, width = 2, 6, 4
    shape = [tokens, heads, width]
    nodes = [
        node("MatMul", ["x", "wq"], "q"),
        node("MatMul", ["x", "wk"], "k"),
        node("MatMul", ["x", "wv"], "v"),
        *(node("Reshape", [n, "split"], n + "s") for n in "qkv"),
        node("Transpose", ["qs"], "qh", perm=[1, 0, 2]),
        node("Transpose", ["ks"], "kh", perm=[1, 2, 0]),
        node("Transpose", ["vs"], "vh", perm=[1, 0, 2]),
        node("MatMul", ["qh", "kh"], "a"),
        node("Softmax", ["a"], "p"),
        node("MatMul", ["p", "vh"], "o"),
        node("Transpose", ["o"], "t", perm=[1, 0, 2]),
        node("Reshape", ["t", "join"], "j"),
        node("MatMul", ["j", "wo"], "y"),
    ]
    net = _with_integers(
        nodes,
        {"x": (tokens, heads * width)},
        dict.fromkeys(("wq", "wk", "wv", "wo"), (heads * width, heads * width)),
        {"split": shape, "join": [tokens, heads * width]},
    )
    program = check(net, array())
    assert len(program.kernels) == 6
    assert [s.name for s in program.steps if isinstance(s, HostStep)] == ["p"]
    copied = compile_network(net, array(), read_through=False)
    moves = [s.name for s in copied.steps if isinstance(s, HostStep) and s.cycles]
    assert moves == ["qh", "kh", "vh", "t"]
    assert program.cycles < copied.cycles


def _with_integers(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    weights: dict[str, tuple[int, ...]],
    integers: dict[str, list[int]],
) -> Network:
    rng = np.random.default_rng(1)
    values = {n: rng.standard_normal(s).astype(np.float32) for n, s in weights.items()}
    values |= {n: np.array(v, np.int64) for n, v in integers.items()}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (None, None))],
        [numpy_helper.from_array(v, n) for n, v in values.items()],
    )
    return from_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )


def test_what_the_array_cannot_do_stays_on_the_host_with_a_reason() -> None:
    nodes = [
        node("Gemm", ["x", "w"], "g", alpha=2.0),
        node("Transpose", ["g"], "t", perm=[1, 0]),
        node("Softmax", ["t"], "y"),
    ]
    program = check(network(nodes, {"x": (3, 4)}, {"w": (4, 5)}, (5, 3)), array())
    assert [(s.name, s.reason) for s in program.steps if isinstance(s, HostStep)] == [
        ("g", "its factors alpha and beta are not 1"),
        ("t", "moves elements for the host"),
        ("y", "the array has no softmax"),
    ]


def test_names_of_a_model_are_data() -> None:
    names = {"y": 'y") (panic "got you', "c": "a b\n(c \\", "x": "ünïcödé ; comment"}
    nodes = [node("Conv", ["x", "w"], "c"), node("Softmax", ["c"], "s"), node("Relu", ["s"], "y")]
    net = network(nodes, {"x": (1, 3, 6, 6)}, {"w": (4, 3, 3, 3)}, (None,) * 4)

    def spelled(tensors: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(t, t) for t in tensors)

    strange = replace(
        net,
        inputs={names["x"]: net.inputs["x"]},
        outputs=spelled(net.outputs),
        layers=tuple(
            replace(
                layer,
                name=names.get(layer.name, layer.name),
                inputs=spelled(layer.inputs),
                outputs=spelled(layer.outputs),
            )
            for layer in net.layers
        ),
        shapes={names.get(t, t): shape for t, shape in net.shapes.items()},
    )
    assert check(strange, array()).cycles == check(net, array()).cycles


def test_same_input_same_program() -> None:
    first, second = (compile_network(digits(), array()) for _ in range(2))
    assert repr(first.steps) == repr(second.steps)
    assert first.policies == second.policies


def test_known_layers_cost_no_rule() -> None:
    knowledge = Knowledge(array())
    first = compile_network(digits(), array(), knowledge)
    again = compile_network(digits(), array(), knowledge)
    assert (first.statistics.known, first.statistics.saturated) == (0, True)
    assert first.statistics.applications > 0
    assert again.statistics.known == again.statistics.distinct == 4
    assert again.statistics.applications == again.statistics.nodes == 0
    assert repr(again.steps) == repr(first.steps)


def test_knowledge_of_another_array_is_refused() -> None:
    with pytest.raises(SystolabError, match="Knowledge must be of the array that is compiled for"):
        compile_network(digits(), array(4, 4), Knowledge(array()))


def test_layouts_are_chosen_together() -> None:
    """On a 5x3 array no fixed policy is best for the digits network."""
    program = check(digits(), array(5, 3))
    assert program.cycles < min(program.policies.values())
    assert not [step for step in program.steps if isinstance(step, CopyStep)]
    assert {type(step) for step in program.steps} == {KernelStep, HostStep}


def test_example_in_the_documentation() -> None:
    results = doctest.testmod(compiler)
    assert (results.attempted, results.failed) == (7, 0)


@pytest.mark.parametrize("moves", [40, 1000])
def test_a_chain_of_moves_of_any_length_compiles(moves: int) -> None:
    """What lies deeper than a term may be is moved by the host first."""
    names = ["x", *(f"t{i}" for i in range(moves))]
    nodes = [
        helper.make_node("Transpose", [source], [target], perm=[0, 2, 1])
        for source, target in itertools.pairwise(names)
    ]
    nodes.append(helper.make_node("MatMul", [names[-1], "w"], ["m"]))
    after = ["m", *(f"u{i}" for i in range(moves)), "y"]
    nodes += [
        helper.make_node("Transpose", [source], [target], perm=[0, 2, 1])
        for source, target in itertools.pairwise(after)
    ]
    shape = [1, 4, 4]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.arange(16, dtype=np.float32).reshape(4, 4), "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    program = compile_network(from_model(model), array(4, 4))
    assert len(program.kernels) == 1
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    (expected,) = host.execute(program.network, {"x": x}).values()
    assert (execute(program, {"x": x})["y"] == expected).all()
