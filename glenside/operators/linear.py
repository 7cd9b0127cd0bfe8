"""Convolution, dense layers and matrix products."""

from __future__ import annotations

import math

import numpy as np

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import Inputs, evaluates, narrow, optional, required, wide
from systolab.glenside.operators.windows import pad_spatial, window_count, windows

__all__ = ["conv", "conv_transpose", "einsum", "gemm", "matmul"]


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


@evaluates("conv_transpose")
def conv_transpose(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """The transpose of a convolution: every input element adds its scaled filter to the output."""
    x, w = wide(required(layer, inputs, 0)), wide(required(layer, inputs, 1))
    bias, groups = optional(inputs, 2), layer.integer("group")
    strides, dilations = layer.ints("strides"), layer.ints("dilations")
    counts, begins, kernel, sizes = (
        layer.ints("counts"),
        layer.ints("begins"),
        w.shape[2:],
        x.shape[2:],
    )
    batch, channels = x.shape[:2]
    x = x.reshape(batch, groups, channels // groups, -1)
    w = w.reshape(groups, channels // groups, w.shape[1], *kernel)
    full = [
        max((n - 1) * s + (k - 1) * d + 1, c + b)
        for n, s, k, d, c, b in zip(sizes, strides, kernel, dilations, counts, begins, strict=True)
    ]
    result = np.zeros((batch, groups, w.shape[2], *full))
    lead = (slice(None),) * 3
    for tap in np.ndindex(*kernel):
        part = np.einsum("ngcs,gcm->ngms", x, w[(*lead, *tap)])
        box = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilations, sizes, strides, strict=True)
        )
        result[(*lead, *box)] += part.reshape(*part.shape[:3], *sizes)
    crop = tuple(slice(b, b + c) for b, c in zip(begins, counts, strict=True))
    result = result[(*lead, *crop)].reshape(batch, groups * w.shape[2], *counts)
    if bias is not None:
        result = result + wide(bias).reshape(-1, *(1,) * len(counts))
    return [narrow(result)]


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


@evaluates("einsum")
def einsum(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Sum of products over named dimensions."""
    operands = [wide(required(layer, inputs, i)) for i in range(len(inputs))]
    equation = layer.text("equation").replace(" ", "")
    return [np.asarray(np.einsum(equation, *operands)).astype(required(layer, inputs, 0).dtype)]
