"""Pooling."""

from __future__ import annotations

import math

import numpy as np

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import Inputs, evaluates, narrow, required, wide
from systolab.glenside.operators.windows import pad_spatial, pooled_extent, windows

__all__ = ["average_pool", "global_average_pool", "global_max_pool", "max_pool"]


def _pool_windows(layer: Layer, x: Tensor, value: float) -> tuple[Tensor, tuple[int, ...]]:
    counts, ends = pooled_extent(layer, x.shape[2:])
    rank = len(counts)
    padded = pad_spatial(x, (*layer.ints("pads")[:rank], *ends), value)
    view = windows(
        padded, layer.ints("kernel_shape"), layer.ints("strides"), layer.ints("dilations"), counts
    )
    return view, tuple(range(2 + rank, 2 + 2 * rank))


@evaluates("max_pool")
def max_pool(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Largest value of every window; padding never wins."""
    x = required(layer, inputs, 0)
    lowest = -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)
    view, axes = _pool_windows(layer, x, lowest)
    return [view.max(axis=axes)]


@evaluates("average_pool")
def average_pool(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Mean of every window; declared padding counts only with ``count_include_pad``."""
    x = required(layer, inputs, 0)
    view, axes = _pool_windows(layer, wide(x), 0.0)
    rank, pads = len(axes), layer.ints("pads")
    ones = np.ones((1, 1, *x.shape[2:]))
    if layer.integer("count_include_pad"):  # what ceil_mode adds beyond them never counts
        ones = pad_spatial(ones, pads, 1.0)
        _, ends = pooled_extent(layer, x.shape[2:])
        extra = (0,) * rank + tuple(e - p for e, p in zip(ends, pads[rank:], strict=True))
        counted = windows(
            pad_spatial(ones, extra, 0.0),
            layer.ints("kernel_shape"),
            layer.ints("strides"),
            layer.ints("dilations"),
            view.shape[2 : 2 + rank],
        )
    else:
        counted, _ = _pool_windows(layer, ones, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return [narrow(view.sum(axis=axes) / counted.sum(axis=axes))]


@evaluates("global_average_pool")
def global_average_pool(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Mean over all spatial dimensions, kept with size one."""
    x = required(layer, inputs, 0)
    return [narrow(wide(x).mean(axis=tuple(range(2, x.ndim)), keepdims=True))]


@evaluates("global_max_pool")
def global_max_pool(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Maximum over all spatial dimensions, kept with size one."""
    x = required(layer, inputs, 0)
    return [x.max(axis=tuple(range(2, x.ndim)), keepdims=True)]
