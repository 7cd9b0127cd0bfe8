"""A Transformer encoder (Vaswani et al. 2017), normalising before each part."""

from __future__ import annotations

import math

import numpy as np
import onnx

from examples.networks.builder import Builder


def _norm(b: Builder, x: str, width: int) -> str:
    scale = b.constant(np.full(width, 1.1, np.float32), "scale")
    return b.node("LayerNormalization", [x, scale, b.bias(width)], axis=-1)


def _heads(b: Builder, x: str, batch: int, length: int, heads: int, depth: int) -> str:
    shape = b.constant(np.array([batch, length, heads, depth]), "shape")
    return b.node("Transpose", [b.node("Reshape", [x, shape])], perm=[0, 2, 1, 3])


def _attention(b: Builder, x: str, batch: int, length: int, width: int, heads: int) -> str:
    depth = width // heads
    q, k, v = (_heads(b, b.linear(x, width, width), batch, length, heads, depth) for _ in range(3))
    scores = b.node("MatMul", [q, b.node("Transpose", [k], perm=[0, 1, 3, 2])])
    scale = b.constant(np.array(1.0 / math.sqrt(depth), np.float32), "scale")
    weights = b.node("Softmax", [b.node("Mul", [scores, scale])], axis=-1)
    mixed = b.node("Transpose", [b.node("MatMul", [weights, v])], perm=[0, 2, 1, 3])
    shape = b.constant(np.array([batch, length, width]), "shape")
    return b.linear(b.node("Reshape", [mixed, shape]), width, width)


def transformer(
    layers: int = 2, batch: int = 1, length: int = 64, width: int = 128, heads: int = 4,
    seed: int = 0,
) -> onnx.ModelProto:  # fmt: skip
    """Each layer: four projections, two batched products, and two dense layers around a GELU."""
    b = Builder("transformer", seed)
    x = b.input("tokens", [batch, length, width])
    for _ in range(layers):
        x = b.add(x, _attention(b, _norm(b, x, width), batch, length, width, heads))
        y = b.node("Gelu", [b.linear(_norm(b, x, width), width, 4 * width)])
        x = b.add(x, b.linear(y, 4 * width, width))
    b.output(_norm(b, x, width), [batch, length, width])
    return b.model()
