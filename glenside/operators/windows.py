"""Sliding windows over the spatial dimensions of a tensor: what convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from systolab.glenside.network.network import Layer, Tensor

__all__ = ["pad_spatial", "pooled_extent", "window_count", "windows"]


def window_count(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Windows that fit a (padded) dimension."""
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def pad_spatial(x: Tensor, pads: Sequence[int], value: float) -> Tensor:
    """Pad all but the first two dimensions; ``pads`` is all begins, then all ends (ONNX order)."""
    rank = len(pads) // 2
    if not any(pads):
        return x
    widths = [(0, 0), (0, 0)] + [(pads[i], pads[i + rank]) for i in range(rank)]
    return np.pad(x, widths, constant_values=value)


def windows(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    counts: Sequence[int],
) -> Tensor:
    """View ``x[n, c, spatial...]`` as ``[n, c, counts..., kernel...]`` without copying."""
    spatial = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        x.shape[:2] + tuple(counts) + tuple(kernel),
        x.strides[:2]
        + tuple(s * step for s, step in zip(spatial, strides, strict=True))
        + tuple(s * step for s, step in zip(spatial, dilations, strict=True)),
        writeable=False,
    )


def pooled_extent(layer: Layer, sizes: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Output sizes and end padding of a pooling layer.

    With ``ceil_mode`` the last window may hang over the end padding; a window that would start in
    it is dropped, as ONNX prescribes.
    """
    kernel, strides = layer.ints("kernel_shape"), layer.ints("strides")
    pads, dilations = layer.ints("pads"), layer.ints("dilations")
    rank = len(kernel)
    counts, ends = [], []
    for i, size in enumerate(sizes):
        begin, end = pads[i], pads[i + rank]
        span = dilations[i] * (kernel[i] - 1) + 1
        free = size + begin + end - span
        if layer.integer("ceil_mode"):
            count = -(-free // strides[i]) + 1
            if (count - 1) * strides[i] >= size + begin:
                count -= 1
        else:
            count = free // strides[i] + 1
        counts.append(count)
        ends.append(max(end, (count - 1) * strides[i] + span - size - begin))
    return tuple(counts), tuple(ends)
