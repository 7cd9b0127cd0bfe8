"""Resizing by interpolation, one dimension after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import Inputs, evaluates, narrow, required, wide

__all__ = ["resize"]

_Doubles = NDArray[np.float64]


@evaluates("resize")
def resize(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Nearest, linear or cubic interpolation to ``sizes``, for each dimension on its own."""
    x = required(layer, inputs, 0)
    result = x if layer.text("mode") == "nearest" else wide(x)
    scales = layer.attributes["scales"]
    assert isinstance(scales, tuple)
    for axis, (size, scale) in enumerate(zip(layer.ints("sizes"), scales, strict=True)):
        length = x.shape[axis]
        if size == length and scale == 1.0:
            continue
        places = _places(layer.text("coordinates"), size, length, float(scale))
        if layer.text("mode") == "nearest":
            index = np.clip(_nearest(layer.text("nearest"), places), 0, length - 1)
            result = np.take(result, index, axis=axis)
        else:
            matrix = _weights(layer, places, length)
            result = np.moveaxis(np.moveaxis(result, axis, -1) @ matrix.T, -1, axis)
    return [result if layer.text("mode") == "nearest" else narrow(result).astype(x.dtype)]


def _places(mode: str, size: int, length: int, scale: float) -> _Doubles:
    """Where in the input each output element lies."""
    index = np.arange(size, dtype=np.float64)
    if mode == "asymmetric":
        return index / scale
    exact = scale * length  # the output may be cut off
    if mode == "align_corners":
        return index * (length - 1) / (exact - 1) if exact != 1 else np.zeros(size)
    if mode == "pytorch_half_pixel" and size == 1:
        return np.zeros(1)
    half = (index + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return length / 2 * (1 - size / exact) + half
    return half


def _nearest(mode: str, places: _Doubles) -> NDArray[np.int64]:
    rounded = {
        "round_prefer_floor": np.ceil(places - 0.5),
        "round_prefer_ceil": np.floor(places + 0.5),
        "floor": np.floor(places),
        "ceil": np.ceil(places),
    }[mode]
    return rounded.astype(np.int64)


def _weights(layer: Layer, places: _Doubles, length: int) -> _Doubles:
    """Share of every input element in every output element; the edge is repeated outside."""
    base = np.floor(places).astype(np.int64)
    ratio = places - base
    if layer.text("mode") == "linear":
        taps = {0: 1.0 - ratio, 1: ratio}
    else:
        a = layer.number("cubic_coeff_a")
        near = {0: ratio, 1: 1.0 - ratio}
        far = {-1: 1.0 + ratio, 2: 2.0 - ratio}
        taps = {k: ((a + 2) * d - (a + 3)) * d * d + 1 for k, d in near.items()}
        taps |= {k: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a for k, d in far.items()}
    matrix = np.zeros((len(places), length))
    rows = np.arange(len(places))
    for tap, weight in taps.items():
        index = base + tap
        if layer.integer("exclude_outside"):
            weight = np.where((index >= 0) & (index < length), weight, 0.0)
        np.add.at(matrix, (rows, np.clip(index, 0, length - 1)), weight)
    if layer.integer("exclude_outside"):
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix
