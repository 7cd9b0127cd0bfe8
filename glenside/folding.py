"""Folding of per-channel scales and shifts into the convolution or dense layer before them.

Batch normalisation, and multiplication or addition of a constant per channel, become part of the
weights and the bias. The products are taken in binary64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glenside.network import Layer, Network, Tensor


@dataclass(frozen=True)
class _Affine:
    """``y = scale * x + shift``, for every channel."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]


def fold(network: Network) -> Network:
    """The network with per-channel scales and shifts folded into the layers they follow.

    A layer is folded into its producer when that is a convolution or a dense layer with constant
    weights whose result nobody else reads. The folded layer keeps the producer's name.
    """
    constants = dict(network.constants)
    layers: list[Layer] = []
    writers: dict[str, int] = {}  # tensor -> position of the layer that computes it
    created: set[str] = set()  # constants that folding made
    readers: dict[str, int] = dict.fromkeys(network.outputs, 1)
    for layer in network.layers:
        for name in layer.inputs:
            readers[name] = readers.get(name, 0) + 1
    for layer in network.layers:
        target = _producer(layer, layers, writers, readers)
        change = None if target is None else _affine(layer, layers[target], network, constants)
        if target is None or change is None:
            writers.update({name: len(layers) for name in layer.outputs if name})
            layers.append(layer)
            continue
        merged = _scaled(layers[target], change, constants)
        for name in created.intersection(layers[target].inputs):
            del constants[name]  # of an earlier fold
        created.update(merged.inputs[1:])
        layers[target] = replace(merged, outputs=layer.outputs)
        writers[layer.outputs[0]] = target
    used = {name for layer in layers for name in layer.inputs} | set(network.outputs)
    shapes = {**network.shapes, **{name: value.shape for name, value in constants.items()}}
    kept = used | {name for layer in layers for name in layer.outputs} | set(network.inputs)
    return replace(
        network,
        layers=tuple(layers),
        constants={name: value for name, value in constants.items() if name in used},
        shapes={name: shape for name, shape in shapes.items() if name in kept},
    )


def _producer(
    layer: Layer, layers: list[Layer], writers: Mapping[str, int], readers: Mapping[str, int]
) -> int | None:
    """Position of the convolution or dense layer whose only reader is this layer."""
    if layer.op not in ("batch_normalization", "mul", "add"):
        return None
    for name in layer.inputs:
        position = writers.get(name)
        if position is None or readers[name] != 1:
            continue
        if layers[position].op in ("conv", "gemm"):
            return position
    return None


def _affine(
    layer: Layer, target: Layer, network: Network, constants: Mapping[str, Tensor]
) -> _Affine | None:
    """The layer's effect on every channel of its producer; None when it is not of that kind."""
    data = target.outputs[0]
    others = [name for name in layer.inputs if name != data]
    if not all(name in constants for name in (*others, *target.inputs[1:])):
        return None
    if target.op == "gemm" and (target.number("alpha"), target.number("beta")) != (1.0, 1.0):
        return None
    values = [constants[name].astype(np.float64) for name in others]
    shape = network.shapes[data]
    channels = shape[1]
    if layer.op == "batch_normalization":
        scale, bias, mean, var = values
        factor = scale / np.sqrt(var + layer.number("epsilon"))
        return _Affine(factor, bias - mean * factor)
    if len(values) != 1 or network.shapes[layer.outputs[0]] != shape:
        return None
    aligned = values[0].reshape((1,) * (len(shape) - values[0].ndim) + values[0].shape)
    if any(size != 1 for dim, size in enumerate(aligned.shape) if dim != 1):
        return None  # it differs between positions, not only between channels
    value = np.broadcast_to(aligned.reshape(-1), channels)
    if layer.op == "mul":
        return _Affine(value, np.zeros(channels))
    return _Affine(np.ones(channels), value)


def _scaled(layer: Layer, change: _Affine, constants: dict[str, Tensor]) -> Layer:
    """The layer with other weights and bias, which are added to the constants."""
    weight = constants[layer.inputs[1]].astype(np.float64)
    axis = 0 if layer.op == "conv" or layer.integer("trans_b") else 1
    factor = change.scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    bias = np.zeros(len(change.scale))
    if len(layer.inputs) > 2:
        bias = np.broadcast_to(constants[layer.inputs[2]].reshape(-1), bias.shape)
    names = (_fresh(f"{layer.name}.weight", constants), _fresh(f"{layer.name}.bias", constants))
    constants[names[0]] = (weight * factor).astype(np.float32)
    constants[names[1]] = (bias * change.scale + change.shift).astype(np.float32)
    return replace(layer, inputs=(layer.inputs[0], *names))


def _fresh(name: str, taken: Mapping[str, Tensor]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}.{count}"
    return candidate
