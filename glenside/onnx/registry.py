"""The table from ONNX operator type to the function that translates its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx.node import Node, Translation

__all__ = ["TRANSLATORS", "Translator", "layer", "translates"]

Translator: TypeAlias = Callable[[Node], Translation]

TRANSLATORS: dict[str, Translator] = {}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Register the translator of the named ONNX operators."""

    def register(function: Translator) -> Translator:
        for kind in kinds:
            TRANSLATORS[kind] = function
        return function

    return register


def layer(node: Node, op: str, count: int | None = None, **attributes: Attribute) -> Translation:
    """The node as a layer on its first ``count`` inputs (all of them if None)."""
    return Translation(op, node.data(count), attributes)
