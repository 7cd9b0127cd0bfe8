"""ResMLP-S12 (Touvron et al. 2021): an image as patches, mixed by dense layers only."""

from __future__ import annotations

import numpy as np
import onnx

from examples.networks.builder import Builder


def _affine(b: Builder, x: str, width: int) -> str:
    scale = b.constant(np.full(width, 0.9, np.float32), "scale")
    return b.add(b.node("Mul", [x, scale]), b.bias(width))


def resmlp(
    size: int = 224, patch: int = 16, width: int = 384, blocks: int = 12, classes: int = 1000,
    seed: int = 0,
) -> onnx.ModelProto:  # fmt: skip
    """A patch convolution, three dense layers a block, and a classifier."""
    b = Builder("resmlp", seed)
    patches = (size // patch) ** 2
    x = b.input("image", [1, 3, size, size])
    weight = b.weight((width, 3, patch, patch), 3 * patch * patch)
    x = b.node("Conv", [x, weight, b.bias(width)], kernel_shape=[patch] * 2, strides=[patch] * 2)
    x = b.node("Reshape", [x, b.constant(np.array([1, width, patches]), "shape")])
    x = b.node("Transpose", [x], perm=[0, 2, 1])
    for _ in range(blocks):
        y = b.node("Transpose", [_affine(b, x, width)], perm=[0, 2, 1])
        y = b.node("Transpose", [b.linear(y, patches, patches)], perm=[0, 2, 1])
        x = b.add(x, y)
        y = b.node("Gelu", [b.linear(_affine(b, x, width), width, 4 * width)])
        x = b.add(x, b.linear(y, 4 * width, width))
    axes = b.constant(np.array([1]), "axes")
    pooled = b.node("ReduceMean", [_affine(b, x, width), axes], keepdims=0)
    b.output(b.dense(pooled, width, classes), [1, classes])
    return b.model()
