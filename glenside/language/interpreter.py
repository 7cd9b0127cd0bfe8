"""Values of terms: every construct, hardware included, in binary32 or on exact numbers.

``evaluate`` is the semantics that rewrites are checked against.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from systolab.formats.dot.postprocess import to_binary32
from systolab.formats.dot.product import dot
from systolab.formats.errors import SystolabError
from systolab.glenside.language import grammar as g
from systolab.glenside.language.layout import Layout
from systolab.glenside.network.network import Tensor as Values
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.kernel.modes import Mode

__all__ = ["evaluate"]


def evaluate(term: g.Term, tensors: Mapping[str, Values], array: Array | None = None) -> Values:
    """The value of ``term``, with the shape ``term.dims``.

    Args:
        term: what to evaluate.
        tensors: the value of every tensor leaf by name. Their dtype is the arithmetic's: binary32,
            binary64, or integers, on which sums are exact whatever their order.
        array: if given, ``systolic-array`` works in its formats and its accumulator: operands are
            quantised with a scale fitted to each, sums are rounded to binary32.

    Raises:
        SystolabError: a leaf has no value or one of another shape.
    """
    memo: dict[g.Term, Values] = {}
    for node in term.walk():
        if isinstance(node, g.Tensor):
            memo[node] = _leaf(node, tensors)
        elif isinstance(node, g.Literal):
            memo[node] = _literal(node, _dtype(tensors))
        elif isinstance(node, g.MakeTuple):
            memo[node] = np.zeros(())
        elif isinstance(node, g.TupleGet):
            memo[node] = memo[node.a.children()[node.index]]
        else:
            args = tuple(memo[child] for child in node.children())
            if isinstance(node, g.SystolicArray) and array is not None:
                memo[node] = _quantised(node, args[0], args[1], array)
            else:
                memo[node] = _apply(node, args)
            if memo[node].shape != node.dims:
                raise AssertionError(f"{node.head} gave {memo[node].shape}, not {node.dims}")
    return memo[term]


def _leaf(node: g.Tensor, tensors: Mapping[str, Values]) -> Values:
    if node.name not in tensors:
        raise SystolabError(f"tensor {node.name} must have a value, not be unbound")
    value = tensors[node.name]
    if value.shape != node.dimensions:
        raise SystolabError(
            f"tensor {node.name} must have shape {node.dimensions}, not {value.shape}"
        )
    return value


def _literal(node: g.Literal, dtype: np.dtype[Any]) -> Values:
    exact = dtype.kind == "f" or node.value.is_integer()
    return np.full(node.dimensions, node.value, dtype if exact else np.float64)


def _dtype(tensors: Mapping[str, Values]) -> np.dtype[Any]:
    return np.result_type(*tensors.values()) if tensors else np.dtype(np.float32)


def _apply(node: g.Term, args: tuple[Values, ...]) -> Values:
    x = args[0]
    match node:
        case g.Access() | g.TupleGet():
            return x
        case g.Transpose():
            return np.transpose(x, node.permutation)
        case g.CartesianProduct():
            return _cartesian(node, x, args[1])
        case g.Pair():
            return np.stack(args, axis=len(node.access))
        case g.Windows():
            return _windows(node, x)
        case g.Slice():
            return x[(slice(None),) * node.axis + (slice(node.lo, node.hi),)]
        case g.Concatenate():
            return np.concatenate(args, axis=node.axis)
        case g.Pad():
            amounts = [(0, 0)] * x.ndim
            amounts[node.axis] = (node.before, node.after)
            return np.pad(x, amounts, constant_values=_fill(node.padding, x.dtype))
        case g.Squeeze() | g.InsertAxis() | g.Flatten() | g.Reshape() | g.ShiftRight():
            return x.reshape(node.dims)
        case g.Broadcast():
            return np.broadcast_to(x, node.dimensions)
        case g.Compute():
            return _compute(node, x)
        case g.Clamp():
            return _clamp(x, node.lo, node.hi)
        case g.SystolicArray():
            return _systolic(node, x, args[1])
        case g.PostProcess():
            return _clamp(x + args[1], node.lo, node.hi)
        case g.BlockDiagonal():
            return _block_diagonal(node, x)
        case g.Store():
            return Layout.parse(node.layout).pack(x)
        case g.Load():
            return Layout.parse(node.layout).unpack(x, node.dimensions)
    raise AssertionError(f"no interpretation of {node.head}")


def _fill(padding: str, dtype: np.dtype[Any]) -> float | int:
    if padding == "zero":
        return 0
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype.name).min)


def _clamp(x: Values, lo: float, hi: float) -> Values:
    if lo != -np.inf:
        x = np.where(x < lo, x.dtype.type(lo), x)
    return x if hi == np.inf else np.where(x > hi, x.dtype.type(hi), x)


def _block_diagonal(node: g.BlockDiagonal, x: Values) -> Values:
    groups, n, k = x.shape
    c = node.size
    result = np.zeros((groups // c, c, n, c, k), x.dtype)
    for i in range(c):
        result[:, i, :, i, :] = x[i::c]
    return result.reshape(node.dims)


def _cartesian(node: g.CartesianProduct, a: Values, b: Values) -> Values:
    k, item = node.batch, node.item[1:]
    batch, m = node.a.access[:k], node.a.access[k:]
    n = node.b.access[k:]
    whole = batch + m + n + item
    left = np.broadcast_to(a.reshape(batch + m + (1,) * len(n) + item), whole)
    right = np.broadcast_to(b.reshape(batch + (1,) * len(m) + n + item), whole)
    return np.stack((left, right), axis=len(batch + m + n))


def _windows(node: g.Windows, x: Values) -> Values:
    first = len(node.a.access)
    spans = tuple((w - 1) * e + 1 for w, e in zip(node.window, node.dilation, strict=True))
    axes = tuple(range(first, x.ndim))
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=axes)
    steps = tuple(slice(None, None, s) for s in node.strides)
    taps = tuple(slice(None, None, e) for e in node.dilation)
    result: Values = view[(slice(None),) * first + steps + taps]
    return result


def _compute(node: g.Compute, x: Values) -> Values:
    first = len(node.a.access)
    items = tuple(range(first, x.ndim))
    match node.function:
        case "dot-product":
            products: Values = np.multiply.reduce(x, axis=first)
            return np.asarray(products.sum(axis=items[:-1], dtype=x.dtype))
        case "reduce-sum":
            return np.asarray(x.sum(axis=items, dtype=x.dtype))
        case "reduce-max":
            return np.asarray(x.max(axis=items))
        case "reduce-mean":
            return np.asarray(x.mean(axis=items))
        case "elementwise-add":
            return np.asarray(x.sum(axis=first, dtype=x.dtype))
        case "elementwise-mul":
            return np.asarray(np.multiply.reduce(x, axis=first))
        case "elementwise-div":
            return np.asarray(reduce(np.divide, np.moveaxis(x, first, 0)))
        case "relu":
            return np.where(x < 0, x.dtype.type(0), x)
        case "sqrt":
            return np.asarray(np.sqrt(x))
        case "negative":
            return np.asarray(np.negative(x))
        case "softmax":
            shifted = np.exp(x - x.max(axis=-1, keepdims=True))
            return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
    raise AssertionError(f"no interpretation of compute {node.function}")


def _quantised(node: g.SystolicArray, a: Values, w: Values, array: Array) -> Values:
    """The products in the array's formats, summed in the order of the dataflow."""
    qa, qw = array.act.quantize(a), array.weight.quantize(w)
    summed = Mode(node.dataflow).description.sums_lanes
    group = min(array.rows, a.shape[-1]) if summed else 1
    matrices = zip(
        qa.codes.reshape(-1, *a.shape[-2:]), qw.codes.reshape(-1, *w.shape[-2:]), strict=True
    )
    sums = []
    for left, right in matrices:
        result = dot(left, right.T, array.act, array.weight, array.accumulator, group)
        sums.append(to_binary32(result.acc, result.lsb))
    return np.asarray(np.stack(sums).reshape(node.dims) * (qa.scale * qw.scale))


def _systolic(node: g.SystolicArray, a: Values, w: Values) -> Values:
    """Accumulates in the order of the dataflow's reduction: k ascending."""
    total = np.zeros(node.dims, dtype=a.dtype)
    for k in range(a.shape[-1]):
        total = total + a[..., :, None, k] * w[..., None, :, k]
    return total
