"""Reading ONNX files: every layer canonical, every shape known, every static value folded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs
from onnx import TensorProto, helper, numpy_helper, shape_inference

from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.files import read_regular
from systolab.glenside.network.folding import fold
from systolab.glenside.network.limits import (
    FOLDED_ELEMENTS,
    FOLDED_PRODUCTS,
    LAYERS,
    MODEL_BYTES,
    check_limit,
    products,
)
from systolab.glenside.network.network import Layer, Network, Shape, Tensor
from systolab.glenside.onnx import external
from systolab.glenside.onnx.dimensions import Dimensions, Dims
from systolab.glenside.onnx.functions import DOMAINS, expanded, inlined, opset
from systolab.glenside.onnx.node import Node, Translation, read_tensor
from systolab.glenside.onnx.operators import TRANSLATORS, VALUES
from systolab.glenside.onnx.registry import CHECKS, Translator
from systolab.glenside.operators import host

__all__ = ["from_model", "load"]

# Floating-point types that become binary32 on import; wider ones are rounded once.
_FLOATS = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16,
)  # fmt: skip
_INTEGERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
_OPSETS = range(7, 29)  # operator sets whose tests this project has passed
# What onnx raises for models that break its rules; text that is not UTF-8 is a ValueError, and a
# size without end is more than its memory.
_INVALID = (
    onnx.checker.ValidationError, shape_inference.InferenceError, ValueError, MemoryError,
)  # fmt: skip
_SMALL = 1024  # constants up to this size take part in shape inference
# Operators that may read an infinite constant: masks and bounds, not weights.
_MASKING = frozenset({"where", "add", "max", "min", "clip", "pad", "concat", "equal", "less"})


def load(path: str | Path | Network, batch: int | None = None, dims: Dims | None = None) -> Network:
    """Read an ONNX file; batch normalisation is folded into the layers it follows.

    A network itself is returned as it is.

    >>> import systolab as sl
    >>> network = sl.load("examples/digits_cnn.onnx")
    >>> [layer.name for layer in network.layers if layer.op == "conv"]
    ['conv1', 'conv2']

    Args:
        path: the file; external data must lie in its folder or below.
        batch: size of all dynamic leading dimensions of inputs. None: 1 where such a dimension is
            a batch, as far as its name and the operators that read it tell.
        dims: sizes of dynamic dimensions, ``{"N": 8}`` or ``"N=8,M=4"``; one without a name is
            known by its input and position, ``"x[0]=8"``.

    Raises:
        SystolabError: the file is not ONNX, uses an unsupported operator, has a dynamic dimension
            of unknown size, or a weight that is NaN or infinite.
    """
    if isinstance(path, Network):
        if dims:
            raise SystolabError(Parameter("dims"), " must be given where the model is loaded")
        return path
    if not isinstance(path, str | Path):
        raise SystolabError(f"Model must be the path of an ONNX file or a Network, not {path!r}")
    file = Path(path)
    content = read_regular(file, f"Model '{path}'", MODEL_BYTES)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise SystolabError(f"File '{path}' must be an ONNX model") from None
    if not model.ir_version or not model.HasField("graph") or not model.opset_import:
        raise SystolabError(f"File '{path}' must be an ONNX model")
    external.load(model, file.parent)
    return fold(from_model(model, batch, dims))


def from_model(
    model: onnx.ModelProto,
    batch: int | None = None,
    dims: Dims | None = None,
    bound: Mapping[str, Tensor] | None = None,
) -> Network:
    """Network of a model in memory, as it is written.

    Args:
        model: the model; external data must have been loaded.
        batch: as for ``load``.
        dims: as for ``load``.
        bound: values of graph inputs that become constants.

    Raises:
        SystolabError: as ``load``.
    """
    for item in model.opset_import:
        if item.domain in DOMAINS and item.version not in _OPSETS:
            raise SystolabError(
                f"Operator set of the model must be from {_OPSETS[0]} to {_OPSETS[-1]}, "
                f"not {item.version}"
            )
    if not any(item.domain in DOMAINS for item in model.opset_import):
        raise SystolabError("Model must import a set of ONNX's own operators, not none")
    _check_names(model)
    if not model.graph.output:
        raise SystolabError("Graph must have an output, not none")
    check_limit("Graph", LAYERS, "nodes", expanded(model))
    try:
        onnx.checker.check_model(model)
    except _INVALID as problem:
        reason = str(problem).strip().split("\n", 1)[0]
        raise SystolabError(f"Model must be valid ONNX: {reason}") from None
    return _Importer(inlined(model), batch, dims, dict(bound or {})).run()


class _Importer:
    """One walk over a graph in its (topological) order."""

    def __init__(
        self,
        model: onnx.ModelProto,
        batch: int | None,
        sizes: Dims | None,
        bound: dict[str, Tensor],
    ) -> None:
        self.graph = model.graph
        self.dims, self.bound = Dimensions(model.graph, batch, sizes), bound
        self.imports = list(model.opset_import)
        self.opset = opset(model)
        self.constants: dict[str, Tensor] = {}
        self.shapes: dict[str, Shape] = {}
        self.types: dict[str, int] = {}  # ONNX element type of every tensor
        self.alias: dict[str, str] = {}  # output of an identity -> what it stands for
        self.layers: list[Layer] = []
        self.names: set[str] = set()
        self.folded = 0  # elements that layers of constants gave
        self.products = 0  # multiplications that they took
        self.read = {item for node in self.graph.node for item in node.input}
        self.read |= {value.name for value in self.graph.output}

    def run(self) -> Network:
        for proto in self.graph.initializer:
            self._add_constant(proto.name, read_tensor(proto, proto.name))
        if self.graph.sparse_initializer:
            raise SystolabError(
                f"Weight '{self.graph.sparse_initializer[0].values.name}' must be dense, not sparse"
            )
        inputs: dict[str, Shape] = {}
        for value in self.graph.input:
            if value.name in self.constants:
                continue  # before IR version 4 every weight is listed as an input too
            if value.name in self.bound:
                self._add_constant(value.name, self.bound[value.name])
                continue
            self._check_input(value)
            inputs[value.name] = self.dims.shape(value)
            self.shapes[value.name] = inputs[value.name]
            self.types[value.name] = _element(value.type.tensor_type.elem_type)
        for node in self.graph.node:
            self._node(node)
        outputs = []
        for value in self.graph.output:
            outputs.append(self.alias.get(value.name, value.name))
        self.layers = _needed(self.layers, outputs)
        used = {name for layer in self.layers for name in layer.inputs} | set(outputs)
        constants = {name: value for name, value in self.constants.items() if name in used}
        self._check_finite(constants)
        kept = used | {name for layer in self.layers for name in layer.outputs if name}
        kept |= set(inputs)
        return Network(
            name=self.graph.name,
            inputs=inputs,
            outputs=tuple(outputs),
            constants=constants,
            layers=tuple(self.layers),
            shapes={name: shape for name, shape in self.shapes.items() if name in kept},
            types={
                name: helper.tensor_dtype_to_np_dtype(kind).name
                for name, kind in self.types.items()
                if name in kept and name not in constants and kind != TensorProto.FLOAT
            },
            assumed=tuple(self.dims.assumed),
        )

    def _add_constant(self, name: str, value: Tensor) -> None:
        if value.dtype.kind == "f" or value.dtype.name == "bfloat16":
            with np.errstate(over="ignore"):  # what becomes infinite is refused below
                value = value if value.dtype == np.float32 else value.astype(np.float32)
        elif value.dtype.name not in ("int64", "int32", "bool"):
            raise SystolabError(
                f"Tensor '{name}' must be of a floating-point type, int32, int64 or bool, "
                f"not {value.dtype.name}"
            )
        self.constants[name] = value
        self.shapes[name] = value.shape
        self.types[name] = helper.np_dtype_to_tensor_dtype(value.dtype)

    def _check_input(self, value: onnx.ValueInfoProto) -> None:
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type") or kind.elem_type not in (*_FLOATS, *_INTEGERS):
            raise SystolabError(
                f"Input '{value.name}' must be a tensor of a floating-point type, int32, int64 or "
                "bool"
            )
        if not kind.HasField("shape"):
            raise SystolabError(f"Input '{value.name}' must have a known number of dimensions")

    def _node(self, proto: onnx.NodeProto) -> None:
        name = self._unique(proto.name or f"{proto.op_type.lower()}_{len(self.names)}")
        translator = TRANSLATORS.get(proto.op_type)
        if proto.domain not in DOMAINS or translator is None:
            domain = f" of domain '{proto.domain}'" if proto.domain else ""
            raise SystolabError(
                f"Operator {proto.op_type}{domain} (node '{name}') is not supported"
            )
        inputs = tuple(self.alias.get(item, item) for item in proto.input)
        types: tuple[int, ...] = ()
        outputs = tuple(item if item in self.read else "" for item in proto.output)
        node = Node(
            proto, name, self.opset, inputs, outputs, self.shapes, self.types, self.constants
        )
        if proto.op_type not in VALUES:
            if proto.op_type in CHECKS:
                CHECKS[proto.op_type](node)
            node.inferred, types = self._infer(proto, inputs, name)
        result = _translated(translator, node)
        if result.nodes is not None:
            check_limit("Network", LAYERS, "layers", len(self.layers) + len(result.nodes) // 2)
            self.read.update(item for part in result.nodes for item in part.input)
            for part in result.nodes:
                self._node(part)
            return
        if result.value is not None:
            self._add_constant(proto.output[0], result.value)
            return
        if result.op == "identity":
            self.alias[proto.output[0]] = result.inputs[0]
            return
        layer = Layer(name, result.op, result.inputs, outputs, dict(result.attributes or {}))
        results = [node.output_shape(i) if item else () for i, item in enumerate(outputs)]
        if all(item == "" or item in self.constants for item in layer.inputs):
            self._fold(layer, results)
            return
        self.layers.append(layer)
        check_limit("Network", LAYERS, "layers", len(self.layers))
        for index, output in enumerate(layer.outputs):
            if output:
                self.shapes[output] = results[index]
                self.types[output] = types[index]

    def _fold(self, layer: Layer, shapes: Sequence[Shape]) -> None:
        """Evaluates a layer of constant inputs, if all such layers together are no long work."""
        inputs = tuple(self.shapes[item] if item else () for item in layer.inputs)
        self.folded += sum(map(math.prod, shapes))
        self.products += products(layer, inputs, tuple(shapes))
        what = f"Layers of constants up to '{layer.name}'"
        check_limit(what, FOLDED_ELEMENTS, "elements", self.folded)
        check_limit(what, FOLDED_PRODUCTS, "multiplications", self.products)
        values = [self.constants[item] if item else None for item in layer.inputs]
        for output, value in zip(layer.outputs, host.evaluate(layer, values), strict=False):
            if output:
                self._add_constant(output, value)

    def _unique(self, name: str) -> str:
        candidate, count = name, 1
        while candidate in self.names:
            count += 1
            candidate = f"{name}_{count}"
        self.names.add(candidate)
        return candidate

    def _infer(
        self, proto: onnx.NodeProto, inputs: tuple[str, ...], name: str
    ) -> tuple[tuple[Shape | None, ...], tuple[int, ...]]:
        """Shapes (None when unknown) and element types of a node's outputs."""
        given = [(old, new) for old, new in zip(proto.input, inputs, strict=True) if new]
        known = {
            old: helper.make_tensor_type_proto(self.types[new], self.shapes[new])
            for old, new in given
        }
        values = {
            old: numpy_helper.from_array(np.ascontiguousarray(self.constants[new]))
            for old, new in given
            if new in self.constants and self.constants[new].size <= _SMALL
        }
        schema = onnx.defs.get_schema(proto.op_type, self.opset, "")
        try:
            found = shape_inference.infer_node_outputs(
                schema, proto, known, values, opset_imports=self.imports
            )
        except _INVALID as problem:
            reason = str(problem).strip().split("\n", 1)[0]
            raise SystolabError(
                f"Operator {proto.op_type} (node '{name}') must fit its inputs: {reason}"
            ) from None
        shapes: list[Shape | None] = []
        types: list[int] = []
        for output in proto.output:
            kind = found[output].tensor_type if output in found else None
            types.append(TensorProto.FLOAT if kind is None else _element(kind.elem_type))
            if kind is None or not kind.HasField("shape"):
                shapes.append(None)
                continue
            dims = tuple(d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim)
            shapes.append(None if -1 in dims else dims)
        return tuple(shapes), tuple(types)

    def _check_finite(self, constants: Mapping[str, Tensor]) -> None:
        for name, value in constants.items():
            if value.dtype.kind != "f" or value.size == 0:
                continue
            distinct = value if any(value.strides) else value.reshape(-1)[:1]
            finite = np.isfinite(distinct)
            if finite.all():
                continue
            masks = all(layer.op in _MASKING for layer in self.layers if name in layer.inputs)
            if masks and not np.isnan(distinct).any():
                continue
            where = np.unravel_index(int(np.argmin(finite)), distinct.shape)
            kind = "NaN" if np.isnan(distinct[where]) else "infinite"
            index = ", ".join(str(int(i)) for i in where)
            raise SystolabError(f"Weight '{name}' must be finite, not {kind} at [{index}]")


def _check_names(model: onnx.ModelProto) -> None:
    """Names are text; protobuf gives bytes where they are no UTF-8."""
    graph = model.graph
    values = (*graph.input, *graph.output)
    dims = (dim.dim_param for value in values for dim in value.type.tensor_type.shape.dim)
    names = [graph.name, *(item.name for item in (*graph.initializer, *values)), *dims]
    for node in (*graph.node, *(node for f in model.functions for node in f.node)):
        names += [node.name, node.op_type, node.domain, node.overload, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if not isinstance(name, str):
            raise SystolabError(f"Names in the model must be UTF-8, not {bytes(name)!r}")


def _needed(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Layer]:
    """The layers that lead to an output; of their results, "" stands for one that nobody reads."""
    needed, kept = set(outputs), []
    for layer in reversed(layers):
        if needed.intersection(layer.outputs):
            read = tuple(name if name in needed else "" for name in layer.outputs)
            kept.append(replace(layer, outputs=read))
            needed.update(name for name in layer.inputs if name)
    return kept[::-1]


def _translated(translator: Translator, node: Node) -> Translation:
    """The node's translation; what translators need and do not ask for is missing by damage."""
    try:
        return translator(node)
    except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
        raise node.error(
            f"must have the inputs and attributes that ONNX asks for: {problem}"
        ) from problem


def _element(kind: int) -> int:
    return TensorProto.FLOAT if kind in _FLOATS else kind
