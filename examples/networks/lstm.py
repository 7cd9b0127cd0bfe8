"""A long short-term memory cell, unrolled: the same weights at every step."""

from __future__ import annotations

import numpy as np
import onnx

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
