"""Folding of per-channel factors and offsets into the convolution or dense layer before them.

Inference-time batch normalisation is one of each; products and sums with constants that differ
between channels only are the others. The factors alpha and beta of a Gemm with constant operands
are folded the same way.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from systolab.glenside.network.network import Layer, Network, Tensor

__all__ = ["fold"]

_Doubles = NDArray[np.float64]


def fold(network: Network) -> Network:
    """The network without the layers that a convolution or dense layer can absorb.

    The absorbing layer must have constant weights and feed the absorbed one alone. The new weights
    and biases are computed in binary64 and rounded once; the layer takes over the absorbed one's
    output.
    """
    producers = {name: layer.name for layer in network.layers for name in layer.outputs}
    uses = [name for layer in network.layers for name in layer.inputs] + list(network.outputs)
    shapes = dict(network.shapes)
    constants = dict(network.constants)
    layers = {layer.name: layer for layer in network.layers}
    pending: dict[str, tuple[_Doubles, _Doubles]] = {}  # factor and offset of absorbing layers
    for layer in network.layers:
        if layer.op == "gemm" and _absorbs(layer, network) and not _plain(layer):
            size = network.shapes[layer.outputs[0]][-1]
            pending[layer.name] = np.ones(size), np.zeros(size)
    for layer in network.layers:
        source = _variable(layer, network)
        core = layers.get(producers.get(source, ""))
        if core is None or uses.count(source) != 1 or not _absorbs(core, network):
            continue
        channels = network.shapes[source][1 if core.op == "conv" else -1]
        affine = _affine(layer, network, len(network.shapes[source]), channels, core.op)
        if affine is None or network.shapes[layer.outputs[0]] != network.shapes[source]:
            continue
        if core.op == "matmul" and affine[1].any():
            continue  # it has no bias of its own
        factor, offset = pending.get(core.name, (np.ones(channels), np.zeros(channels)))
        pending[core.name] = factor * affine[0], offset * affine[0] + affine[1]
        layers[core.name] = replace(core, outputs=(layer.outputs[0],))
        producers[layer.outputs[0]] = core.name
        del layers[layer.name]
    for name, (factor, offset) in pending.items():
        core = layers[name]
        kinds = ("weight",) if core.op == "matmul" else ("weight", "bias")
        names = tuple(_fresh(f"{name}.{kind}", shapes) for kind in kinds)
        for constant, value in zip(names, _scaled(core, factor, offset, constants), strict=False):
            constants[constant], shapes[constant] = value, value.shape
        attributes = dict(core.attributes)
        if core.op == "gemm":
            attributes |= {"alpha": 1.0, "beta": 1.0}
        layers[name] = replace(core, inputs=(core.inputs[0], *names), attributes=attributes)
    kept = tuple(layers[layer.name] for layer in network.layers if layer.name in layers)
    used = {name for layer in kept for name in layer.inputs} | set(network.outputs)
    return replace(
        network,
        layers=kept,
        constants={name: value for name, value in constants.items() if name in used},
        shapes=shapes,
    )


def _variable(layer: Layer, network: Network) -> str:
    """The one input that is not constant, "" if there are none or several."""
    names = [name for name in layer.inputs if name and name not in network.constants]
    return names[0] if len(names) == 1 else ""


def _absorbs(layer: Layer, network: Network) -> bool:
    if layer.op not in ("conv", "gemm", "matmul"):
        return False
    if _variable(layer, network) != layer.inputs[0]:
        return False
    if any(network.constants[name].dtype != np.float32 for name in layer.inputs[1:] if name):
        return False
    if layer.op == "matmul":
        return len(network.shapes[layer.inputs[1]]) > 1
    if layer.op == "gemm" and len(layer.inputs) > 2 and layer.inputs[2]:
        bias, size = network.shapes[layer.inputs[2]], network.shapes[layer.outputs[0]][-1]
        return prod(bias) == 1 or (prod(bias) == size and bias[-1] == size)
    return True


def _plain(layer: Layer) -> bool:
    return layer.number("alpha") == 1.0 and layer.number("beta") == 1.0


def _affine(
    layer: Layer, network: Network, rank: int, channels: int, core: str
) -> tuple[_Doubles, _Doubles] | None:
    """The layer as factor and offset of every channel, if it is no more than that."""
    if layer.op == "batch_normalization":
        gamma, beta, mean, variance = (
            network.constants[name].astype(np.float64) for name in layer.inputs[1:5]
        )
        factor = gamma / np.sqrt(variance + layer.number("epsilon"))
        return factor, beta - mean * factor
    if layer.op not in ("mul", "add"):
        return None
    constant = next(network.constants[n] for n in layer.inputs if n in network.constants)
    shape = (1,) * (rank - constant.ndim) + constant.shape
    axis = 1 if core == "conv" else rank - 1
    if len(shape) != rank or any(d > 1 and i != axis for i, d in enumerate(shape)):
        return None
    values = np.broadcast_to(constant.astype(np.float64).reshape(-1), (channels,))
    if layer.op == "mul":
        return values, np.zeros(channels)
    return np.ones(channels), values


def _scaled(
    core: Layer, factor: _Doubles, offset: _Doubles, constants: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    weight = constants[core.inputs[1]].astype(np.float64)
    alpha, beta = (core.number(n) if core.op == "gemm" else 1.0 for n in ("alpha", "beta"))
    if core.op == "matmul":
        axis = weight.ndim - 1
    else:
        axis = 0 if core.op == "conv" or core.integer("trans_b") else 1
    shape = tuple(-1 if i == axis else 1 for i in range(weight.ndim))
    bias = offset
    if len(core.inputs) > 2 and core.inputs[2]:
        bias = offset + beta * constants[core.inputs[2]].astype(np.float64).reshape(-1) * factor
    scaled = weight * (alpha * factor).reshape(shape)
    return scaled.astype(np.float32), bias.astype(np.float32)


def _fresh(name: str, taken: dict[str, tuple[int, ...]]) -> str:
    while name in taken:
        name += "'"
    return name
