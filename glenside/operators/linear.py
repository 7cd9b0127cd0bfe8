"""Convolution, dense layers and matrix products."""

from __future__ import annotations

import math

import numpy as np

from glenside.network import Layer, Tensor
from glenside.operators.registry import Inputs, evaluates, narrow, optional, required, wide
from glenside.operators.windows import pad_spatial, window_count, windows


@evaluates("conv")
def conv(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Convolution over any number of spatial dimensions, with groups and dilation."""
    x, w = required(layer, inputs, 0), wide(required(layer, inputs, 1))
    bias = optional(inputs, 2)
    groups, strides, dilations = (
        layer.integer("group"),
        layer.ints("strides"),
        layer.ints("dilations"),
    )
    kernel = w.shape[2:]
    padded = pad_spatial(x, layer.ints("pads"), 0.0)
    counts = tuple(
        window_count(size, k, s, d)
        for size, k, s, d in zip(padded.shape[2:], kernel, strides, dilations, strict=True)
    )
    view = windows(padded, kernel, strides, dilations, counts)
    batch, channels, filters, rank = x.shape[0], x.shape[1], w.shape[0], len(kernel)
    weights = w.reshape(groups, filters // groups, -1)
    result = np.empty((batch, filters, *counts), dtype=np.float32)
    for n in range(batch):  # one image at a time bounds the memory of the unrolled windows
        image = view[n].reshape((groups, channels // groups, *view.shape[2:]))
        order = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
        unrolled = wide(image.transpose(order).reshape(groups, weights.shape[2], math.prod(counts)))
        product = (weights @ unrolled).reshape(filters, *counts)
        if bias is not None:
            product += wide(bias).reshape(-1, *(1,) * rank)
        result[n] = narrow(product)
    return [result]


@evaluates("gemm")
def gemm(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """``alpha * a' @ b' + beta * c`` where the primes are optional transposes."""
    a, b, c = required(layer, inputs, 0), required(layer, inputs, 1), optional(inputs, 2)
    left = wide(a.T if layer.integer("trans_a") else a)
    right = wide(b.T if layer.integer("trans_b") else b)
    result = layer.number("alpha") * (left @ right)
    if c is not None:
        result = result + layer.number("beta") * wide(c)
    return [narrow(result).astype(a.dtype)]


@evaluates("matmul")
def matmul(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Matrix product with NumPy's broadcasting of leading dimensions."""
    a, b = required(layer, inputs, 0), required(layer, inputs, 1)
    if a.dtype != np.float32:
        return [np.asarray(np.matmul(a, b), dtype=a.dtype)]
    return [narrow(np.asarray(np.matmul(wide(a), wide(b))))]
