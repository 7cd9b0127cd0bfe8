"""What there is to choose from: every way that is known to run a network, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from systolab.glenside.language.layout import Layout
from systolab.glenside.network.network import Layer, Network, Shape
from systolab.glenside.search.assembly import Copied, Label, OnHost, Run
from systolab.glenside.search.options import Option, layout_names
from systolab.glenside.search.regions import Partition
from systolab.rtl.kernel.kernel import Array

__all__ = ["Alternatives", "alternatives"]


@dataclass(frozen=True)
class Alternatives:
    """All ways to run a network on an array.

    Attributes:
        network: what is to be run.
        array: on which machine.
        partition: its regions.
        options: the ways of every region that the array can run, by name of the region's output.
        host: the layers that the host runs, by name, in topological order.
    """

    network: Network
    array: Array
    partition: Partition
    options: Mapping[str, tuple[Option, ...]]
    host: Mapping[str, Layer]

    def shape(self, tensor: str) -> Shape:
        """Dimensions of a tensor."""
        return tuple(self.network.shapes[tensor])

    def rank(self, tensor: str) -> int:
        """How many dimensions a tensor has."""
        return len(self.network.shapes[tensor])

    def layouts(self, tensor: str) -> tuple[str, ...]:
        """Layouts worth considering for a tensor, row-major first; none for a scalar."""
        shape = self.shape(tensor)
        return layout_names(shape, self.array) if shape else ()

    def row_major(self, tensor: str) -> str:
        """The tensor's row-major layout; "" for a scalar."""
        rank = self.rank(tensor)
        return Layout.row_major(rank).name if rank else ""

    def nearest(self, tensor: str, layout: str) -> str:
        """The layout itself where the tensor may have it, else row-major.

        Where sizes of one make a layout equal to row-major, it is known by that name.
        """
        return layout if layout in self.layouts(tensor) else self.row_major(tensor)

    def option(self, run: Run) -> Option:
        """What a label of a kernel stands for."""
        return self.options[run.output][run.index]

    def cost(self, label: Label) -> int:
        """Cycles: a kernel's own, and the lines that copies and moves read and write."""
        if isinstance(label, Run):
            return self.option(label).cycles
        if isinstance(label, Copied):
            return sum(self._lines(label.tensor, name) for name in (label.source, label.target))
        if isinstance(label, OnHost):
            return self.move_cost(self.host[label.step])
        return 0

    def move_cost(self, layer: Layer) -> int:
        """Lines read and written by a transpose; what only renames dimensions moves nothing."""
        if layer.op != "transpose":
            return 0
        moved = (layer.inputs[0], layer.outputs[0])
        return sum(self._lines(tensor, self.row_major(tensor)) for tensor in moved)

    def _lines(self, tensor: str, layout: str) -> int:
        return -(-Layout.parse(layout).size(self.shape(tensor)) // self.array.line)


def alternatives(
    network: Network,
    array: Array,
    partition: Partition,
    options: Mapping[str, tuple[Option, ...]],
) -> Alternatives:
    """Options for some regions of a network; the host runs the rest.

    Args:
        network: what is to be run.
        array: on which machine.
        partition: the network's regions.
        options: of every region, by name of its output; regions without any go to the host.
    """
    usable = {output: found for output, found in options.items() if found}
    host = {layer.name: layer for layer in _on_host(network, partition, usable)}
    return Alternatives(network, array, partition, usable, host)


def _on_host(
    network: Network, partition: Partition, options: Mapping[str, tuple[Option, ...]]
) -> list[Layer]:
    """Layers that the host runs: all that no region covers and whose output someone needs.

    A layer that moves elements is needed only by the host or as an output of the network:
    regions read through it.
    """
    covered = {name for output in options for name in partition.regions[output].layers}
    needed = set(network.outputs)
    for output in options:
        needed.update(partition.regions[output].slots.values())
    found = []
    for layer in reversed(network.layers):
        if layer.name in covered or not needed.intersection(layer.outputs):
            continue
        found.append(layer)
        needed.update(layer.inputs)
    return found[::-1]
