"""Dynamic dimensions of inputs: which size each takes, and which must be asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import onnx

from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.glenside.network.limits import ELEMENTS, check_limit, extent
from systolab.glenside.network.network import Shape

__all__ = ["Dimensions", "Dims", "spelt"]

Dims: TypeAlias = Mapping[str, int] | str

# What exporters call a batch; a size that they know nothing of is "unk__1" or "?".
_BATCH = re.compile(r"n|b|bs|(?!.*(seq|len|time)).*batch.*|unk__\d+|none|\?", re.IGNORECASE)
_SIZE = re.compile(r"[0-9]{1,10}")

# Operators behind which the first dimension of a tensor is no longer that of their first input.
_REARRANGING = frozenset({
    "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat",
    "Einsum", "Expand", "Tile", "Shape", "Size",
})  # fmt: skip
_STEPPING = frozenset({"LSTM", "GRU", "RNN"})  # their first dimension is time


def spelt(dims: Dims | None) -> str | None:
    """Sizes of dimensions as text."""
    if dims is None or isinstance(dims, str):
        return dims
    return ",".join(f"{name}={size}" for name, size in dims.items())


class Dimensions:
    """The sizes of dynamic dimensions of a graph's inputs."""

    def __init__(self, graph: onnx.GraphProto, batch: int | None, dims: Dims | None) -> None:
        """Take what is given.

        Args:
            graph: whose inputs.
            batch: size of all dynamic leading dimensions that are not in ``dims``; None: 1 where
                the dimension is a batch.
            dims: sizes by name, or by input and position: ``{"N": 8, "x[1]": 4}`` or, as text,
                ``"N=8,x[1]=4"``.

        Raises:
            SystolabError: a size is none, or of a dimension that no input has.
        """
        if batch is not None and batch < 1:
            raise SystolabError(Parameter("batch"), f" must be at least 1, not {batch}")
        self._batch = batch
        self._given = _parsed(dims)
        self._steps = _sequences(graph)
        self.assumed: list[str] = []  # dimensions that were taken as 1, in words
        known = [name for value in graph.input for name in _dynamic(value)]
        for name in self._given:
            if name not in known:
                choices = "one of " + ", ".join(known) if known else "left out: none is dynamic"
                raise SystolabError(
                    Parameter("dims"), f" must be {choices}, not {name!r}{meant(name, known)}"
                )

    def shape(self, value: onnx.ValueInfoProto) -> Shape:
        """The shape of an input.

        Raises:
            SystolabError: a size is not known, or the input is too large.
        """
        shape = []
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            place = f"{value.name}[{axis}]"
            if dim.HasField("dim_value") and dim.dim_value > 0:
                shape.append(dim.dim_value)
            elif place in self._given:
                shape.append(self._given[place])
            elif dim.dim_param in self._given:
                shape.append(self._given[dim.dim_param])
            else:
                shape.append(self._leading(value, axis, dim.dim_param))
        check_limit(f"Input '{value.name}'", ELEMENTS, "elements", extent(shape))
        return tuple(shape)

    def _leading(self, value: onnx.ValueInfoProto, axis: int, symbol: str) -> int:
        """Size of a dimension that none is given for: a batch, or refused."""
        if axis == 0 and self._batch is not None:
            return self._batch
        rank = len(value.type.tensor_type.shape.dim)
        named = _BATCH.fullmatch(symbol) is not None if symbol else rank > 1
        if axis == 0 and named and value.name not in self._steps:
            said = f"{symbol} of input {value.name}" if symbol else f"{value.name}[0]"
            self.assumed.append(said)
            return 1
        written = f" ('{symbol}')" if symbol else ""
        doubt = " that may be no batch" if axis == 0 else ""
        name = symbol or f"{value.name}[{axis}]"
        raise SystolabError(
            f"Input '{value.name}' must have a fixed size in dimension {axis}{written}, not a "
            f"dynamic one{doubt}: give it one, for example ",
            Parameter("dims", f"{name}=8"),
        )


def _dynamic(value: onnx.ValueInfoProto) -> list[str]:
    """Names of an input's dynamic dimensions."""
    names = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if not (dim.HasField("dim_value") and dim.dim_value > 0):
            names += [dim.dim_param] if dim.dim_param else []
            names.append(f"{value.name}[{axis}]")
    return names


def _parsed(dims: Dims | None) -> dict[str, int]:
    if dims is None or dims == "":
        return {}
    if isinstance(dims, str):
        sizes: dict[str, int] = {}
        for item in dims.split(","):
            name, equals, size = item.rpartition("=")
            if not equals or not name or not _SIZE.fullmatch(size):
                raise SystolabError(Parameter("dims"), f" must be NAME=SIZE,.., not {dims!r}")
            sizes[name] = int(size)
    elif isinstance(dims, Mapping):
        sizes = dict(dims)
    else:
        raise SystolabError(
            Parameter("dims"), f" must be sizes by name, such as {{'N': 8}}, not {dims!r}"
        )
    for name, number in sizes.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise SystolabError(
                Parameter("dims"), f" must have sizes of at least 1, not {name}={number!r}"
            )
    return sizes


def _sequences(graph: onnx.GraphProto) -> set[str]:
    """Inputs whose first dimension a recurrent layer steps along."""
    origins = {value.name: {value.name} for value in graph.input}
    found: set[str] = set()
    for node in graph.node:
        # Of Gather the indices' dimensions come first where it selects along the first axis.
        names = node.input[1:2] if node.op_type == "Gather" else node.input[:1]
        reached = {origin for name in names for origin in origins.get(name, ())}
        if node.op_type in _STEPPING:
            batch_first = any(item.name == "layout" and item.i for item in node.attribute)
            found |= set() if batch_first else reached
        elif node.op_type not in _REARRANGING:
            for output in node.output:
                origins.setdefault(output, set()).update(reached)
    return found
