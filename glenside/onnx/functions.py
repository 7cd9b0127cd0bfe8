"""Functions of a model, and those by which ONNX defines rare operators: put in place of calls."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import inliner

from systolab.formats.errors import SystolabError
from systolab.glenside.onnx.operators import TRANSLATORS

__all__ = ["DOMAINS", "expanded", "inlined", "opset"]

DOMAINS = ("", "ai.onnx")  # both name ONNX's own operators
_NESTED = 64  # functions and graphs within one another


def expanded(model: onnx.ModelProto) -> int:
    """How many nodes the graph has when the model's functions are in place of their calls.

    Few functions that call one another twice are enough for more nodes than memory holds.

    Raises:
        SystolabError: functions call one another in a circle or too deeply.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def size(nodes: Iterable[onnx.NodeProto], depth: int) -> int:
        if depth > _NESTED:
            raise SystolabError(
                f"Functions of the model must be nested at most {_NESTED} deep, and not in a circle"
            )
        total = 0
        for node in nodes:
            key = node.domain, node.op_type, node.overload
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key].node, depth + 1)
            total += sizes.get(key, 1)
            for attribute in node.attribute:
                for graph in (*attribute.graphs, attribute.g):
                    total += size(graph.node, depth + 1)
        return total

    return size(model.graph.node, 0)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions: its own, and those by which ONNX defines rare operators."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    kinds = {node.op_type for node in model.graph.node if node.domain in DOMAINS}
    composed = kinds & {schema.name for schema in onnx.defs.get_function_ops()} - set(TRANSLATORS)
    if not composed:
        return model
    names = [("", kind) for kind in sorted(composed)]
    explicit = onnx.ModelProto()
    explicit.CopyFrom(model)
    for node in explicit.graph.node:  # the inliner leaves out attributes that have their default
        if node.domain in DOMAINS and node.op_type in composed:
            schema = onnx.defs.get_schema(node.op_type, opset(model), "")
            written = {item.name for item in node.attribute}
            node.attribute.extend(
                attribute.default_value
                for attribute in schema.attributes.values()
                if attribute.name not in written and attribute.default_value.name
            )
    model = explicit
    try:
        return inliner.inline_selected_functions(model, names, False, inline_schema_functions=True)
    except RuntimeError:  # their definition needs what the model does not say: refused by name
        return model


def opset(model: onnx.ModelProto) -> int:
    """Version of ONNX's own operators that the model uses."""
    version: int = next(item.version for item in model.opset_import if item.domain in DOMAINS)
    return version
