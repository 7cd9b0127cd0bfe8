"""Convolutions and matrix products."""

from __future__ import annotations

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import layer, translates
from systolab.glenside.onnx.windows import sliding_window


@translates("Conv")
def _conv(node: Node) -> Translation:
    x, w, group = node.shape(0), node.shape(1), node.integer("group", 1)
    if group < 1 or x[1] != w[1] * group or w[0] % group:
        raise node.error(
            f"must have channels and filters that match its {group} groups, not shapes {x} and {w}"
        )
    _require_kernel_shape(node, w[2:])
    window = sliding_window(node, w[2:])
    return Translation("conv", node.data(3), {**window, "group": group})


@translates("ConvTranspose")
def _conv_transpose(node: Node) -> Translation:
    x, w, group = node.shape(0), node.shape(1), node.integer("group", 1)
    rank, kernel = len(x) - 2, w[2:]
    strides = node.ints("strides") or (1,) * rank
    dilations = node.ints("dilations") or (1,) * rank
    if x[1] != w[0] or len(w) != len(x) or x[1] % group:
        raise node.error(f"must have filters that match its input, not shapes {x} and {w}")
    _require_kernel_shape(node, kernel)
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
    return layer(
        node, "conv_transpose", 3, group=group, strides=strides, dilations=dilations,
        begins=begins, counts=counts,
    )  # fmt: skip


@translates("Gemm")
def _gemm(node: Node) -> Translation:
    return layer(
        node, "gemm", 3,
        alpha=node.number("alpha", 1.0), beta=node.number("beta", 1.0),
        trans_a=int(node.integer("transA", 0) != 0), trans_b=int(node.integer("transB", 0) != 0),
    )  # fmt: skip


@translates("MatMul")
def _matmul(node: Node) -> Translation:
    return layer(node, "matmul")


@translates("Einsum")
def _einsum(node: Node) -> Translation:
    return layer(node, "einsum", equation=node.text("equation", ""))


def _require_kernel_shape(node: Node, kernel: tuple[int, ...]) -> None:
    """See that the attribute, from which shapes are inferred, is that of the filters."""
    given = node.ints("kernel_shape")
    if given is not None and given != kernel:
        raise node.error(f"must have a kernel_shape of {kernel}, as its filters, not {given}")
