"""Normalisation by statistics."""

from __future__ import annotations

from systolab.glenside.onnx.node import Node, Translation
from systolab.glenside.onnx.registry import checks, layer, translates


@translates("BatchNormalization")
def _batch_normalization(node: Node) -> Translation:
    if node.integer("training_mode", 0) or not node.integer("spatial", 1):
        raise node.error("must be in inference mode with statistics per channel")
    return layer(node, "batch_normalization", 5, epsilon=node.number("epsilon", 1e-5))


@translates("InstanceNormalization")
def _instance_normalization(node: Node) -> Translation:
    return layer(node, "instance_normalization", 3, epsilon=node.number("epsilon", 1e-5))


@checks("LayerNormalization")
def _normalised_axes(node: Node) -> None:
    node.axis(node.integer("axis", -1))


@translates("LayerNormalization")
def _layer_normalization(node: Node) -> Translation:
    return layer(
        node, "layer_normalization", 3,
        axis=node.axis(node.integer("axis", -1)), epsilon=node.number("epsilon", 1e-5),
    )  # fmt: skip


@translates("RMSNormalization")
def _rms_normalization(node: Node) -> Translation:
    return layer(
        node, "rms_normalization", 2,
        axis=node.axis(node.integer("axis", -1)), epsilon=node.number("epsilon", 1e-5),
    )  # fmt: skip


@translates("LpNormalization")
def _lp_normalization(node: Node) -> Translation:
    return layer(
        node, "lp_normalization", axis=node.axis(node.integer("axis", -1)), p=node.integer("p", 2)
    )


@translates("LRN")
def _lrn(node: Node) -> Translation:
    return layer(
        node, "lrn", 1, size=node.integer("size"), alpha=node.number("alpha", 1e-4),
        beta=node.number("beta", 0.75), bias=node.number("bias", 1.0),
    )  # fmt: skip
