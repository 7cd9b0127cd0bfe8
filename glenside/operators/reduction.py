"""Reductions and normalisations: operators that combine a whole slice of a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import Inputs, evaluates, narrow, optional, required, wide

__all__ = [
    "arg_extremum", "batch_normalization", "cum_sum", "hardmax", "instance_normalization",
    "layer_normalization", "local_response_normalization", "lp_normalization", "reduce",
    "reduce_extremum", "rms_normalization", "softmax",
]  # fmt: skip


def _log_sum_exp(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    peak = x.max(axis=axes, keepdims=True, initial=-math.inf)
    shift = np.where(np.isfinite(peak), peak, 0.0)
    total = np.log(np.exp(x - shift).sum(axis=axes, keepdims=True)) + shift
    return np.asarray(total if keep else total.sum(axis=axes))


_REDUCTIONS: dict[str, Callable[[Tensor, tuple[int, ...], bool], Tensor]] = {
    "reduce_sum": lambda x, axes, keep: x.sum(axis=axes, keepdims=keep),
    "reduce_mean": lambda x, axes, keep: x.mean(axis=axes, keepdims=keep),
    "reduce_prod": lambda x, axes, keep: x.prod(axis=axes, keepdims=keep),
    "reduce_l1": lambda x, axes, keep: np.abs(x).sum(axis=axes, keepdims=keep),
    "reduce_l2": lambda x, axes, keep: np.sqrt(np.square(x).sum(axis=axes, keepdims=keep)),
    "reduce_sum_square": lambda x, axes, keep: np.square(x).sum(axis=axes, keepdims=keep),
    "reduce_log_sum": lambda x, axes, keep: np.log(x.sum(axis=axes, keepdims=keep)),
    "reduce_log_sum_exp": _log_sum_exp,
}


@evaluates(*_REDUCTIONS)
def reduce(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Combine the given axes into one number each."""
    x, axes, keep = required(layer, inputs, 0), layer.ints("axes"), bool(layer.integer("keepdims"))
    with np.errstate(all="ignore"):
        if x.dtype.kind == "f":
            return [narrow(np.asarray(_REDUCTIONS[layer.op](wide(x), axes, keep)))]
        return [np.asarray(_REDUCTIONS[layer.op](x, axes, keep)).astype(x.dtype)]


@evaluates("reduce_max", "reduce_min")
def reduce_extremum(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Largest or smallest value over the given axes."""
    x, axes, keep = required(layer, inputs, 0), layer.ints("axes"), bool(layer.integer("keepdims"))
    return [
        np.asarray(
            x.max(axes, keepdims=keep) if layer.op == "reduce_max" else x.min(axes, keepdims=keep)
        )
    ]


@evaluates("arg_max", "arg_min")
def arg_extremum(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Index of the first (or last) largest or smallest value along an axis."""
    x, axis = required(layer, inputs, 0), layer.integer("axis")
    find = np.argmax if layer.op == "arg_max" else np.argmin
    if layer.integer("select_last_index"):
        index = x.shape[axis] - 1 - find(np.flip(x, axis), axis=axis)
    else:
        index = find(x, axis=axis)
    index = np.asarray(index, dtype=np.int64)
    return [np.expand_dims(index, axis) if layer.integer("keepdims") else index]


@evaluates("softmax", "log_softmax")
def softmax(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Softmax over ``axes`` jointly (one axis, or all from one on before ONNX opset 13)."""
    x = wide(required(layer, inputs, 0))
    axes = layer.ints("axes")
    with np.errstate(all="ignore"):  # a slice of -inf only gives NaN, as the definition does
        shifted = x - x.max(axis=axes, keepdims=True)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=axes, keepdims=True)
        if layer.op == "log_softmax":
            return [narrow(shifted - np.log(sums))]
        return [narrow(exponentials / sums)]


@evaluates("hardmax")
def hardmax(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """One at the first largest value along ``axes``, zero elsewhere."""
    x = required(layer, inputs, 0)
    first = layer.ints("axes")[0]
    rows = x.reshape(*x.shape[:first], -1) if len(layer.ints("axes")) > 1 else x
    axis = first if len(layer.ints("axes")) == 1 else rows.ndim - 1
    y = np.zeros_like(rows)
    np.put_along_axis(y, np.expand_dims(rows.argmax(axis=axis), axis), 1, axis=axis)
    return [y.reshape(x.shape)]


@evaluates("batch_normalization")
def batch_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Inference form: ``(x - mean) / sqrt(var + epsilon) * scale + bias`` per channel."""
    x = wide(required(layer, inputs, 0))
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale, bias, mean, var = (wide(required(layer, inputs, i)).reshape(shape) for i in range(1, 5))
    return [narrow((x - mean) / np.sqrt(var + layer.number("epsilon")) * scale + bias)]


@evaluates("layer_normalization")
def layer_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Normalise over all axes from ``axis`` on; outputs y, mean and inverse deviation."""
    x, axis = wide(required(layer, inputs, 0)), layer.integer("axis")
    scale, bias = wide(required(layer, inputs, 1)), optional(inputs, 2)
    axes = tuple(range(axis, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    inverse = 1.0 / np.sqrt(
        np.square(x - mean).mean(axis=axes, keepdims=True) + layer.number("epsilon")
    )
    y = (x - mean) * inverse * scale
    if bias is not None:
        y = y + wide(bias)
    return [narrow(y), narrow(mean), narrow(inverse)][: len(layer.outputs)]


@evaluates("rms_normalization")
def rms_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Divide by the root mean square over all axes from ``axis`` on."""
    x, scale = wide(required(layer, inputs, 0)), wide(required(layer, inputs, 1))
    axes = tuple(range(layer.integer("axis"), x.ndim))
    mean = np.square(x).mean(axis=axes, keepdims=True)
    return [narrow(x / np.sqrt(mean + layer.number("epsilon")) * scale)]


@evaluates("lp_normalization")
def lp_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Divide by the 1-norm or 2-norm along an axis; a slice of zeros stays."""
    x, axis = wide(required(layer, inputs, 0)), layer.integer("axis")
    norm = np.linalg.norm(x, ord=layer.integer("p"), axis=axis, keepdims=True)
    return [narrow(x / np.where(norm == 0.0, 1.0, norm))]


@evaluates("instance_normalization")
def instance_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Normalise every channel of every sample over its spatial dimensions."""
    x = wide(required(layer, inputs, 0))
    shape = (-1,) + (1,) * (x.ndim - 2)
    scale, bias = (wide(required(layer, inputs, i)).reshape(shape) for i in (1, 2))
    axes = tuple(range(2, x.ndim))
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return [narrow((x - mean) / np.sqrt(var + layer.number("epsilon")) * scale + bias)]


@evaluates("lrn")
def local_response_normalization(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Divide by a power of the mean square over neighbouring channels."""
    x, size = wide(required(layer, inputs, 0)), layer.integer("size")
    before = (size - 1) // 2
    widths = [(0, 0), (before, size - 1 - before)] + [(0, 0)] * (x.ndim - 2)
    padded = np.pad(np.square(x), widths)
    sums = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1).sum(axis=-1)
    factor = layer.number("bias") + layer.number("alpha") / size * sums
    return [narrow(x / factor ** layer.number("beta"))]


@evaluates("cum_sum")
def cum_sum(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Running sum along an axis, inclusive or exclusive, forwards or backwards."""
    x, axis = required(layer, inputs, 0), layer.integer("axis")
    flipped = np.flip(x, axis) if layer.integer("reverse") else x
    y = np.cumsum(flipped, axis=axis, dtype=x.dtype)
    if layer.integer("exclusive"):
        y = y - flipped
    return [np.ascontiguousarray(np.flip(y, axis) if layer.integer("reverse") else y)]
