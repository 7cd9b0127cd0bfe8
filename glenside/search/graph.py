"""The network as an e-graph of buffers: every tensor in every layout, and the ways to have each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from systolab.glenside.language.layout import Layout
from systolab.glenside.network.network import Layer
from systolab.glenside.search.alternatives import Alternatives
from systolab.glenside.search.assembly import Assembly, Label, buffer_name
from systolab.glenside.search.extract import Choice
from systolab.glenside.search.operands import MOVEMENT

__all__ = ["Graph", "graph", "roots"]

Graph = Mapping[str, Sequence[Choice[Label]]]


def graph(ways: Alternatives) -> Graph:
    """The choices for every buffer, each with what it costs and which buffers it needs."""
    network, regions = ways.network, ways.partition.regions
    assembly = Assembly()
    for tensor, shape in network.inputs.items():
        assembly.given(tensor, Layout.row_major(len(shape)).name)
    tensors = set(network.inputs)
    options = {regions[output].key: found for output, found in ways.options.items()}
    for key in sorted(options):
        for index, option in enumerate(options[key]):
            assembly.option(key, index, tuple(option.layouts.values()), option.output)
    for output, (option, *_) in ways.options.items():
        region = regions[output]
        operands = tuple(region.slots[slot] for slot in option.layouts)
        assembly.applies(output, region.key, operands)
        tensors.add(output)
    for layer in ways.host.values():
        _assemble_host(assembly, ways, layer)
        tensors.update(t for t in layer.outputs if t)
    for tensor in sorted(tensors):
        assembly.layouts(tensor, ways.layouts(tensor))
    return assembly.choices(ways.cost)


def roots(ways: Alternatives) -> list[str]:
    """The buffers that are wanted: the outputs of the network, in row-major order."""
    return [
        buffer_name(tensor, ways.row_major(tensor))
        for tensor in ways.network.outputs
        if tensor not in ways.network.constants
    ]


def _assemble_host(assembly: Assembly, ways: Alternatives, layer: Layer) -> None:
    """A host step works in any one layout if all tensors have one rank, else in row-major."""
    inputs = [t for t in layer.inputs if t and t not in ways.network.constants]
    outputs = [t for t in layer.outputs if t]
    free = len({ways.rank(t) for t in (*inputs, *outputs)}) == 1 and layer.op not in MOVEMENT
    names = {name for t in outputs for name in ways.layouts(t)} if free else {""}
    for name in sorted(names):
        for output in outputs:
            assembly.host(
                layer.name,
                name,
                [(tensor, ways.nearest(tensor, name)) for tensor in inputs],
                (output, ways.nearest(output, name)),
            )
