"""Models that are damaged byte by byte or in their structure, or made to exhaust or to confuse."""

from __future__ import annotations

import functools
import itertools
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from examples.networks.lstm import lstm
from examples.networks.transformer import transformer
from systolab.glenside.onnx.operators import TRANSLATORS
from tests.fuzz.runner import Outcome
from tests.fuzz.work import mapped

__all__ = ["damaged_bytes", "damaged_structure", "hostile"]

_DIGITS = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"
_INTEGERS = (
    -(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 5, 64, 255, 65537, 1 << 20, 1 << 31, 1 << 40,
    (1 << 63) - 1,
)  # fmt: skip
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-40, 3e38, float("inf"), float("-inf"), float("nan"))
_NAMES = (
    "", "x", "w", "\0", "a\r\nverdict identical", "\x1b[2J", "../../x", "🦕" * 3, "%s%n", "a b",
    "(", '"', "n" * 5000,
)  # fmt: skip


def damaged_bytes(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A model whose file has wrong bytes, a part missing, or a part twice."""
    content = bytearray(_sources()[rng.choice(sorted(_sources()))])
    for _ in range(rng.randint(1, 4)):
        at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0:
                del content[at:]
            case 1:
                del content[at:end]
            case 2:
                content[at:at] = content[at : min(end, at + 1000)]
            case 3:
                content[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF))])
            case _:
                content[at : at + 1] = bytes([rng.randrange(256)])
    return _saved(place, bytes(content))


def damaged_structure(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A model with some fields that are not as they should be."""
    model = onnx.ModelProto()
    model.ParseFromString(_sources()[rng.choice(sorted(_sources()))])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if model.graph.node:
            rng.choice(_CHANGES)(rng, model)
    return _saved(place, model.SerializeToString())


def hostile(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A valid or nearly valid model that asks for too much, or is a file of another kind."""
    made = rng.choice(_HOSTILE)(rng, place)
    return made if callable(made) else _saved(place, made.SerializeToString())


def _saved(place: Path, content: bytes) -> Callable[[], Outcome]:
    path = place / "model.onnx"
    path.write_bytes(content)
    return lambda: mapped(path)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, list[int | str | None]],
    weights: Mapping[str, np.ndarray],
    outputs: Mapping[str, int],
    opset: int = 18,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "fuzz",
        [helper.make_tensor_value_info(name, kind, dims) for name, dims in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)
            for name, rank in outputs.items()
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@functools.cache
def _sources() -> Mapping[str, bytes]:
    """Small models that together have most operators of the importer."""
    digits = _DIGITS.read_bytes()
    models = {
        "lstm": lstm(3, 4, 4),
        "transformer": transformer(1, 1, 4, 8, 2),
        "depthwise": _depthwise(),
        "operators": _operators(),
        "recurrent": _recurrent(3),
        "embedding": _embedding(),
    }
    return {"digits": digits} | {k: v.SerializeToString() for k, v in models.items()}


def _operators() -> onnx.ModelProto:
    """One image through many operators."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 2, 3, 3)), "b": rng.standard_normal(4), "d": np.ones((4, 4)),
        "lo": np.float32(-1), "hi": np.float32(6), "wt": rng.standard_normal((4, 2, 2, 2)),
    }  # fmt: skip
    tables = {
        "flat": np.array([1, -1]), "tiles": np.array([1, 2]), "pads": np.array([0, 1, 0, 1]),
        "at": np.array([0, 2]), "from": np.array([0]), "to": np.array([9]), "one": np.array([1]),
        "axes": np.array([1]), "sizes": np.array([1, 2, 8, 8]),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        node("Clip", ["c", "lo", "hi"], ["k"]),
        node("MaxPool", ["k"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        node("ConvTranspose", ["m", "wt"], ["t"], strides=[2, 2]),
        node("AveragePool", ["t"], ["a"], kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
        node("Resize", ["a", "", "", "sizes"], ["z"], mode="linear"),
        node("Transpose", ["z"], ["p"], perm=[0, 2, 3, 1]),
        node("Reshape", ["p", "flat"], ["r"]),
        node("Tile", ["r", "tiles"], ["i"]),
        node("Pad", ["i", "pads"], ["g"]),
        node("Slice", ["g", "from", "to", "axes"], ["s"]),
        node("Gather", ["s", "at"], ["h"], axis=1),
        node("Concat", ["h", "h"], ["e"], axis=1),
        node("Gemm", ["e", "d"], ["n"], alpha=0.5, transB=1),
        node("Split", ["n"], ["s1", "s2"], axis=1, num_outputs=2),
        node("ReduceSum", ["s1", "one"], ["u"], keepdims=1),
        node("Softmax", ["s2"], ["v"], axis=-1),
        node("LayerNormalization", ["v", "wn"], ["l"], axis=-1),
        node("Einsum", ["l", "u"], ["q"], equation="ij,ik->jk"),
        node("CumSum", ["q", "zero"], ["y"]),
    ]  # fmt: skip
    extra = {"wn": np.ones(2, np.float32), "zero": np.array(0)}
    floats = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    return _model(nodes, {"x": [1, 2, 8, 8]}, floats | tables | extra, {"y": 2})


def _depthwise() -> onnx.ModelProto:
    """A convolution of groups behind a normalisation, with a residual connection."""
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.standard_normal((6, 1, 3, 3)), "p": rng.standard_normal((6, 6, 1, 1)),
        "one": np.ones(6), "zero": np.zeros(6),
    }  # fmt: skip
    nodes = [
        helper.make_node("BatchNormalization", ["x", "one", "zero", "zero", "one"], ["n"]),
        helper.make_node("Conv", ["n", "w"], ["d"], group=6, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("Conv", ["r", "p"], ["q"]),
        helper.make_node("Add", ["x", "q"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["y"]),
    ]
    floats = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    return _model(nodes, {"x": [1, 6, 5, 5]}, floats, {"y": 4})


def _recurrent(steps: int, hidden: int = 4) -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    weights = {
        "w": rng.standard_normal((2, 4 * hidden, 3)).astype(np.float32),
        "r": rng.standard_normal((2, 4 * hidden, hidden)).astype(np.float32),
    }
    lstm_node = helper.make_node(
        "LSTM", ["x", "w", "r"], ["y"], hidden_size=hidden, direction="bidirectional"
    )
    return _model([lstm_node], {"x": [steps, 1, 3]}, weights, {"y": 4})


def _embedding() -> onnx.ModelProto:
    rng = np.random.default_rng(2)
    weights = {
        "table": rng.standard_normal((10, 4)).astype(np.float32),
        "w": rng.standard_normal((4, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["y"]),
    ]
    return _model(nodes, {"ids": [1, 5]}, weights, {"y": 3}, kind=TensorProto.INT64)


# Changes of a model's structure, each to one place.


def _dims(rng: random.Random, model: onnx.ModelProto) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    if dims and rng.random() < 0.8:
        dim = rng.choice(dims)
        if rng.random() < 0.3:
            dim.dim_param = rng.choice(_NAMES)
        else:
            dim.dim_value = rng.choice(_INTEGERS)
    else:
        dims.add().dim_value = rng.choice(_INTEGERS)


def _element_type(rng: random.Random, model: onnx.ModelProto) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    value.type.tensor_type.elem_type = rng.randrange(-1, 30)


def _tensor(rng: random.Random, model: onnx.ModelProto) -> None:
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    match rng.randrange(7):
        case 0:
            tensor.data_type = rng.randrange(-1, 30)
        case 1:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 2 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_INTEGERS)
        case 3:
            tensor.name = rng.choice(_NAMES)
        case 4:
            data = bytearray(tensor.raw_data)
            for _ in range(min(len(data), 4)):
                data[rng.randrange(len(data))] = rng.choice((0, 0x7F, 0x80, 0xFF))
            tensor.raw_data = bytes(data)
        case 5:
            tensor.dims.append(rng.choice(_INTEGERS))
        case _:
            _external(rng, tensor)


def _external(rng: random.Random, tensor: TensorProto) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    places = (*_NAMES, "/dev/zero", "/etc/passwd", "model.onnx", ".", "/proc/self/mem", "fifo")
    entries = {
        "location": rng.choice(places),
        "offset": rng.choice(("x", "-1", "1.5", *map(str, _INTEGERS))),
        "length": rng.choice(("", "x", *map(str, _INTEGERS))),
    }
    for key, value in entries.items():
        if rng.random() < 0.7:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def _attribute(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    if not node.attribute or rng.random() < 0.3:
        name = rng.choice(("axis", "axes", "perm", "group", "num_outputs", "kernel_shape", "to"))
        node.attribute.append(helper.make_attribute(name, rng.choice(_INTEGERS)))
        return
    at = rng.randrange(len(node.attribute))
    attribute = node.attribute[at]
    match rng.randrange(6):
        case 0:
            del node.attribute[at]
        case 1:
            attribute.i = rng.choice(_INTEGERS)
        case 2:
            attribute.f = rng.choice(_FLOATS)
        case 3 if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(_INTEGERS)
        case 4:
            attribute.ints.append(rng.choice(_INTEGERS))
        case _:
            attribute.s = rng.choice(_NAMES).encode()


def _operator(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    node.op_type = rng.choice([*TRANSLATORS, *_NAMES, "If", "Loop", "Scan", "Swish", "Attention"])


def _wires(rng: random.Random, model: onnx.ModelProto) -> None:
    """Inputs of another node, cycles, absent ones, results that are computed twice."""
    node = rng.choice(model.graph.node)
    known = [name for other in model.graph.node for name in (*other.input, *other.output)]
    names = node.input if rng.random() < 0.7 else node.output
    if names and rng.random() < 0.8:
        names[rng.randrange(len(names))] = rng.choice([*known, "", *_NAMES])
    elif names and rng.random() < 0.5:
        del names[rng.randrange(len(names))]
    else:
        names.append(rng.choice(known))


def _nodes(rng: random.Random, model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    at = rng.randrange(len(nodes))
    match rng.randrange(4):
        case 0:
            del nodes[at]
        case 1:
            nodes.insert(rng.randrange(len(nodes)), nodes[at])
        case 2:
            rng.shuffle(nodes)
        case _:
            sources = [name for node in nodes for name in node.output] + ["x"]
            kind = rng.choice(sorted(TRANSLATORS))
            inputs = [rng.choice(sources) for _ in range(rng.randint(0, 4))]
            attributes: dict[str, Any] = {
                name: rng.choice((rng.choice(_INTEGERS), [rng.choice(_INTEGERS)] * 2))
                for name in rng.sample(("axis", "axes", "kernel_shape", "pads", "perm", "to"), 2)
            }
            result = rng.choice(sources)
            nodes.append(helper.make_node(kind, inputs, [f"{result}'"], **attributes))
            if model.graph.output and rng.random() < 0.7:
                model.graph.output[0].name = f"{result}'"
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _ends(rng: random.Random, model: onnx.ModelProto) -> None:
    ends = model.graph.input if rng.random() < 0.5 else model.graph.output
    tensors = [name for node in model.graph.node for name in (*node.input, *node.output)]
    match rng.randrange(4):
        case 0 if ends:
            del ends[rng.randrange(len(ends))]
        case 1 if ends:
            ends.append(rng.choice(ends))
        case 2 if ends:
            rng.choice(ends).name = rng.choice([*tensors, *_NAMES])
        case _:
            ends.add().name = rng.choice([*tensors, *_NAMES])


def _names(rng: random.Random, model: onnx.ModelProto) -> None:
    """A new name for a tensor or node, everywhere the same."""
    old = rng.choice([name for node in model.graph.node for name in node.output] or ["x"])
    new = rng.choice(_NAMES)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
    for value in (*model.graph.input, *model.graph.output):
        value.name = new if value.name == old else value.name
    rng.choice(model.graph.node).name = rng.choice(_NAMES)


def _versions(rng: random.Random, model: onnx.ModelProto) -> None:
    match rng.randrange(4):
        case 0:
            model.ir_version = rng.choice(_INTEGERS)
        case 1:
            model.opset_import[0].version = rng.choice((*_INTEGERS, *range(5, 30)))
        case 2:
            model.opset_import[0].domain = rng.choice(_NAMES)
        case _:
            rng.choice(model.graph.node).domain = rng.choice(_NAMES)


def _function(rng: random.Random, model: onnx.ModelProto) -> None:
    """A node becomes the call of a function, perhaps of one that calls itself."""
    node = rng.choice(model.graph.node)
    kind = rng.choice(("Own", node.op_type))
    body = helper.make_node(
        rng.choice(("Relu", kind)), ["a"], ["b"], domain=rng.choice(("", "own"))
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", kind, ["a"], ["b"], [body] * 2, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    node.op_type, node.domain = kind, "own"


def _inserted(rng: random.Random, model: onnx.ModelProto) -> None:
    """An operator of one input between two others: valid as far as its shapes are."""
    nodes = list(model.graph.node)
    at = rng.randrange(len(nodes))
    name = nodes[at].output[0] if nodes[at].output else "x"
    kind, attributes = rng.choice(_UNARY)
    inserted = helper.make_node(kind, [name], [f"{name}.{at}"], **attributes)
    for node in nodes[at + 1 :]:
        for index, read in enumerate(node.input):
            if read == name:
                node.input[index] = f"{name}.{at}"
    nodes.insert(at + 1, inserted)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _small(rng: random.Random, model: onnx.ModelProto) -> None:
    """Another size or attribute that might be right."""
    numbers = [item for node in model.graph.node for item in node.attribute if item.ints or item.i]
    dims = [dim for value in model.graph.input for dim in value.type.tensor_type.shape.dim]
    if numbers and rng.random() < 0.7:
        attribute = rng.choice(numbers)
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.randrange(-1, 6)
        else:
            attribute.i = rng.randrange(-2, 6)
    elif dims:
        rng.choice(dims).dim_value = rng.randrange(1, 12)


_UNARY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Relu", {}), ("Identity", {}), ("Flatten", {}), ("Flatten", {"axis": 0}), ("Softmax", {}),
    ("Transpose", {}), ("Squeeze", {}), ("Cast", {"to": TensorProto.INT64}), ("Not", {}),
    ("Cast", {"to": TensorProto.BOOL}), ("ReduceMax", {}), ("ReduceSum", {"keepdims": 0}),
    ("ArgMax", {"axis": 0}), ("Shape", {}), ("Size", {}), ("GlobalMaxPool", {}), ("Sqrt", {}),
    ("Log", {}), ("Reciprocal", {}), ("Split", {"num_outputs": 1}), ("IsNaN", {}),
)  # fmt: skip

_CHANGES = (
    *(_inserted,) * 5, *(_small,) * 6,
    _dims, _element_type, _tensor, _tensor, _attribute, _attribute, _operator, _wires, _nodes,
    _ends, _names, _versions, _function,
)  # fmt: skip


# Hostile models.


def _chain(rng: random.Random, place: Path) -> onnx.ModelProto:
    """Many operators one behind the other."""
    kind, attributes = rng.choice(
        (("Relu", {}), ("Transpose", {"perm": [1, 0]}), ("Flatten", {"axis": 1}), ("Sin", {}),
         ("Identity", {}))
    )  # fmt: skip
    names = ["x", *(f"t{i}" for i in range(rng.choice((10, 60, 400, 20_000)))), "m"]
    nodes = [
        helper.make_node(kind, [source], [target], **attributes)
        for source, target in itertools.pairwise(names)
    ]
    nodes.append(helper.make_node("MatMul", ["m", "w"], ["y"]))
    return _model(nodes, {"x": [4, 4]}, {"w": np.eye(4, dtype=np.float32)}, {"y": 2})


def _sized(rng: random.Random, place: Path) -> onnx.ModelProto:
    """One operator that makes a tensor of any size from a small one."""
    sizes = [rng.choice((1, 4, 1 << 14, 1 << 20, 1 << 27, 1 << 40, -1)) for _ in range(2)]
    shape = np.array(sizes)
    kind = rng.choice(("ConstantOfShape", "Tile", "Expand", "Range", "Pad", "Resize", "Upsample"))
    node = helper.make_node
    nodes = {
        "ConstantOfShape": [node("ConstantOfShape", ["s"], ["t"])],
        "Tile": [node("Tile", ["x", "s"], ["t"])],
        "Expand": [node("Expand", ["x", "s"], ["t"])],
        "Range": [node("Range", ["zero", "end", "one"], ["r"]), node("Cast", ["r"], ["t"], to=1)],
        "Pad": [node("Pad", ["x", "pads"], ["t"])],
        "Resize": [node("Resize", ["x", "", "scales"], ["t"])],
        "Upsample": [node("Upsample", ["x", "scales"], ["t"])],
    }[kind]
    nodes.append(node(rng.choice(("Relu", "Transpose", "Sin", "Neg")), ["t"], ["u"]))
    nodes.append(
        node("MatMul", ["u", "u"], ["v"]) if rng.random() < 0.3 else node("Abs", ["u"], ["v"])
    )
    if rng.random() < 0.5:
        nodes += [node("ReduceSum", ["v"], ["q"], keepdims=0), node("Add", ["x", "q"], ["y"])]
    else:
        nodes.append(node("Identity", ["v"], ["y"]))
    weights = {
        "s": shape, "zero": np.array(0), "one": np.array(1), "end": np.array(sizes[0]),
        "pads": np.array([0, 0, *sizes]), "scales": np.array(sizes, np.float32),
    }  # fmt: skip
    opset = 9 if kind == "Upsample" else 12
    return _model(nodes, {"x": [1, 1]}, weights, {"y": 2}, opset)


def _product(rng: random.Random, place: Path) -> onnx.ModelProto:
    """A product or convolution of any size, its weights made in the model."""
    size = [rng.choice((1, 3, 16, 300, 5000, 70_000, 1 << 22)) for _ in range(4)]
    if rng.random() < 0.5:
        nodes = [helper.make_node("ConstantOfShape", ["s"], ["w"]),
                 helper.make_node("MatMul", ["x", "w"], ["y"])]  # fmt: skip
        shape = [size[1], size[2]]
        return _model(nodes, {"x": [size[0], size[1]]}, {"s": np.array(shape)}, {"y": 2})
    kernel = rng.choice((1, 3, 1000))
    attributes: dict[str, Any] = {
        "pads": [rng.choice((0, 1, 1 << 20))] * 4, "strides": [rng.choice((1, 2, 1 << 30))] * 2,
        "dilations": [rng.choice((1, 2, 1 << 20))] * 2, "group": rng.choice((1, size[1])),
    }  # fmt: skip
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["w"]),
             helper.make_node("Conv", ["x", "w"], ["y"], **attributes)]  # fmt: skip
    channels = size[1] // attributes["group"]
    weights = {"s": np.array([size[2], channels, kernel, kernel])}
    return _model(nodes, {"x": [1, size[1], size[3], rng.choice((1, 8, 4000))]}, weights, {"y": 4})


def _long(rng: random.Random, place: Path) -> onnx.ModelProto:
    return _recurrent(rng.choice((1, 20, 600, 100_000, 1 << 40)))


def _batch(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    sizes: list[int | str | None] = ["N", None, "seq", "", 20_000_000]
    dims = [rng.choice(sizes), 4]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = _model(nodes, {"x": dims}, {"w": np.eye(4, dtype=np.float32)}, {"y": 2})
    path = place / "model.onnx"
    path.write_bytes(model.SerializeToString())
    given = rng.choice(("N=20000000", "x[0]=3", "N=99999999999", "=", "N", "N=1,N=2", "🦕=1"))
    return lambda: mapped(path, "--dims", given) if rng.random() < 0.7 else mapped(path)


def _special(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A file that is no file."""
    os.mkfifo(place / "fifo")
    (place / "circle").symlink_to("circle")
    (place / "sparse").touch()
    os.truncate(place / "sparse", rng.choice((1 << 20, 1 << 33)))
    path = rng.choice((
        place, place / "fifo", place / "circle", place / "sparse", Path("/dev/zero"),
        Path("/dev/full"), Path("/proc/self/mem"), place / "absent", Path("x" * 5000),
    ))  # fmt: skip
    return lambda: mapped(path)


def _multiplied(rng: random.Random, place: Path) -> onnx.ModelProto:
    """Functions that call one another twice, or in a circle."""
    depth = rng.choice((3, 9, 30, 200))
    model = _model(
        [helper.make_node("F0", ["x"], ["y"], domain="own")], {"x": [4, 4]}, {}, {"y": 2}
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    for i in range(depth):
        last = i + 1 == depth
        kind = rng.choice(("Relu", "F0")) if last else f"F{i + 1}"
        domain = "" if kind == "Relu" else "own"
        body = [
            helper.make_node(kind, [a], [b], domain=domain) for a, b in (("a", "t"), ("t", "b"))
        ]
        model.functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], body, opsets))
    return model


_HOSTILE = (
    _chain, _sized, _sized, _sized, _product, _product, _product, _long, _batch, _special,
    _multiplied,
)  # fmt: skip
