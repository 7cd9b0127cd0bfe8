"""From layers to terms: every layer that the array could run, with what follows it, as one region.

A region is a term over slots. Slots name operands by role and order only (x0, x1 for activations,
c0, c1 for constants), so that regions of equal shapes are equal terms, whatever network they are
in. Layers that only move elements belong to the operands they lead to: the term reads through them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from systolab.glenside.language import grammar as g
from systolab.glenside.network.network import Layer, Network
from systolab.glenside.search.operands import MOVEMENT, Operands
from systolab.glenside.search.products import Product, Unmapped, product

__all__ = ["Partition", "Region", "partition"]


@dataclass(frozen=True)
class Region:
    """A piece of a network that one run of the array could compute.

    Attributes:
        layers: names of the source layers it covers, the dot product's first.
        term: what it computes, over slots.
        slots: the network's tensor in every slot.
        output: the network's tensor it computes.
        op: the operation in words ("conv 3x3 s1 p1").
        macs: multiply-accumulates of the source layer.
    """

    layers: tuple[str, ...]
    term: g.Term
    slots: Mapping[str, str]
    output: str
    op: str
    macs: int

    @property
    def key(self) -> str:
        """Text of the term: equal for regions that differ only in names and values."""
        return str(self.term)


@dataclass(frozen=True)
class Partition:
    """Which layers of a network become regions, and why the others do not.

    Attributes:
        regions: by name of the output tensor, in topological order.
        reasons: by name of every layer that computes and is in no region: why it is not.
    """

    regions: Mapping[str, Region]
    reasons: Mapping[str, str]


def partition(
    network: Network, read_through: bool = True, alone: Collection[str] = ()
) -> Partition:
    """Every layer that the array could run, with what follows it, as one region.

    Args:
        network: what to cut.
        read_through: layers that move elements belong to the regions they lead to; otherwise
            operands are the tensors as written, and moves are copies.
        alone: names of layers that are not joined by what follows them.
    """
    operands = Operands(network, read_through)
    consumers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        for tensor in layer.inputs:
            consumers.setdefault(tensor, []).append(layer)
    regions: dict[str, Region] = {}
    covered: set[str] = set()
    reasons: dict[str, str] = {}
    for layer in network.layers:
        if layer.name in covered or layer.op in MOVEMENT:
            continue
        core = product(operands, layer)
        if isinstance(core, Unmapped):
            reasons[layer.name] = core.reason
            continue
        joined = _Joined(core.term, (layer.name,), layer.outputs[0], core.op)
        if layer.name not in alone:
            joined = _join(operands, consumers, joined)
        region = _region(network, core, joined)
        regions[region.output] = region
        covered.update(region.layers)
    return Partition(regions, reasons)


@dataclass(frozen=True)
class _Joined:
    """A product and the layers that follow it so far."""

    term: g.Term
    layers: tuple[str, ...]
    output: str
    op: str


def _region(network: Network, core: Product, joined: _Joined) -> Region:
    dot = next(t for t in core.term.walk() if isinstance(t, g.Compute))
    macs = prod(dot.access) * prod(dot.a.item[1:])
    slots: dict[str, str] = {}
    bindings: dict[str, g.Term] = {}
    for leaf in g.tensors(joined.term):
        kind = "c" if leaf.name in network.constants else "x"
        slot = f"{kind}{sum(name[0] == kind for name in slots)}"
        slots[slot] = leaf.name
        bindings[leaf.name] = g.Tensor(slot, leaf.dimensions)
    term = g.substitute(joined.term, bindings)
    return Region(joined.layers, term, slots, joined.output, joined.op, macs)


def _join(operands: Operands, consumers: Mapping[str, Sequence[Layer]], core: _Joined) -> _Joined:
    """Follows the single consumer while it is movement, a bias or a clamp."""
    best = now = core
    has_bias = any(isinstance(t, g.Pair) for t in core.term.walk())
    while now.output not in operands.network.outputs:
        found = consumers.get(now.output, ())
        if len(found) != 1:
            break
        (layer,) = found
        layers, output = (*now.layers, layer.name), layer.outputs[0]
        if layer.op in MOVEMENT:
            if not operands.moves(layer, now.term):
                break
            now = _Joined(operands.moved(layer, now.term), layers, output, now.op)
            continue
        grown = _fused(operands.network, layer, now.output, now.term, has_bias)
        if grown is None:
            break
        has_bias = True
        word = "bias" if layer.op == "add" else layer.op
        best = now = _Joined(grown, layers, output, f"{now.op} + {word}")
        if layer.op != "add":
            break
    return best


def _fused(
    network: Network, layer: Layer, tensor: str, term: g.Term, has_bias: bool
) -> g.Term | None:
    if layer.op == "relu":
        return g.Compute("relu", term)
    if layer.op == "clip":
        lo, hi = (
            float(np.float32(layer.number(name))) if name in layer.attributes else limit
            for name, limit in (("min", -np.inf), ("max", np.inf))
        )
        return g.Clamp(term, lo, hi) if lo <= hi else None
    if layer.op == "add" and not has_bias:
        other = next((name for name in layer.inputs if name != tensor), tensor)
        if other in network.constants:
            return _biased(network, term, other)
    return None


def _biased(network: Network, term: g.Term, constant: str) -> g.Term | None:
    """Term + constant, if the constant is one vector broadcast along one dimension."""
    shape = network.shapes[constant]
    aligned = (1,) * (len(term.access) - len(shape)) + tuple(shape)
    long = [i for i, size in enumerate(aligned) if size > 1]
    if len(aligned) != len(term.access) or len(long) > 1:
        return None
    if any(aligned[i] != term.access[i] for i in long):
        return None
    leaf: g.Term = g.Tensor(constant, tuple(shape))
    if aligned != shape:
        leaf = g.Reshape(leaf, aligned, ())
    if aligned != term.access:
        leaf = g.Broadcast(leaf, term.access)
    return g.Compute("elementwise-add", g.Pair(term, leaf))
