"""The table from operator name to the function that evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Layer, Tensor

__all__ = [
    "EVALUATORS", "Evaluator", "Inputs", "evaluates", "narrow", "optional", "required", "wide",
]  # fmt: skip

Inputs: TypeAlias = Sequence[Tensor | None]
Evaluator: TypeAlias = Callable[[Layer, Inputs], list[Tensor]]

EVALUATORS: dict[str, Evaluator] = {}


def evaluates(*ops: str) -> Callable[[Evaluator], Evaluator]:
    """Register a function as the evaluator of the named operators."""

    def register(function: Evaluator) -> Evaluator:
        for op in ops:
            EVALUATORS[op] = function
        return function

    return register


def required(layer: Layer, inputs: Inputs, index: int) -> Tensor:
    """An input that must be there.

    Raises:
        SystolabError: it is absent.
    """
    tensor = inputs[index] if index < len(inputs) else None
    if tensor is None:
        raise SystolabError(f"Layer '{layer.name}' ({layer.op}) must have an input {index}")
    return tensor


def optional(inputs: Inputs, index: int) -> Tensor | None:
    """An input that may be absent."""
    return inputs[index] if index < len(inputs) else None


def wide(tensor: Tensor) -> NDArray[np.float64]:
    """The tensor in binary64."""
    return tensor.astype(np.float64)


def narrow(tensor: Tensor) -> NDArray[np.float32]:
    """The tensor rounded to binary32."""
    with np.errstate(over="ignore"):
        return tensor.astype(np.float32)
