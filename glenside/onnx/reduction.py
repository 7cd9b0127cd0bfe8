"""Operators that work along dimensions: reductions, running sums, softmax."""

from __future__ import annotations

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import layer, translates

_REDUCE = {
    "ReduceSum": "reduce_sum", "ReduceMean": "reduce_mean", "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min", "ReduceProd": "reduce_prod", "ReduceL1": "reduce_l1",
    "ReduceL2": "reduce_l2", "ReduceSumSquare": "reduce_sum_square",
    "ReduceLogSum": "reduce_log_sum", "ReduceLogSumExp": "reduce_log_sum_exp",
}  # fmt: skip


@translates(*_REDUCE)
def _reduce(node: Node) -> Translation:
    axes = node.ints("axes")
    if axes is None and node.present(1):
        axes = node.static_ints(1)
    if not axes:
        if node.integer("noop_with_empty_axes", 0):
            raise node.error("must have axes")
        axes = tuple(range(node.rank()))
    return layer(
        node, _REDUCE[node.proto.op_type], 1,
        axes=tuple(sorted(node.axis(a) for a in axes)), keepdims=node.integer("keepdims", 1),
    )  # fmt: skip


@translates("ArgMax", "ArgMin")
def _arg_extremum(node: Node) -> Translation:
    return layer(
        node, "arg_max" if node.proto.op_type == "ArgMax" else "arg_min", 1,
        axis=node.axis(node.integer("axis", 0)), keepdims=node.integer("keepdims", 1),
        select_last_index=node.integer("select_last_index", 0),
    )  # fmt: skip


@translates("CumSum")
def _cum_sum(node: Node) -> Translation:
    (axis,) = node.static_ints(1)
    return layer(
        node, "cum_sum", 1, axis=node.axis(axis),
        exclusive=node.integer("exclusive", 0), reverse=node.integer("reverse", 0),
    )  # fmt: skip


@translates("Softmax", "LogSoftmax", "Hardmax")
def _softmax(node: Node) -> Translation:
    op = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Hardmax": "hardmax"}
    if node.opset < 13:
        axes = tuple(range(node.axis(node.integer("axis", 1)), node.rank()))
    else:
        axes = (node.axis(node.integer("axis", -1)),)
    return layer(node, op[node.proto.op_type], 1, axes=axes)
