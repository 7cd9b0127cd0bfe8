"""Interpolation."""

from __future__ import annotations

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import layer, translates

_COORDINATES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
)  # fmt: skip


@translates("Resize", "Upsample")
def _resize(node: Node) -> Translation:
    old = node.proto.op_type == "Upsample" or node.opset < 11
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    if old:
        coordinates = "asymmetric"
    if coordinates not in _COORDINATES:
        raise node.error(f"must have one of the coordinates {', '.join(_COORDINATES)}")
    if node.integer("antialias", 0):
        raise node.error("must not antialias")
    shape, sizes = node.shape(), node.output_shape()
    axes = tuple(node.axis(a) for a in node.ints("axes") or range(len(shape)))
    at = 1 if old else 2
    scales = [b / a for a, b in zip(shape, sizes, strict=True)]
    if node.attribute("scales") is not None or (node.present(at) and node.static(at).size):
        written = node.attribute("scales")
        values = node.static(at).reshape(-1) if written is None else written.floats
        for axis, value in zip(axes, values, strict=True):
            scales[axis] = float(value)
    elif node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        asked = zip(axes, node.static_ints(3), strict=True)
        ratios = [size / shape[axis] for axis, size in asked]
        larger = node.text("keep_aspect_ratio_policy", "stretch") == "not_smaller"
        for axis in axes:
            scales[axis] = max(ratios) if larger else min(ratios)
    return layer(
        node, "resize", 1, mode=node.text("mode", "nearest"), sizes=sizes, scales=tuple(scales),
        coordinates=coordinates, exclude_outside=node.integer("exclude_outside", 0),
        nearest="floor" if old else node.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff_a=node.number("cubic_coeff_a", -0.75),
    )  # fmt: skip
