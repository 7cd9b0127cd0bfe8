"""Operators that move or select data without computing."""

from __future__ import annotations

import numpy as np

from systolab.glenside.network.network import Layer, Tensor
from systolab.glenside.operators.registry import Inputs, evaluates, optional, required

__all__ = [
    "concat", "depth_to_space", "expand", "gather", "gather_elements", "pad", "reshape", "slice_",
    "space_to_depth", "split", "tile", "transpose", "trilu",
]  # fmt: skip


@evaluates("reshape", "flatten", "squeeze", "unsqueeze")
def reshape(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """The same elements in row-major order under another shape."""
    return [required(layer, inputs, 0).reshape(layer.ints("shape"))]


@evaluates("transpose")
def transpose(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Permute dimensions."""
    return [np.ascontiguousarray(required(layer, inputs, 0).transpose(layer.ints("perm")))]


@evaluates("concat")
def concat(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Join along one axis."""
    parts = [required(layer, inputs, i) for i in range(len(inputs))]
    return [np.concatenate(parts, axis=layer.integer("axis"))]


@evaluates("slice")
def slice_(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Strided boxes; starts, ends and steps are given for ``axes``."""
    x = required(layer, inputs, 0)
    box = [slice(None)] * x.ndim
    for axis, start, end, step in zip(
        *(layer.ints(name) for name in ("axes", "starts", "ends", "steps")), strict=True
    ):
        size = x.shape[axis]
        low, high = (0, size) if step > 0 else (-1, size - 1)
        start = min(max(start + size if start < 0 else start, max(low, 0)), high)
        end = min(max(end + size if end < 0 else end, low), high if step < 0 else size)
        box[axis] = slice(start, None if end < 0 else end, step)
    return [np.ascontiguousarray(x[tuple(box)])]


@evaluates("split")
def split(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Cut along one axis into parts of the given sizes."""
    x = required(layer, inputs, 0)
    cuts = np.cumsum(layer.ints("sizes"))[:-1]
    return [np.ascontiguousarray(p) for p in np.split(x, cuts, axis=layer.integer("axis"))]


@evaluates("gather")
def gather(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Select along one axis by an index tensor; negative indices count from the end."""
    x, indices = required(layer, inputs, 0), required(layer, inputs, 1)
    return [np.take(x, indices, axis=layer.integer("axis"))]


@evaluates("gather_elements")
def gather_elements(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Select along one axis, for every position its own index."""
    x, indices = required(layer, inputs, 0), required(layer, inputs, 1)
    axis = layer.integer("axis")
    wrapped = np.where(indices < 0, indices + x.shape[axis], indices)
    box = tuple(
        slice(None) if dim == axis else slice(0, size) for dim, size in enumerate(indices.shape)
    )
    return [np.take_along_axis(x[box], wrapped, axis=axis)]


@evaluates("trilu")
def trilu(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Upper or lower triangle of the last two dimensions."""
    x, keep = required(layer, inputs, 0), np.triu if layer.integer("upper") else np.tril
    return [keep(x, layer.integer("offset"))]


@evaluates("expand")
def expand(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Broadcast to a shape (both ways, as NumPy does)."""
    x = required(layer, inputs, 0)
    shape = np.broadcast_shapes(x.shape, layer.ints("shape"))
    return [np.ascontiguousarray(np.broadcast_to(x, shape))]


@evaluates("tile")
def tile(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Repeat along every dimension."""
    return [np.tile(required(layer, inputs, 0), layer.ints("repeats"))]


@evaluates("pad")
def pad(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Pad (or, with negative sizes, crop) every dimension."""
    x, fill = required(layer, inputs, 0), optional(inputs, 1)
    pads, mode = layer.ints("pads"), layer.text("mode")
    begins, ends = pads[: x.ndim], pads[x.ndim :]
    box = tuple(
        slice(max(-b, 0), size - max(-e, 0))
        for b, e, size in zip(begins, ends, x.shape, strict=True)
    )
    widths = [(max(b, 0), max(e, 0)) for b, e in zip(begins, ends, strict=True)]
    if mode == "constant":
        value = x.dtype.type(0) if fill is None else fill.reshape(-1)[0]
        return [np.pad(x[box], widths, constant_values=value)]
    if mode == "edge":
        return [np.pad(x[box], widths, mode="edge")]
    if mode == "wrap":
        return [np.pad(x[box], widths, mode="wrap")]
    return [np.pad(x[box], widths, mode="reflect")]


@evaluates("depth_to_space")
def depth_to_space(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Move blocks of channels into space."""
    x, b = required(layer, inputs, 0), layer.integer("blocksize")
    n, c, h, w = x.shape
    if layer.text("mode") == "DCR":
        y = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return [np.ascontiguousarray(y).reshape(n, c // (b * b), h * b, w * b)]


@evaluates("space_to_depth")
def space_to_depth(layer: Layer, inputs: Inputs) -> list[Tensor]:
    """Move blocks of space into channels."""
    x, b = required(layer, inputs, 0), layer.integer("blocksize")
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // b, b, w // b, b)
    order = (0, 3, 5, 1, 2, 4) if layer.text("mode") == "DCR" else (0, 1, 3, 5, 2, 4)
    return [np.ascontiguousarray(y.transpose(order)).reshape(n, c * b * b, h // b, w // b)]
