"""Evaluation of layers and networks on the host, in binary32 with ONNX's semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Layer, Network, Tensor
from systolab.glenside.operators import linear, movement, pointwise, pooling, reduction, resize
from systolab.glenside.operators.registry import EVALUATORS

__all__ = ["evaluate", "execute"]

_FAMILIES = (
    linear,
    movement,
    pointwise,
    pooling,
    reduction,
    resize,
)  # importing them fills EVALUATORS


def evaluate(layer: Layer, inputs: Sequence[Tensor | None]) -> list[Tensor]:
    """Outputs of one layer; None stands for an absent optional input.

    Raises:
        SystolabError: the operator is unknown, its parameters do not fit, or an index is outside
            what it selects from.
    """
    evaluator = EVALUATORS.get(layer.op)
    if evaluator is None:
        raise SystolabError(f"Operator '{layer.op}' (layer '{layer.name}') is not supported")
    try:
        return evaluator(layer, inputs)
    except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
        # NumPy refuses shapes, axes and indices; SystolabError says why by itself.
        if isinstance(problem, SystolabError):
            raise
        raise SystolabError(
            f"Layer '{layer.name}' ({layer.op}) must have parameters that fit its inputs: {problem}"
        ) from problem


def execute(
    network: Network,
    feeds: Mapping[str, Tensor],
    observe: Callable[[str, Tensor], None] | None = None,
) -> dict[str, Tensor]:
    """Outputs of a network for the given inputs; a tensor is dropped after its last use.

    Args:
        network: what to run.
        feeds: a value for every input, of the declared shape.
        observe: called with every tensor that is computed, and with the inputs.

    Raises:
        SystolabError: an input is missing or has another shape or type.
    """
    values: dict[str, Tensor] = dict(network.constants)
    for name, shape in network.inputs.items():
        if name not in feeds:
            raise SystolabError(f"Input '{name}' must be given")
        value = np.asarray(feeds[name])
        if value.shape != shape:
            raise SystolabError(f"Input '{name}' must have shape {shape}, not {value.shape}")
        kind = network.types.get(name)
        if kind is not None and value.dtype.kind != np.dtype(kind).kind:
            raise SystolabError(f"Input '{name}' must be of type {kind}, not {value.dtype}")
        values[name] = value.astype(np.float32) if value.dtype.kind == "f" else value
        if observe is not None:
            observe(name, values[name])
    last = {tensor: layer.name for layer in network.layers for tensor in layer.inputs}
    for layer in network.layers:
        results = evaluate(layer, [values[name] if name else None for name in layer.inputs])
        for name, result in zip(layer.outputs, results, strict=False):
            if name:
                values[name] = result
                if observe is not None:
                    observe(name, result)
        for name in {*layer.inputs, *layer.outputs} - {*network.outputs, ""}:
            if last.get(name, layer.name) == layer.name:
                values.pop(name, None)
    return {name: values[name] for name in network.outputs}
