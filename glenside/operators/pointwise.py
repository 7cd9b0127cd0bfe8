"""Element by element operators, with NumPy's broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import (
    EVALUATORS,
    Inputs,
    evaluates,
    narrow,
    required,
    wide,
)

__all__ = [
    "binary", "cast", "clip", "div", "extremum", "isinf", "mod", "parametric", "power", "prelu",
    "total", "transcendental", "unary", "where",
]  # fmt: skip


def _erf(x: Tensor) -> Tensor:
    flat = [math.erf(value) for value in x.reshape(-1).tolist()]
    return np.array(flat, dtype=np.float64).reshape(x.shape)


def _sigmoid(x: Tensor) -> Tensor:
    return 1.0 / (1.0 + np.exp(-x))


def _gelu(layer: Layer, inputs: Inputs) -> list[Tensor]:
    x = wide(required(layer, inputs, 0))
    if layer.text("approximate") == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)
        return [narrow(0.5 * x * (1.0 + np.tanh(inner)))]
    return [narrow(0.5 * x * (1.0 + _erf(x * math.sqrt(0.5))))]


# Functions of one number, evaluated in binary64 and rounded once.
_TRANSCENDENTAL: dict[str, Callable[[Tensor], Tensor]] = {
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": _erf,
    "exp": np.exp,
    "log": np.log,
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0.0)),
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "sinh": np.sinh,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "tan": np.tan,
    "tanh": np.tanh,
    "reciprocal": lambda x: 1.0 / x,
    "hard_swish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
}

# Functions of one number whose result is exact or correctly rounded in the input's own type.
_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "identity": lambda x: x,
    "isnan": np.isnan,
    "neg": np.negative,
    "not": np.logical_not,
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "round": np.rint,
    "sign": np.sign,
    "sqrt": np.sqrt,
}

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": np.add,
    "and": np.logical_and,
    "equal": np.equal,
    "greater": np.greater,
    "greater_or_equal": np.greater_equal,
    "less": np.less,
    "less_or_equal": np.less_equal,
    "mul": np.multiply,
    "or": np.logical_or,
    "sub": np.subtract,
    "xor": np.logical_xor,
}


@evaluates(*_TRANSCENDENTAL)
def transcendental(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """A function of one number, rounded once."""
    with np.errstate(all="ignore"):
        return [narrow(_TRANSCENDENTAL[layer.op](wide(required(layer, inputs, 0))))]


@evaluates(*_UNARY)
def unary(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """A function of one number that needs no rounding beyond the type's own."""
    with np.errstate(all="ignore"):
        return [np.asarray(_UNARY[layer.op](required(layer, inputs, 0)))]


@evaluates(*_BINARY)
def binary(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """A function of two numbers, rounded in the type's own precision."""
    with np.errstate(all="ignore"):
        return [
            np.asarray(_BINARY[layer.op](required(layer, inputs, 0), required(layer, inputs, 1)))
        ]


@evaluates("div")
def div(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Division; integers truncate towards zero."""
    a, b = required(layer, inputs, 0), required(layer, inputs, 1)
    with np.errstate(all="ignore"):
        if a.dtype.kind == "f":
            return [np.asarray(np.divide(a, b))]
        quotient = np.abs(a) // np.abs(b)
        return [np.asarray(np.where((a < 0) ^ (b < 0), -quotient, quotient), dtype=a.dtype)]


@evaluates("mod")
def mod(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Remainder with the sign of the divisor, or of the dividend with ``fmod``."""
    a, b = required(layer, inputs, 0), required(layer, inputs, 1)
    with np.errstate(all="ignore"):
        return [np.asarray(np.fmod(a, b) if layer.integer("fmod") else np.mod(a, b))]


@evaluates("pow")
def power(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Powers, in the base's type."""
    a, b = required(layer, inputs, 0), required(layer, inputs, 1)
    with np.errstate(all="ignore"):
        if a.dtype.kind == "f":
            return [narrow(np.power(wide(a), wide(b)))]
        return [np.asarray(np.power(wide(a), wide(b))).astype(a.dtype)]


@evaluates("max", "min")
def extremum(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Largest or smallest of any number of tensors."""
    result = required(layer, inputs, 0)
    for i in range(1, len(inputs)):
        other = required(layer, inputs, i)
        result = np.maximum(result, other) if layer.op == "max" else np.minimum(result, other)
    return [np.asarray(result)]


@evaluates("sum", "mean")
def total(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Sum or mean of any number of tensors, rounded after each addition."""
    result = required(layer, inputs, 0)
    for i in range(1, len(inputs)):
        result = np.add(result, required(layer, inputs, i))
    if layer.op == "mean":
        result = np.divide(result, np.float32(len(inputs)))
    return [np.asarray(result)]


@evaluates("clip")
def clip(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Clamp to [min, max]; either may be absent. The upper bound wins where they cross."""
    result = required(layer, inputs, 0)
    dtype = result.dtype
    if "min" in layer.attributes:
        result = np.maximum(result, np.array(layer.number("min"), dtype=dtype))
    if "max" in layer.attributes:
        result = np.minimum(result, np.array(layer.number("max"), dtype=dtype))
    return [np.asarray(result)]


@evaluates("where")
def where(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Choose by a condition."""
    condition, x, y = (required(layer, inputs, i) for i in range(3))
    return [np.where(condition, x, y)]


@evaluates("cast")
def cast(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Convert to another element type."""
    with np.errstate(all="ignore"):
        return [required(layer, inputs, 0).astype(np.dtype(layer.text("to")))]


@evaluates("isinf")
def isinf(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Whether an element is an infinity of a sign that is asked for."""
    x = required(layer, inputs, 0)
    positive, negative = bool(layer.integer("positive")), bool(layer.integer("negative"))
    return [(np.isposinf(x) & positive) | (np.isneginf(x) & negative)]


@evaluates("prelu")
def prelu(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Leaky ReLU with a tensor of slopes."""
    x, slope = required(layer, inputs, 0), required(layer, inputs, 1)
    return [np.where(x < 0, x * slope, x)]


@evaluates("leaky_relu", "elu", "selu", "celu", "thresholded_relu", "hard_sigmoid")
def parametric(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Activations with scalar parameters."""
    x = wide(required(layer, inputs, 0))
    alpha = layer.number("alpha")
    with np.errstate(all="ignore"):
        if layer.op == "leaky_relu":
            y = np.where(x < 0, alpha * x, x)
        elif layer.op == "elu":
            y = np.where(x < 0, alpha * np.expm1(x), x)
        elif layer.op == "selu":
            y = layer.number("gamma") * np.where(x <= 0, alpha * np.expm1(x), x)
        elif layer.op == "celu":
            y = np.maximum(x, 0.0) + np.minimum(0.0, alpha * np.expm1(x / alpha))
        elif layer.op == "thresholded_relu":
            y = np.where(x > alpha, x, 0.0)
        else:
            y = np.clip(alpha * x + layer.number("beta"), 0.0, 1.0)
    return [narrow(np.asarray(y))]


EVALUATORS["gelu"] = _gelu
