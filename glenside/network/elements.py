"""What the elements of a network's inputs are: numbers, truth values, or indices of how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from systolab.glenside.network.network import Network

__all__ = ["Elements", "elements"]

# Operators that hand on elements of their first input as they are, or their values in another type.
_CARRIES = frozenset({
    "cast", "clip", "depth_to_space", "expand", "flatten", "gather", "gather_elements", "identity",
    "pad", "reshape", "slice", "space_to_depth", "split", "squeeze", "tile", "transpose", "trilu",
    "unsqueeze",
})  # fmt: skip


@dataclass(frozen=True)
class Elements:
    """What an input holds.

    Attributes:
        kind: "float32", "int64", "int32" or "bool".
        below: integers from 0 to ``below - 1`` are valid: as many as there are to select from, or
            2 (a mask) where nothing is selected by them.
    """

    kind: str = "float32"
    below: int = 2


def elements(network: Network) -> Mapping[str, Elements]:
    """What each input of a network holds.

    An input that selects (token ids into a table) is followed through layers that only hand its
    elements on; the smallest of the tables limits it.
    """
    sources: dict[str, frozenset[str]] = {name: frozenset({name}) for name in network.inputs}
    below: dict[str, int] = {}
    for layer in network.layers:
        if layer.op in ("gather", "gather_elements"):
            data, index = layer.inputs[:2]
            size = network.shapes[data][layer.integer("axis")]
            for name in sources.get(index, frozenset()):
                below[name] = min(size, below.get(name, size))
        if layer.op == "concat":
            found = frozenset().union(*(sources.get(name, frozenset()) for name in layer.inputs))
        elif layer.op in _CARRIES:
            found = sources.get(layer.inputs[0], frozenset())
        else:
            continue
        sources.update(dict.fromkeys((name for name in layer.outputs if name), found))
    return {
        name: Elements(network.types.get(name, "float32"), below.get(name, 2))
        for name in network.inputs
    }
