"""The table from ONNX operator type to the function that translates its nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from systolab.glenside.network.network import Attribute
from systolab.glenside.onnx.node import Node, Translation

__all__ = ["CHECKS", "TRANSLATORS", "Check", "Translator", "checks", "layer", "translates"]

Translator: TypeAlias = Callable[[Node], Translation]

Check: TypeAlias = Callable[[Node], None]

CHECKS: dict[str, Check] = {}
TRANSLATORS: dict[str, Translator] = {}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Register the translator of the named ONNX operators."""

    def register(function: Translator) -> Translator:
        for kind in kinds:
            TRANSLATORS[kind] = function
        return function

    return register


def checks(*kinds: str) -> Callable[[Check], Check]:
    """Register what must hold before ONNX infers the shapes of the named operators.

    Its inference trusts these nodes, and ends the process or never ends where they are damaged.
    """

    def register(function: Check) -> Check:
        for kind in kinds:
            CHECKS[kind] = function
        return function

    return register


def layer(node: Node, op: str, count: int | None = None, **attributes: Attribute) -> Translation:
    """The node as a layer on its first ``count`` inputs (all of them if None)."""
    return Translation(op, node.data(count), attributes)
