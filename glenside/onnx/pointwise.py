"""Operators that work element by element."""

from __future__ import annotations

import onnx

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import layer, translates

# Operators without parameters: elementwise, operands broadcast.
_PLAIN = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Add": "add", "And": "and", "Asin": "asin",
    "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh", "Ceil": "ceil", "Cos": "cos",
    "Cosh": "cosh", "Div": "div", "Equal": "equal", "Erf": "erf", "Exp": "exp", "Floor": "floor",
    "Greater": "greater", "GreaterOrEqual": "greater_or_equal", "HardSwish": "hard_swish",
    "IsNaN": "isnan", "Less": "less", "LessOrEqual": "less_or_equal", "Log": "log",
    "Max": "max", "Mean": "mean", "Min": "min", "Mish": "mish", "Mul": "mul",
    "Neg": "neg", "Not": "not", "Or": "or", "PRelu": "prelu", "Pow": "pow",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid",
    "Sign": "sign", "Sin": "sin", "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign",
    "Sqrt": "sqrt", "Sub": "sub", "Tan": "tan", "Tanh": "tanh", "Where": "where",
    "Xor": "xor",
}  # fmt: skip

# Activations: operator, default alpha, default beta or gamma.
_PARAMETRIC: dict[str, tuple[str, dict[str, float]]] = {
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Celu": ("celu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "ThresholdedRelu": ("thresholded_relu", {"alpha": 1.0}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
}


@translates(*_PLAIN)
def _plain(node: Node) -> Translation:
    if node.integer("broadcast", 0):
        raise node.error("must not use the broadcasting of operator sets before 7")
    return layer(node, _PLAIN[node.proto.op_type])


@translates(*_PARAMETRIC)
def _parametric(node: Node) -> Translation:
    op, defaults = _PARAMETRIC[node.proto.op_type]
    return Translation(
        op, node.data(1), {name: node.number(name, value) for name, value in defaults.items()}
    )


@translates("Sum")
def _sum(node: Node) -> Translation:
    return layer(node, {1: "identity", 2: "add"}.get(len(node.inputs), "sum"))


@translates("Identity")
def _identity(node: Node) -> Translation:
    return layer(node, "identity", 1)


@translates("Dropout")
def _dropout(node: Node) -> Translation:
    if node.present(2) and bool(node.static(2)):
        raise node.error("must not be in training mode")
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("must not have its mask read")
    return layer(node, "identity", 1)


@translates("Gelu")
def _gelu(node: Node) -> Translation:
    return layer(node, "gelu", approximate=node.text("approximate", "none"))


@translates("IsInf")
def _is_inf(node: Node) -> Translation:
    return layer(
        node, "isinf",
        positive=node.integer("detect_positive", 1), negative=node.integer("detect_negative", 1),
    )  # fmt: skip


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
    return layer(node, "cast", 1, to=names[target])


@translates("Mod")
def _mod(node: Node) -> Translation:
    return layer(node, "mod", fmod=node.integer("fmod", 0))
