"""Pooling over windows and over whole images."""

from __future__ import annotations

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import layer, translates
from systolab.glenside.onnx.windows import sliding_window


@translates("MaxPool")
def _max_pool(node: Node) -> Translation:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("must not have its indices read")
    window = sliding_window(node, node.ints("kernel_shape") or ())
    return Translation(
        "max_pool", node.data(1), {**window, "ceil_mode": node.integer("ceil_mode", 0)}
    )


@translates("AveragePool")
def _average_pool(node: Node) -> Translation:
    window = sliding_window(node, node.ints("kernel_shape") or ())
    return Translation(
        "average_pool",
        node.data(1),
        {
            **window,
            "ceil_mode": node.integer("ceil_mode", 0),
            "count_include_pad": node.integer("count_include_pad", 0),
        },
    )


@translates("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(node: Node) -> Translation:
    average = node.proto.op_type == "GlobalAveragePool"
    return layer(node, "global_average_pool" if average else "global_max_pool")
