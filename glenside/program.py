"""A compiled network: steps in execution order, for the array and for the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.outside.short import representation
from systolab.glenside.language.layout import Layout
from systolab.glenside.language.term import Term
from systolab.glenside.lowering.stream_layout import StreamLayout
from systolab.glenside.network.network import Network, Shape
from systolab.rtl.kernel.kernel import Array, Kernel

__all__ = ["CopyStep", "HostStep", "KernelStep", "Operand", "Program", "Statistics", "Step"]


@dataclass(frozen=True)
class Operand:
    """A tensor of the network as it stands in memory.

    Attributes:
        tensor: its name.
        layout: of its codes.
        shape: its dimensions.
        block_axis: dimension along which blocks share a scale; None where they do not.
    """

    tensor: str
    layout: Layout | StreamLayout
    shape: Shape
    block_axis: int | None = None

    @property
    def size(self) -> int:
        """Codes in memory."""
        return self.layout.size(self.shape)


@dataclass(frozen=True, repr=False)
class KernelStep:
    """One run of the array.

    Attributes:
        name: of the source layer whose products it computes.
        layers: source layers it covers.
        op: in words.
        kernel: what the array executes.
        a, w, o: operands; a and w may be activations or constants.
        bias: constant added before the clamp, or None.
        bias_index: for every index of the kernel's P stream, the element of the flat bias.
        lo, hi: the clamp, in real values; infinite for none.
        macs: multiply-accumulates of the source layer (padding included).
        cycles: predicted, exactly.
        alternatives: cycles of the best other ways, by dataflow and layouts.
        rules: names of the rules that led here.
        source: the layer as a term over slots.
        slots: the tensor in every slot.
        target: the chosen form of the source, on the array.
    """

    name: str
    layers: tuple[str, ...]
    op: str
    kernel: Kernel
    a: Operand
    w: Operand
    o: Operand
    bias: str | None
    bias_index: NDArray[np.int64] | None
    lo: float
    hi: float
    macs: int
    cycles: int
    alternatives: Mapping[str, int]
    rules: tuple[str, ...]
    source: Term
    slots: Mapping[str, str]
    target: Term

    def __repr__(self) -> str:
        """Name, operator and cycles."""
        return representation(self, f"{self.name}: {self.op}, {self.cycles:,} cycles")


@dataclass(frozen=True)
class HostStep:
    """Layers that the host evaluates in binary32 on dequantised values.

    Attributes:
        name: of the first layer.
        layers: names of the source layers.
        reason: why they are not on the array.
        cycles: lines read and written by a layer that only moves elements; 0 for what computes.
    """

    name: str
    layers: tuple[str, ...]
    reason: str
    cycles: int = 0


@dataclass(frozen=True)
class CopyStep:
    """The host copies a tensor into another layout.

    Attributes:
        name: tensor and layouts.
        tensor: what is copied.
        source, target: layouts.
        cycles: lines read and lines written.
    """

    name: str
    tensor: str
    source: Layout
    target: Layout
    cycles: int


Step = KernelStep | HostStep | CopyStep


@dataclass(frozen=True)
class Statistics:
    """What compiling took.

    Attributes:
        regions: layers that the array runs.
        distinct: regions of different shapes among them.
        known: distinct regions that needed no saturation.
        nodes, classes: size of the e-graph that was saturated for the others.
        iterations: of saturation.
        applications: rule matches during saturation.
        saturated: whether the rules had nothing left to say.
    """

    regions: int
    distinct: int
    known: int
    nodes: int
    classes: int
    iterations: int
    applications: int
    saturated: bool


@dataclass(frozen=True, repr=False)
class Program:
    """A network for an array.

    Attributes:
        network: what was compiled.
        array: for which machine.
        steps: in execution order.
        policies: total cycles of fixed policies, by name ("all NCHW", ...); without those that
            cannot run the network.
        statistics: what compiling took.
    """

    network: Network
    array: Array
    steps: tuple[Step, ...]
    policies: Mapping[str, int]
    statistics: Statistics

    @property
    def headline(self) -> str:
        """Network, formats, array, steps and cycles, in a line."""
        return (
            f"{self.network.name}, {self.array.act.name} on {self.array.name}: "
            f"{len(self.steps)} steps, {self.cycles:,} cycles"
        )

    def __repr__(self) -> str:
        """The headline: steps and network are in the attributes."""
        return representation(self, self.headline)

    @property
    def kernels(self) -> tuple[KernelStep, ...]:
        """The steps that the array runs, in execution order."""
        return tuple(step for step in self.steps if isinstance(step, KernelStep))

    @property
    def cycles(self) -> int:
        """Kernels, copies and moves together."""
        return sum(step.cycles for step in self.steps)
