"""What each ONNX operator becomes: the table from operator type to canonical layer.

Differences between operator set versions end here: static parameters that newer versions pass as
inputs and older ones as attributes are attributes of the layer in both cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import onnx

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx import recurrent as onnx_recurrent
from systolab.glenside.onnx.node import Node, Translation

Translator: TypeAlias = Callable[[Node], Translation]

TRANSLATORS: dict[str, Translator] = {}

# Operators whose value the importer knows without running shape inference.
VALUES = frozenset({"Constant", "ConstantOfShape", "Range", "Shape", "Size"})


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Register the translator of the named ONNX operators."""

    def register(function: Translator) -> Translator:
        for kind in kinds:
            TRANSLATORS[kind] = function
        return function

    return register


def _layer(node: Node, op: str, count: int | None = None, **attributes: Attribute) -> Translation:
    return Translation(op, node.data(count), attributes)


# Operators without parameters.
PLAIN = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Add": "add", "And": "and", "Asin": "asin",
    "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh", "Ceil": "ceil", "Cos": "cos",
    "Cosh": "cosh", "Div": "div", "Equal": "equal", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Greater": "greater", "GreaterOrEqual": "greater_or_equal", "HardSwish": "hard_swish",
    "IsNaN": "isnan", "Less": "less", "LessOrEqual": "less_or_equal", "Log": "log",
    "MatMul": "matmul", "Max": "max", "Mean": "mean", "Min": "min", "Mish": "mish", "Mul": "mul",
    "Neg": "neg", "Not": "not", "Or": "or", "PRelu": "prelu", "Pow": "pow",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid",
    "Sign": "sign", "Sin": "sin", "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign",
    "Sqrt": "sqrt", "Sub": "sub", "Tan": "tan", "Tanh": "tanh", "Where": "where",
    "Xor": "xor", "GlobalAveragePool": "global_average_pool", "GlobalMaxPool": "global_max_pool",
}  # fmt: skip

# Activations: operator, default alpha, default beta or gamma.
PARAMETRIC: dict[str, tuple[str, dict[str, float]]] = {
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Celu": ("celu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "ThresholdedRelu": ("thresholded_relu", {"alpha": 1.0}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
}

REDUCE = {
    "ReduceSum": "reduce_sum", "ReduceMean": "reduce_mean", "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min", "ReduceProd": "reduce_prod", "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2", "ReduceSumSquare": "reduce_sum_square",
    "ReduceLogSum": "reduce_log_sum", "ReduceLogSumExp": "reduce_log_sum_exp",
}  # fmt: skip


@translates(*PLAIN)
def _plain(node: Node) -> Translation:
    if node.integer("broadcast", 0):
        raise node.error("must not use the broadcasting of operator sets before 7")
    return _layer(node, PLAIN[node.proto.op_type])


@translates(*PARAMETRIC)
def _parametric(node: Node) -> Translation:
    op, defaults = PARAMETRIC[node.proto.op_type]
    return Translation(
        op, node.data(1), {name: node.number(name, value) for name, value in defaults.items()}
    )


@translates("Sum")
def _sum(node: Node) -> Translation:
    return _layer(node, {1: "identity", 2: "add"}.get(len(node.inputs), "sum"))


@translates("Identity")
def _identity(node: Node) -> Translation:
    return _layer(node, "identity", 1)


@translates("Dropout")
def _dropout(node: Node) -> Translation:
    if node.present(2) and bool(node.static(2)):
        raise node.error("must not be in training mode")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("must not have its mask read")
    return _layer(node, "identity", 1)


@translates("Gelu")
def _gelu(node: Node) -> Translation:
    return _layer(node, "gelu", approximate=node.text("approximate", "none"))


def _resolved_pads(
    node: Node,
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[int, ...]:
    """Explicit padding, all begins then all ends, whatever ``auto_pad`` says."""
    auto, rank = node.text("auto_pad", "NOTSET"), len(kernel)
    if auto == "NOTSET":
        pads = node.ints("pads") or (0,) * (2 * rank)
        if len(pads) != 2 * rank or any(pad < 0 for pad in pads):
            raise node.error(f"must have {2 * rank} non-negative pads, not {pads}")
        return pads
    if auto == "VALID":
        return (0,) * (2 * rank)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.error(f"must have a known auto_pad, not '{auto}'")
    small, large = [], []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        count = -(-size // stride)
        total = max((count - 1) * stride + (k - 1) * dilation + 1 - size, 0)
        small.append(total // 2)
        large.append(total - total // 2)
    if auto == "SAME_UPPER":
        return (*small, *large)
    return (*large, *small)


def _window(node: Node, kernel: tuple[int, ...]) -> dict[str, Attribute]:
    rank = len(kernel)
    sizes = node.shape()[2:]
    if len(sizes) != rank:
        raise node.error(f"must have {rank} spatial dimensions in its input, not {len(sizes)}")
    strides = node.ints("strides") or (1,) * rank
    dilations = node.ints("dilations") or (1,) * rank
    for name, values in (("kernel_shape", kernel), ("strides", strides), ("dilations", dilations)):
        if len(values) != rank or min(values, default=1) < 1:
            raise node.error(f"must have {rank} positive {name}, not {values}")
    pads = _resolved_pads(node, sizes, kernel, strides, dilations)
    for i in range(rank):
        if sizes[i] + pads[i] + pads[i + rank] < dilations[i] * (kernel[i] - 1) + 1:
            raise node.error(f"must have a window that fits its input of spatial size {sizes}")
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}


@translates("Conv")
def _conv(node: Node) -> Translation:
    x, w, group = node.shape(0), node.shape(1), node.integer("group", 1)
    if group < 1 or x[1] != w[1] * group or w[0] % group:
        raise node.error(
            f"must have channels and filters that match its {group} groups, not shapes {x} and {w}"
        )
    window = _window(node, w[2:])
    return Translation("conv", node.data(3), {**window, "group": group})


@translates("ConvTranspose")
def _conv_transpose(node: Node) -> Translation:
    x, w, group = node.shape(0), node.shape(1), node.integer("group", 1)
    rank, kernel = len(x) - 2, w[2:]
    strides = node.ints("strides") or (1,) * rank
    dilations = node.ints("dilations") or (1,) * rank
    if x[1] != w[0] or len(w) != len(x) or x[1] % group:
        raise node.error(f"must have filters that match its input, not shapes {x} and {w}")
    counts = node.output_shape()[2:]
    full = [
        (size - 1) * stride + (k - 1) * dilation + 1
        for size, stride, k, dilation in zip(x[2:], strides, kernel, dilations, strict=True)
    ]
    begins = (node.ints("pads") or (0,) * rank)[:rank]
    if node.text("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER") or node.has("output_shape"):
        total = [max(f - c, 0) for f, c in zip(full, counts, strict=True)]
        upper = node.text("auto_pad", "NOTSET") == "SAME_UPPER"
        begins = tuple(t // 2 if upper else t - t // 2 for t in total)
    return _layer(
        node, "conv_transpose", 3, group=group, strides=strides, dilations=dilations,
        begins=begins, counts=counts,
    )  # fmt: skip


@translates("MaxPool")
def _max_pool(node: Node) -> Translation:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("must not have its indices read")
    window = _window(node, node.ints("kernel_shape") or ())
    return Translation(
        "max_pool", node.data(1), {**window, "ceil_mode": node.integer("ceil_mode", 0)}
    )


@translates("AveragePool")
def _average_pool(node: Node) -> Translation:
    window = _window(node, node.ints("kernel_shape") or ())
    return Translation(
        "average_pool",
        node.data(1),
        {
            **window,
            "ceil_mode": node.integer("ceil_mode", 0),
            "count_include_pad": node.integer("count_include_pad", 0),
        },
    )


@translates("Gemm")
def _gemm(node: Node) -> Translation:
    return _layer(
        node, "gemm", 3,
        alpha=node.number("alpha", 1.0), beta=node.number("beta", 1.0),
        trans_a=int(node.integer("transA", 0) != 0), trans_b=int(node.integer("transB", 0) != 0),
    )  # fmt: skip


@translates("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(node: Node) -> Translation:
    shape = node.output_shape()
    if math.prod(shape) != math.prod(node.shape()):
        raise node.error(f"must keep the number of elements of {node.shape()}, not give {shape}")
    attributes: dict[str, Attribute] = {"shape": shape}
    if node.proto.op_type == "Flatten":
        attributes["axis"] = node.axis(node.integer("axis", 1), node.rank() + 1)
    return Translation(node.proto.op_type.lower(), node.data(1), attributes)


@translates("Transpose")
def _transpose(node: Node) -> Translation:
    perm = node.ints("perm") or tuple(reversed(range(node.rank())))
    return _layer(node, "transpose", perm=perm)


@translates("Concat")
def _concat(node: Node) -> Translation:
    return _layer(node, "concat", axis=node.axis(node.integer("axis", 1)))


@translates("Slice")
def _slice(node: Node) -> Translation:
    if node.opset < 10:
        starts, ends = node.ints("starts") or (), node.ints("ends") or ()
        axes, steps = node.ints("axes"), None
    else:
        starts, ends = node.static_ints(1), node.static_ints(2)
        axes = node.static_ints(3) if node.present(3) else None
        steps = node.static_ints(4) if node.present(4) else None
    axes = tuple(range(len(starts))) if axes is None else tuple(node.axis(a) for a in axes)
    steps = (1,) * len(starts) if steps is None else steps
    if 0 in steps:
        raise node.error("must have steps other than 0")
    return _layer(node, "slice", 1, axes=axes, starts=starts, ends=ends, steps=steps)


@translates("Split")
def _split(node: Node) -> Translation:
    axis = node.axis(node.integer("axis", 0))
    sizes = tuple(node.output_shape(i)[axis] for i in range(len(node.proto.output)))
    return _layer(node, "split", 1, axis=axis, sizes=sizes)


@translates("Gather")
def _gather(node: Node) -> Translation:
    axis = node.axis(node.integer("axis", 0))
    indices = node.constants.get(node.inputs[1])
    size = node.shape()[axis]
    if indices is not None and ((indices < -size) | (indices >= size)).any():
        raise node.error(f"must have indices from {-size} to {size - 1}")
    return _layer(node, "gather", axis=axis)


@translates("Expand")
def _expand(node: Node) -> Translation:
    return _layer(node, "expand", 1, shape=node.static_ints(1))


@translates("Tile")
def _tile(node: Node) -> Translation:
    return _layer(node, "tile", 1, repeats=node.static_ints(1))


@translates("Pad")
def _pad(node: Node) -> Translation:
    mode, rank = node.text("mode", "constant"), node.rank()
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise node.error(f"must have a known mode, not '{mode}'")
    if node.opset < 11:
        pads = node.ints("pads") or node.ints("paddings") or ()
        if mode == "constant" and node.number("value", 0.0) != 0.0:
            raise node.error("must pad with 0 before operator set 11")
        return _layer(node, "pad", 1, pads=pads, mode=mode)
    pads = node.static_ints(1)
    if node.present(3):
        axes = [node.axis(a) for a in node.static_ints(3)]
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            full[axis], full[axis + rank] = pads[i], pads[i + len(axes)]
        pads = tuple(full)
    if len(pads) != 2 * rank:
        raise node.error(f"must have {2 * rank} pads, not {len(pads)}")
    inputs = (node.inputs[0], node.inputs[2]) if node.present(2) else (node.inputs[0],)
    return Translation("pad", inputs, {"pads": pads, "mode": mode})


@translates("Trilu")
def _trilu(node: Node) -> Translation:
    offset = node.static_ints(1)[0] if node.present(1) else 0
    return _layer(node, "trilu", 1, upper=node.integer("upper", 1), offset=offset)


@translates("Einsum")
def _einsum(node: Node) -> Translation:
    return _layer(node, "einsum", equation=node.text("equation", ""))


@translates("GatherElements")
def _gather_elements(node: Node) -> Translation:
    return _layer(node, "gather_elements", axis=node.axis(node.integer("axis", 0)))


@translates("IsInf")
def _is_inf(node: Node) -> Translation:
    return _layer(
        node, "isinf",
        positive=node.integer("detect_positive", 1), negative=node.integer("detect_negative", 1),
    )  # fmt: skip


@translates("LpNormalization")
def _lp_normalization(node: Node) -> Translation:
    return _layer(
        node, "lp_normalization", axis=node.axis(node.integer("axis", -1)), p=node.integer("p", 2)
    )


@translates("DepthToSpace")
def _depth_to_space(node: Node) -> Translation:
    return _layer(
        node, "depth_to_space", blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR")
    )


@translates("SpaceToDepth")
def _space_to_depth(node: Node) -> Translation:
    return _layer(
        node, "space_to_depth", blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR")
    )


@translates("Clip")
def _clip(node: Node) -> Translation:
    bounds: dict[str, Attribute] = {}
    if node.opset < 11:
        if node.has("min"):
            bounds["min"] = node.number("min", 0.0)
        if node.has("max"):
            bounds["max"] = node.number("max", 0.0)
    else:
        for index, name in ((1, "min"), (2, "max")):
            if node.present(index):
                bounds[name] = node.static(index).reshape(-1)[0].item()
    return Translation("clip", node.data(1), bounds)


@translates("Cast", "CastLike")
def _cast(node: Node) -> Translation:
    like = node.proto.op_type == "CastLike"
    target = node.types[node.inputs[1]] if like else node.integer("to")
    names: dict[int, str] = {
        onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64",
        onnx.TensorProto.INT32: "int32", onnx.TensorProto.BOOL: "bool",
    }  # fmt: skip
    if target not in names:
        raise node.error(
            "must cast to float32, int32, int64 or bool, "
            f"not {onnx.TensorProto.DataType.Name(target).lower()}"
        )
    return _layer(node, "cast", 1, to=names[target])


@translates("Mod")
def _mod(node: Node) -> Translation:
    return _layer(node, "mod", fmod=node.integer("fmod", 0))


@translates("CumSum")
def _cum_sum(node: Node) -> Translation:
    (axis,) = node.static_ints(1)
    return _layer(
        node, "cum_sum", 1, axis=node.axis(axis),
        exclusive=node.integer("exclusive", 0), reverse=node.integer("reverse", 0),
    )  # fmt: skip


@translates(*REDUCE)
def _reduce(node: Node) -> Translation:
    axes = node.ints("axes")
    if axes is None and node.present(1):
        axes = node.static_ints(1)
    if not axes:
        if node.integer("noop_with_empty_axes", 0):
            raise node.error("must have axes")
        axes = tuple(range(node.rank()))
    return _layer(
        node, REDUCE[node.proto.op_type], 1,
        axes=tuple(sorted(node.axis(a) for a in axes)), keepdims=node.integer("keepdims", 1),
    )  # fmt: skip


@translates("ArgMax", "ArgMin")
def _arg_extremum(node: Node) -> Translation:
    return _layer(
        node, "arg_max" if node.proto.op_type == "ArgMax" else "arg_min", 1,
        axis=node.axis(node.integer("axis", 0)), keepdims=node.integer("keepdims", 1),
        select_last_index=node.integer("select_last_index", 0),
    )  # fmt: skip


@translates("Softmax", "LogSoftmax", "Hardmax")
def _softmax(node: Node) -> Translation:
    op = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Hardmax": "hardmax"}
    if node.opset < 13:
        axes = tuple(range(node.axis(node.integer("axis", 1)), node.rank()))
    else:
        axes = (node.axis(node.integer("axis", -1)),)
    return _layer(node, op[node.proto.op_type], 1, axes=axes)


@translates("BatchNormalization")
def _batch_normalization(node: Node) -> Translation:
    if node.integer("training_mode", 0) or not node.integer("spatial", 1):
        raise node.error("must be in inference mode with statistics per channel")
    return _layer(node, "batch_normalization", 5, epsilon=node.number("epsilon", 1e-5))


@translates("InstanceNormalization")
def _instance_normalization(node: Node) -> Translation:
    return _layer(node, "instance_normalization", 3, epsilon=node.number("epsilon", 1e-5))


@translates("LayerNormalization")
def _layer_normalization(node: Node) -> Translation:
    return _layer(
        node, "layer_normalization", 3,
        axis=node.axis(node.integer("axis", -1)), epsilon=node.number("epsilon", 1e-5),
    )  # fmt: skip


@translates("RMSNormalization")
def _rms_normalization(node: Node) -> Translation:
    return _layer(
        node, "rms_normalization", 2,
        axis=node.axis(node.integer("axis", -1)), epsilon=node.number("epsilon", 1e-5),
    )  # fmt: skip


@translates("LRN")
def _lrn(node: Node) -> Translation:
    return _layer(
        node, "lrn", 1, size=node.integer("size"), alpha=node.number("alpha", 1e-4),
        beta=node.number("beta", 0.75), bias=node.number("bias", 1.0),
    )  # fmt: skip


COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
)  # fmt: skip


@translates("Resize", "Upsample")
def _resize(node: Node) -> Translation:
    old = node.proto.op_type == "Upsample" or node.opset < 11
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    if old:
        coordinates = "asymmetric"
    if coordinates not in COORDINATES:
        raise node.error(f"must have one of the coordinates {', '.join(COORDINATES)}")
    if node.integer("antialias", 0):
        raise node.error("must not antialias")
    shape, sizes = node.shape(), node.output_shape()
    axes = tuple(node.axis(a) for a in node.ints("axes") or range(len(shape)))
    at = 1 if old else 2
    scales = [b / a for a, b in zip(shape, sizes, strict=True)]
    if node.attribute("scales") is not None or (node.present(at) and node.static(at).size):
        written = node.attribute("scales")
        values = node.static(at).reshape(-1) if written is None else written.floats
        for axis, value in zip(axes, values, strict=True):
            scales[axis] = float(value)
    elif node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        asked = zip(axes, node.static_ints(3), strict=True)
        ratios = [size / shape[axis] for axis, size in asked]
        larger = node.text("keep_aspect_ratio_policy", "stretch") == "not_smaller"
        for axis in axes:
            scales[axis] = max(ratios) if larger else min(ratios)
    return _layer(
        node, "resize", 1, mode=node.text("mode", "nearest"), sizes=sizes, scales=tuple(scales),
        coordinates=coordinates, exclude_outside=node.integer("exclude_outside", 0),
        nearest="floor" if old else node.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff_a=node.number("cubic_coeff_a", -0.75),
    )  # fmt: skip


@translates("LSTM", "GRU")
def _recurrent(node: Node) -> Translation:
    return onnx_recurrent.translate(node)


@translates("Constant")
def _constant(node: Node) -> Translation:
    value = node.tensor("value")
    if value is not None:
        return Translation(value=value)
    for name, dtype in (
        ("value_float", np.float32), ("value_floats", np.float32),
        ("value_int", np.int64), ("value_ints", np.int64),
    ):  # fmt: skip
        attribute = node.attribute(name)
        if attribute is not None:
            item = onnx.helper.get_attribute_value(attribute)
            return Translation(value=np.array(item, dtype=dtype))
    raise node.error("must hold a dense tensor, numbers or integers")


@translates("ConstantOfShape")
def _constant_of_shape(node: Node) -> Translation:
    fill = node.tensor("value")
    scalar = np.zeros((), dtype=np.float32) if fill is None else fill.reshape(())
    shape = node.bounded(node.static_ints(0))
    return Translation(value=np.broadcast_to(scalar, shape))  # takes no memory


@translates("Shape")
def _shape(node: Node) -> Translation:
    shape = node.shape()
    start, end = node.integer("start", 0), node.integer("end", len(shape))
    return Translation(value=np.array(shape[start:end], dtype=np.int64))


@translates("Size")
def _size(node: Node) -> Translation:
    return Translation(value=np.array(math.prod(node.shape()), dtype=np.int64))


@translates("Range")
def _range(node: Node) -> Translation:
    start, limit, step = (node.static(i).reshape(-1)[0] for i in range(3))
    if not step:
        raise node.error("must have a step other than 0")
    node.bounded((max(0, math.ceil((float(limit) - float(start)) / float(step))),))
    return Translation(value=np.arange(start, limit, step).astype(start.dtype))
