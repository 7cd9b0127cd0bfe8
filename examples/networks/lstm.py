"""A long short-term memory cell, unrolled: the same weights at every step."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from examples.networks.builder import Builder


def lstm(
    steps: int = 10, inputs: int = 64, hidden: int = 64, batch: int = 1, seed: int = 0
) -> onnx.ModelProto:
    """Gates are four slices (input, forget, cell, output) of two dense layers' sum."""
    b = Builder("lstm", seed)
    x = b.input("sequence", [steps, batch, inputs])
    w = b.weight((4 * hidden, inputs), 4 * inputs)
    r = b.weight((4 * hidden, hidden), 4 * hidden)
    bias = b.bias(4 * hidden)
    h, c = b.input("h", [batch, hidden]), b.input("c", [batch, hidden])
    axis = b.constant(np.array([1]), "axis")
    bounds = [b.constant(np.array([i * hidden]), "bound") for i in range(5)]
    for step in range(steps):
        index = b.constant(np.array(step), "step")
        now = b.node("Gather", [x, index], axis=0)
        gates = b.add(b.node("Gemm", [now, w, bias], transB=1), b.node("Gemm", [h, r], transB=1))
        i, f, g, o = (b.node("Slice", [gates, bounds[k], bounds[k + 1], axis]) for k in range(4))
        kept = b.node("Mul", [b.node("Sigmoid", [f]), c])
        new = b.node("Mul", [b.node("Sigmoid", [i]), b.node("Tanh", [g])])
        c = b.add(kept, new)
        h = b.node("Mul", [b.node("Sigmoid", [o]), b.node("Tanh", [c])])
    b.output(h, [batch, hidden])
    b.output(c, [batch, hidden])
    return b.model()


def unstable_lstm(steps: int = 12, hidden: int = 64, seed: int = 0) -> onnx.ModelProto:
    """The same from a state of zeros, with weights and biases uniform in (-2, 2).

    Rounding errors grow from step to step, as in the LSTM of 3LA's experiments on FlexASR.
    """
    model = lstm(steps, hidden, hidden)
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32:
            drawn = rng.uniform(-2, 2, value.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(drawn, tensor.name))
    for state in [given for given in model.graph.input if given.name in ("h", "c")]:
        model.graph.input.remove(state)
        zeros = np.zeros((1, hidden), np.float32)
        model.graph.initializer.append(numpy_helper.from_array(zeros, state.name))
    return model
