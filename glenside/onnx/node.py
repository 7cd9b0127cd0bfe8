"""One ONNX node as the importer sees it: resolved inputs, known shapes, known constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import external_data_helper, numpy_helper

from systolab.formats.errors import SystolabError
from systolab.glenside.network.limits import ELEMENTS, check_limit, extent
from systolab.glenside.network.network import Attribute, Shape, Tensor

__all__ = ["Node", "Translation", "read_tensor"]


@dataclass(frozen=True)
class Translation:
    """A layer without its names, or a tensor known at import, or the nodes a node stands for."""

    op: str = ""
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] | None = None
    value: Tensor | None = None
    nodes: tuple[onnx.NodeProto, ...] | None = None


def read_tensor(proto: onnx.TensorProto, name: str) -> Tensor:
    """The array in an ONNX tensor.

    Raises:
        SystolabError: its data is not in the model, or does not fit its type and shape.
    """
    if external_data_helper.uses_external_data(proto):  # where none is read from files
        raise SystolabError(f"Tensor '{name}' must hold its data in the model, not in a file")
    if min(proto.dims, default=0) < 0:
        raise SystolabError(f"Tensor '{name}' must have sizes of at least 0, not {[*proto.dims]}")
    check_limit(f"Tensor '{name}'", ELEMENTS, "elements", extent(proto.dims))
    try:
        return np.asarray(numpy_helper.to_array(proto))
    except (ValueError, TypeError, KeyError, OverflowError) as problem:
        reason = str(problem) if not isinstance(problem, KeyError) else "unknown element type"
        raise SystolabError(f"Tensor '{name}' must hold valid data: {reason}") from None


class Node:
    """A node with helpers that turn every surprise into a sentence naming it."""

    def __init__(
        self,
        proto: onnx.NodeProto,
        name: str,
        opset: int,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        shapes: Mapping[str, Shape],
        types: Mapping[str, int],
        constants: Mapping[str, Tensor],
    ) -> None:
        self.proto = proto
        self.name = name
        self.opset = opset
        self.inputs = inputs
        self.outputs = outputs  # "" where nobody reads it
        self.shapes = shapes
        self.types = types  # ONNX element types
        self.constants = constants
        self.inferred: tuple[Shape | None, ...] = ()  # of the outputs, once they are known
        self._attributes = {item.name: item for item in proto.attribute}

    def error(self, complaint: str) -> SystolabError:
        """An error about this node."""
        return SystolabError(f"Operator {self.proto.op_type} (node '{self.name}') {complaint}")

    def has(self, name: str) -> bool:
        """Whether an attribute is written."""
        return name in self._attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute."""
        if name not in self._attributes:
            if default is None:
                raise self.error(f"must have an attribute '{name}'")
            return default
        return int(self._attributes[name].i)

    def number(self, name: str, default: float) -> float:
        """A binary32 attribute."""
        return float(self._attributes[name].f) if name in self._attributes else default

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        if name not in self._attributes:
            return default
        return str(self._attributes[name].s, "utf-8", "replace")

    def ints(self, name: str) -> tuple[int, ...] | None:
        """A list attribute; None when it is not written."""
        return tuple(self._attributes[name].ints) if name in self._attributes else None

    def tensor(self, name: str) -> Tensor | None:
        """A tensor attribute; None when it is not written."""
        if name not in self._attributes:
            return None
        return read_tensor(self._attributes[name].t, f"{self.name}.{name}")

    def attribute(self, name: str) -> onnx.AttributeProto | None:
        """The raw attribute; None when it is not written."""
        return self._attributes.get(name)

    def present(self, index: int) -> bool:
        """Whether an optional input is given."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def shape(self, index: int = 0) -> Shape:
        """Shape of an input."""
        if not self.present(index):
            raise self.error(f"must have an input {index}")
        return self.shapes[self.inputs[index]]

    def rank(self, index: int = 0) -> int:
        """Number of dimensions of an input."""
        return len(self.shape(index))

    def axis(self, axis: int, rank: int | None = None) -> int:
        """A possibly negative axis, checked and counted from the front."""
        size = self.rank() if rank is None else rank
        if not -size <= axis < max(size, 1):
            raise self.error(f"must have an axis from {-size} to {size - 1}, not {axis}")
        return axis + size if axis < 0 else axis

    def output_shape(self, index: int = 0) -> Shape:
        """The inferred shape of an output."""
        shape = self.inferred[index] if index < len(self.inferred) else None
        if shape is None:
            raise self.error(f"must have an output {index} whose shape does not depend on data")
        return self.bounded(shape)

    def bounded(self, shape: Shape) -> Shape:
        """The shape, unless it is negative or beyond the limit of a tensor."""
        if min(shape, default=0) < 0 or extent(shape) > ELEMENTS:
            raise self.error(f"must give a tensor of at most {ELEMENTS} elements, not {shape}")
        return shape

    def static(self, index: int) -> Tensor:
        """The value of an input that must be known at import."""
        if not self.present(index):
            raise self.error(f"must have an input {index}")
        value = self.constants.get(self.inputs[index])
        if value is None:
            raise self.error(
                f"must have a constant input {index} ('{self.inputs[index]}'), not a computed one"
            )
        return value

    def static_ints(self, index: int) -> tuple[int, ...]:
        """An input that must be a known list of integers."""
        return tuple(int(item) for item in self.static(index).reshape(-1))

    def data(self, count: int | None = None) -> tuple[str, ...]:
        """The first ``count`` inputs, without trailing absent ones."""
        names = list(self.inputs if count is None else self.inputs[:count])
        while names and names[-1] == "":
            names.pop()
        return tuple(names)
