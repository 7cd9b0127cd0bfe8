"""Operators that move elements and compute nothing."""

from __future__ import annotations

import math

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import checks, layer, translates


@translates("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(node: Node) -> Translation:
    shape = node.output_shape()
    if math.prod(shape) != math.prod(node.shape()):
        raise node.error(f"must keep the number of elements of {node.shape()}, not give {shape}")
    attributes: dict[str, Attribute] = {"shape": shape}
    if node.proto.op_type == "Flatten":
        attributes["axis"] = node.axis(node.integer("axis", 1), node.rank() + 1)
    return Translation(node.proto.op_type.lower(), node.data(1), attributes)


@translates("Transpose")
def _transpose(node: Node) -> Translation:
    perm = node.ints("perm") or tuple(reversed(range(node.rank())))
    return layer(node, "transpose", perm=perm)


@translates("Concat")
def _concat(node: Node) -> Translation:
    return layer(node, "concat", axis=node.axis(node.integer("axis", 1)))


@translates("Slice")
def _slice(node: Node) -> Translation:
    if node.opset < 10:
        starts, ends = node.ints("starts") or (), node.ints("ends") or ()
        axes, steps = node.ints("axes"), None
    else:
        starts, ends = node.static_ints(1), node.static_ints(2)
        axes = node.static_ints(3) if node.present(3) else None
        steps = node.static_ints(4) if node.present(4) else None
    axes = tuple(range(len(starts))) if axes is None else tuple(node.axis(a) for a in axes)
    steps = (1,) * len(starts) if steps is None else steps
    if 0 in steps:
        raise node.error("must have steps other than 0")
    return layer(node, "slice", 1, axes=axes, starts=starts, ends=ends, steps=steps)


@checks("Split")
def _split_outputs(node: Node) -> None:
    count = len(node.proto.output)
    if node.has("num_outputs") and node.integer("num_outputs") != count:
        raise node.error(f"must have {node.integer('num_outputs')} outputs, not {count}")
    node.axis(node.integer("axis", 0))


@translates("Split")
def _split(node: Node) -> Translation:
    axis = node.axis(node.integer("axis", 0))
    sizes = tuple(node.output_shape(i)[axis] for i in range(len(node.proto.output)))
    return layer(node, "split", 1, axis=axis, sizes=sizes)


@translates("Gather")
def _gather(node: Node) -> Translation:
    axis = node.axis(node.integer("axis", 0))
    indices = node.constants.get(node.inputs[1])
    size = node.shape()[axis]
    if indices is not None and ((indices < -size) | (indices >= size)).any():
        raise node.error(f"must have indices from {-size} to {size - 1}")
    return layer(node, "gather", axis=axis)


@checks("Expand")
def _expanded_shape(node: Node) -> None:
    node.bounded(node.static_ints(1))


@translates("Expand")
def _expand(node: Node) -> Translation:
    return layer(node, "expand", 1, shape=node.static_ints(1))


@translates("Tile")
def _tile(node: Node) -> Translation:
    return layer(node, "tile", 1, repeats=node.static_ints(1))


@translates("Pad")
def _pad(node: Node) -> Translation:
    mode, rank = node.text("mode", "constant"), node.rank()
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise node.error(f"must have a known mode, not '{mode}'")
    if node.opset < 11:
        pads = node.ints("pads") or node.ints("paddings") or ()
        if mode == "constant" and node.number("value", 0.0) != 0.0:
            raise node.error("must pad with 0 before operator set 11")
        return layer(node, "pad", 1, pads=pads, mode=mode)
    pads = node.static_ints(1)
    if node.present(3):
        axes = [node.axis(a) for a in node.static_ints(3)]
        full = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            full[axis], full[axis + rank] = pads[i], pads[i + len(axes)]
        pads = tuple(full)
    if len(pads) != 2 * rank:
        raise node.error(f"must have {2 * rank} pads, not {len(pads)}")
    inputs = (node.inputs[0], node.inputs[2]) if node.present(2) else (node.inputs[0],)
    return Translation("pad", inputs, {"pads": pads, "mode": mode})


@translates("Trilu")
def _trilu(node: Node) -> Translation:
    offset = node.static_ints(1)[0] if node.present(1) else 0
    return layer(node, "trilu", 1, upper=node.integer("upper", 1), offset=offset)


@translates("GatherElements")
def _gather_elements(node: Node) -> Translation:
    return layer(node, "gather_elements", axis=node.axis(node.integer("axis", 0)))


@translates("DepthToSpace")
def _depth_to_space(node: Node) -> Translation:
    return layer(
        node, "depth_to_space", blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR")
    )


@translates("SpaceToDepth")
def _space_to_depth(node: Node) -> Translation:
    return layer(
        node, "space_to_depth", blocksize=node.integer("blocksize"), mode=node.text("mode", "DCR")
    )
