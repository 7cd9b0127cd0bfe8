"""Folding of inference-time batch normalisation into the layer before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glenside.network import Layer, Network, Tensor

Doubles = NDArray[np.float64]


def fold(network: Network) -> Network:
    """The network without batch normalisations that a convolution or dense layer can absorb.

    Such a layer must have constant weights and feed the normalisation alone. The new weights and
    biases are computed in binary64 and rounded once; the layer takes over the normalisation's
    output.
    """
    producers = {name: layer for layer in network.layers for name in layer.outputs}
    uses = [name for layer in network.layers for name in layer.inputs] + list(network.outputs)
    constants = dict(network.constants)
    shapes = dict(network.shapes)
    layers = {layer.name: layer for layer in network.layers}
    for norm in network.layers:
        if norm.op != "batch_normalization" or not _constant(norm.inputs[1:], constants):
            continue
        producer = producers.get(norm.inputs[0])
        core = None if producer is None else layers[producer.name]
        if core is None or uses.count(norm.inputs[0]) != 1 or not _absorbs(core, constants):
            continue
        weight, bias = _folded(core, norm, constants)
        names = tuple(_fresh(f"{core.name}.{kind}", shapes) for kind in ("weight", "bias"))
        for name, value in zip(names, (weight, bias), strict=True):
            constants[name], shapes[name] = value, value.shape
        layers[core.name] = replace(
            core, inputs=(core.inputs[0], *names), outputs=(norm.outputs[0],)
        )
        producers[norm.outputs[0]] = layers[core.name]
        del layers[norm.name]
    kept = tuple(layers[layer.name] for layer in network.layers if layer.name in layers)
    used = {name for layer in kept for name in layer.inputs} | set(network.outputs)
    return replace(
        network,
        layers=kept,
        constants={name: value for name, value in constants.items() if name in used},
        shapes=shapes,
    )


def _constant(names: tuple[str, ...], constants: dict[str, Tensor]) -> bool:
    return all(name in constants for name in names)


def _absorbs(layer: Layer, constants: dict[str, Tensor]) -> bool:
    if layer.op == "gemm":
        plain = layer.number("alpha") == 1.0 and layer.number("beta") == 1.0
        return plain and _constant(tuple(filter(None, layer.inputs[1:])), constants)
    return layer.op == "conv" and _constant(tuple(filter(None, layer.inputs[1:])), constants)


def _folded(core: Layer, norm: Layer, constants: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    gamma, beta, mean, variance = (constants[n].astype(np.float64) for n in norm.inputs[1:5])
    factor: Doubles = gamma / np.sqrt(variance + norm.number("epsilon"))
    weight = constants[core.inputs[1]].astype(np.float64)
    axis = 0 if core.op == "conv" or core.integer("trans_b") else 1
    shape = tuple(-1 if i == axis else 1 for i in range(weight.ndim))
    bias: Doubles = np.zeros(len(factor))
    if len(core.inputs) > 2 and core.inputs[2]:
        bias = bias + constants[core.inputs[2]].astype(np.float64).reshape(-1)
    return (
        (weight * factor.reshape(shape)).astype(np.float32),
        ((bias - mean) * factor + beta).astype(np.float32),
    )


def _fresh(name: str, taken: dict[str, tuple[int, ...]]) -> str:
    while name in taken:
        name += "'"
    return name
