"""A network: tensors by name, and layers in topological order.

Every static parameter of an operator (axes, pads, shapes, ...) is an attribute of its layer,
whatever the ONNX version it came from; a layer's inputs are tensors that hold data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.outside.short import representation

__all__ = ["Attribute", "Layer", "Network", "Shape", "Tensor"]

Tensor: TypeAlias = NDArray[Any]  # float32, int32, int64 or bool: known only when a model is read
Shape: TypeAlias = tuple[int, ...]
Attribute: TypeAlias = int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Layer:
    """One operator.

    Attributes:
        name: unique in its network.
        op: lower-snake name of the ONNX operator: "conv", "gemm", "max_pool", ...
        inputs: tensor names; "" stands for an absent optional input.
        outputs: tensor names; "" stands for an output that nobody reads.
        attributes: the operator's static parameters.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def ints(self, name: str) -> tuple[int, ...]:
        """The attribute as integers.

        Raises:
            SystolabError: the layer has no such attribute, or it is of another kind.
        """
        value = self.attributes.get(name)
        if not isinstance(value, tuple):
            raise SystolabError(self._complaint(name, "a list of integers", value))
        return tuple(int(item) for item in value)

    def integer(self, name: str) -> int:
        """The attribute as an integer.

        Raises:
            SystolabError: the layer has no such attribute, or it is of another kind.
        """
        value = self.attributes.get(name)
        if not isinstance(value, int):
            raise SystolabError(self._complaint(name, "an integer", value))
        return value

    def number(self, name: str) -> float:
        """The attribute as a number.

        Raises:
            SystolabError: the layer has no such attribute, or it is of another kind.
        """
        value = self.attributes.get(name)
        if not isinstance(value, int | float):
            raise SystolabError(self._complaint(name, "a number", value))
        return float(value)

    def text(self, name: str) -> str:
        """The attribute as text.

        Raises:
            SystolabError: the layer has no such attribute, or it is of another kind.
        """
        value = self.attributes.get(name)
        if not isinstance(value, str):
            raise SystolabError(self._complaint(name, "text", value))
        return value

    def _complaint(self, name: str, kind: str, value: object) -> str:
        return (
            f"Attribute '{name}' of layer '{self.name}' ({self.op}) must be {kind}, not {value!r}"
        )


@dataclass(frozen=True, repr=False)
class Network:
    """A directed acyclic graph of layers over named tensors of fixed shapes.

    Attributes:
        name: the graph's name.
        inputs: shape of every input.
        outputs: names of the tensors it computes.
        constants: tensors with data (weights, biases, tables).
        layers: in topological order.
        shapes: shape of every tensor: inputs, constants and what layers compute.
        types: element type of inputs and of what layers compute, where it is not "float32":
            "int64", "int32" or "bool".
        assumed: dynamic dimensions of inputs that were taken as 1, a batch, in words.

    Raises:
        SystolabError: a layer reads a tensor that no earlier layer computes, or two layers share a
            name or an output.
    """

    name: str
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    constants: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    shapes: Mapping[str, Shape]
    types: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name and sizes: layers and weights are in the attributes."""
        sizes = f"{len(self.layers)} layers, {len(self.constants)} constants"
        return representation(self, f"{self.name}: {sizes}")

    def __post_init__(self) -> None:
        known = set(self.inputs) | set(self.constants)
        names: set[str] = set()
        for layer in self.layers:
            if layer.name in names:
                raise SystolabError(f"Layer names must be unique, not '{layer.name}' twice")
            names.add(layer.name)
            for tensor in layer.inputs:
                if tensor and tensor not in known:
                    raise SystolabError(
                        f"Input '{tensor}' of layer '{layer.name}' must be computed before it"
                    )
            for tensor in layer.outputs:
                if tensor in known:
                    raise SystolabError(f"Tensor '{tensor}' must be computed once, not twice")
                if tensor:
                    known.add(tensor)
        for tensor in self.outputs:
            if tensor not in known:
                raise SystolabError(f"Output '{tensor}' of the network must be computed by a layer")
        for tensor in known:
            if tensor not in self.shapes:
                raise SystolabError(f"Tensor '{tensor}' must have a known shape")
