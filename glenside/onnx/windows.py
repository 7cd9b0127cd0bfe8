"""Sliding windows: sizes, strides, dilations and padding, whatever way they are written."""

from __future__ import annotations

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx.node import Node

__all__ = ["sliding_window"]


def _pads(
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


def sliding_window(node: Node, kernel: tuple[int, ...]) -> dict[str, Attribute]:
    """Attributes of a layer with a window over all spatial dimensions, padding made explicit."""
    rank = len(kernel)
    sizes = node.shape()[2:]
    if len(sizes) != rank:
        raise node.error(f"must have {rank} spatial dimensions in its input, not {len(sizes)}")
    strides = node.ints("strides") or (1,) * rank
    dilations = node.ints("dilations") or (1,) * rank
    for name, values in (("kernel_shape", kernel), ("strides", strides), ("dilations", dilations)):
        if len(values) != rank or min(values, default=1) < 1:
            raise node.error(f"must have {rank} positive {name}, not {values}")
    pads = _pads(node, sizes, kernel, strides, dilations)
    for i in range(rank):
        if sizes[i] + pads[i] + pads[i + rank] < dilations[i] * (kernel[i] - 1) + 1:
            raise node.error(f"must have a window that fits its input of spatial size {sizes}")
    padded = (size + pads[i] + pads[i + rank] for i, size in enumerate(sizes))
    node.bounded((*node.shape()[:2], *padded))
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
