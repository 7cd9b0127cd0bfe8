"""ONNX's recurrent operators, unrolled into dense layers and pointwise operators.

The number of steps is a dimension of the input, which is fixed; so the loop needs no construct of
its own, and its products reach the array like any others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from systolab.glenside.network.limits import STEPS
from systolab.glenside.network.network import Tensor
from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import translates


class _Emitter:
    """Collects nodes; every method returns the name of its result."""

    def __init__(self, node: Node) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._node = node
        self._count = 0

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: int) -> str:
        self._count += 1
        name = f"{self._node.name}.{kind.lower()}_{self._count}"
        self.nodes.append(
            helper.make_node(kind, inputs, [output or name], name, None, None, None, **attributes)
        )
        return output or name

    def constant(self, value: Tensor) -> str:
        self._count += 1
        name = f"{self._node.name}.constant_{self._count}"
        tensor = numpy_helper.from_array(value)
        self.nodes.append(helper.make_node("Constant", [], [name], name, value=tensor))
        return name

    def pick(self, x: str, index: int) -> str:
        """Element ``index`` of the first dimension, which goes."""
        return self.op("Gather", x, self.constant(np.array(index)), axis=0)

    def slice(self, x: str, start: int, end: int, axis: int) -> str:
        if self._node.opset >= 10:
            bounds = [self.constant(np.array([v])) for v in (start, end, axis)]
            return self.op("Slice", x, *bounds)
        name = self.op("Slice", x)
        for key, value in (("starts", start), ("ends", end), ("axes", axis)):
            self.nodes[-1].attribute.append(helper.make_attribute(key, [value]))
        return name

    def reshape(self, x: str, shape: Sequence[int], output: str = "") -> str:
        return self.op("Reshape", x, self.constant(np.array(shape)), output=output)


@translates("LSTM", "GRU")
def _recurrent(node: Node) -> Translation:
    """LSTM or GRU, one or two directions; outputs every step, the last, and (LSTM) the cell.

    Refused: lengths per sequence, peepholes, clipping, other activations, batch-first layout.
    """
    kind = node.proto.op_type
    default = ["Sigmoid", "Tanh", "Tanh"] if kind == "LSTM" else ["Sigmoid", "Tanh"]
    attribute = node.attribute("activations")
    names = default if attribute is None else [str(item, "utf-8") for item in attribute.strings]
    if any(name != default[i % len(default)] for i, name in enumerate(names)):
        raise node.error(f"must have the activations {', '.join(default)}")
    for index, what in ((4, "lengths of its sequences"), (7, "peepholes")):
        if node.present(index):
            raise node.error(f"must not have {what}")
    if node.has("clip") or node.integer("layout", 0) or node.integer("input_forget", 0):
        raise node.error("must not clip, couple its gates, or have the batch first")
    direction = node.text("direction", "forward")
    directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    if direction not in directions:
        raise node.error(f"must be {', '.join(directions)}, not '{direction}'")
    ways = directions[direction]
    steps, batch, _ = node.shape(0)
    hidden = node.shape(2)[-1]
    if steps * len(ways) > STEPS:
        raise node.error(
            f"must unroll to at most {STEPS} steps in all directions, not {steps * len(ways)}"
        )
    emit = _Emitter(node)
    outputs = [*node.outputs, "", "", ""][:3]
    histories, states = [], []
    for way, backwards in enumerate(ways):
        cell = _Lstm if kind == "LSTM" else _Gru
        unrolled = cell(emit, node, way, batch, hidden)
        history: dict[int, str] = {}
        for step in reversed(range(steps)) if backwards else range(steps):
            history[step] = unrolled.step(step)
        histories.append([history[step] for step in range(steps)])
        states.append(unrolled.state)
    one = (1, batch, hidden)
    if outputs[0]:
        rows = []
        for step in range(steps):
            parts = [emit.reshape(h[step], (1, *one)) for h in histories]
            rows.append(emit.op("Concat", *parts, axis=1))
        emit.op("Concat", *rows, output=outputs[0], axis=0)
    for position, name in enumerate(outputs[1:]):
        if name:
            last = [emit.reshape(state[position], one) for state in states]
            emit.op("Concat", *last, output=name, axis=0)
    return Translation(nodes=tuple(emit.nodes))


class _Cell:
    """One direction: its weights, its state, and the input's share of all gates at once."""

    gates: int

    def __init__(self, emit: _Emitter, node: Node, way: int, batch: int, hidden: int) -> None:
        self.emit, self.hidden = emit, hidden
        width = self.gates * hidden
        x, w, r = node.inputs[:3]
        transposed = emit.op("Transpose", emit.pick(w, way))
        self.inputs = emit.op("MatMul", x, transposed)
        self.recurrent = emit.pick(r, way)
        zeros = np.zeros((batch, hidden), np.float32)
        self.input_bias = self.state_bias = ""
        if node.present(3):
            both = emit.pick(node.inputs[3], way)
            self.input_bias = emit.slice(both, 0, width, 0)
            self.state_bias = emit.slice(both, width, 2 * width, 0)
            self.inputs = emit.op("Add", self.inputs, self.input_bias)
        self.state = [
            emit.pick(node.inputs[index], way) if node.present(index) else emit.constant(zeros)
            for index in ((5, 6) if self.gates == 4 else (5,))
        ]

    def gate(self, x: str, index: int, axis: int = 1) -> str:
        """One gate's part of all gates."""
        return self.emit.slice(x, index * self.hidden, (index + 1) * self.hidden, axis)

    def product(self, h: str, weights: str, bias: str) -> str:
        """Dense layer on the state."""
        return self.emit.op("Gemm", h, weights, *([bias] if bias else []), transB=1)


class _Lstm(_Cell):
    gates = 4

    def step(self, index: int) -> str:
        emit, (h, c) = self.emit, self.state
        product = self.product(h, self.recurrent, self.state_bias)
        sums = emit.op("Add", emit.pick(self.inputs, index), product)
        i, o, f = (emit.op("Sigmoid", self.gate(sums, k)) for k in range(3))
        new = emit.op("Mul", i, emit.op("Tanh", self.gate(sums, 3)))
        c = emit.op("Add", emit.op("Mul", f, c), new)
        h = emit.op("Mul", o, emit.op("Tanh", c))
        self.state = [h, c]
        return h


class _Gru(_Cell):
    gates = 3

    def __init__(self, emit: _Emitter, node: Node, way: int, batch: int, hidden: int) -> None:
        super().__init__(emit, node, way, batch, hidden)
        self.after = bool(node.integer("linear_before_reset", 0))
        parts = ((0, 2 * hidden), (2 * hidden, 3 * hidden))
        self.weights = [emit.slice(self.recurrent, *part, 0) for part in parts]
        self.biases = [
            emit.slice(self.state_bias, *part, 0) if self.state_bias else "" for part in parts
        ]

    def step(self, index: int) -> str:
        emit, (h,) = self.emit, self.state
        now = emit.pick(self.inputs, index)
        gates = emit.slice(now, 0, 2 * self.hidden, 1)
        gates = emit.op("Add", gates, self.product(h, self.weights[0], self.biases[0]))
        z, r = (emit.op("Sigmoid", self.gate(gates, k)) for k in range(2))
        if self.after:
            share = emit.op("Mul", r, self.product(h, self.weights[1], self.biases[1]))
        else:
            share = self.product(emit.op("Mul", r, h), self.weights[1], self.biases[1])
        new = emit.op("Tanh", emit.op("Add", self.gate(now, 2), share))
        kept = emit.op("Mul", z, emit.op("Sub", h, new))  # (1 - z) * new + z * h
        h = emit.op("Add", new, kept)
        self.state = [h]
        return h
