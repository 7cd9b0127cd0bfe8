"""Operators whose value is known at import."""

from __future__ import annotations

import math

import numpy as np
import onnx

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import translates

__all__ = ["VALUES"]

# The importer runs no shape inference for these.
VALUES = frozenset({"Constant", "ConstantOfShape", "Range", "Shape", "Size"})


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
    count = (float(limit) - float(start)) / float(step)
    if not math.isfinite(count):
        raise node.error(f"must have finite bounds, not {start}, {limit} and {step}")
    node.bounded((max(0, math.ceil(count)),))
    return Translation(value=np.arange(start, limit, step).astype(start.dtype))
