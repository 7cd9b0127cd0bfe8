"""From layers to terms: every layer that the array could run, with what follows it, as one region.

A region is a term over slots. Slots name operands by role and order only (x0, x1 for activations,
c0, c1 for constants), so that regions of equal shapes are equal terms, whatever network they are
in. Layers that only move elements belong to the operands they lead to: the term reads through them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from systolab.glenside.language import grammar as g
from systolab.glenside.network.network import Layer, Network

MOVEMENT = ("reshape", "flatten", "squeeze", "unsqueeze", "transpose", "identity")
CORES = ("conv", "gemm", "matmul")


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
class Unmapped:
    """Why the array does not run a layer."""

    reason: str


class Partition:
    """Which layers become regions, and what the others are.

    Without `read_through`, operands are the tensors as written, and moves are copies.

    Layers named in `alone` are not joined by what follows them.

    Attributes:
        regions: by name of the output tensor, in topological order.
        covered: layers inside some region.
        reasons: for every other layer that computes, why it stays on the host.
    """

    def __init__(
        self, network: Network, read_through: bool = True, alone: Collection[str] = ()
    ) -> None:
        self.network = network
        self._alone = alone
        self._read_through = read_through
        self.producers = {t: layer for layer in network.layers for t in layer.outputs if t}
        self._consumers: dict[str, list[Layer]] = {}
        for layer in network.layers:
            for tensor in layer.inputs:
                self._consumers.setdefault(tensor, []).append(layer)
        self.regions: dict[str, Region] = {}
        self.covered: set[str] = set()
        self.reasons: dict[str, str] = {}
        for layer in network.layers:
            if layer.name in self.covered or layer.op in MOVEMENT:
                continue
            region = self._region(layer)
            if isinstance(region, Unmapped):
                self.reasons[layer.name] = region.reason
            else:
                self.regions[region.output] = region
                self.covered.update(region.layers)

    def _region(self, layer: Layer) -> Region | Unmapped:
        if layer.op not in CORES:
            return Unmapped(f"the array has no {layer.op.replace('_', ' ')}")
        core = _CORES[layer.op](self, layer)
        if isinstance(core, Unmapped):
            return core
        term, op = core
        dot = next(t for t in term.walk() if isinstance(t, g.Compute))
        macs = prod(dot.access) * prod(dot.a.item[1:])
        has_bias = any(isinstance(t, g.Pair) for t in term.walk())
        term, layers, output, op = self._epilogue(layer, term, has_bias, op)
        slots: dict[str, str] = {}
        bindings: dict[str, g.Term] = {}
        for leaf in g.tensors(term):
            kind = "c" if leaf.name in self.network.constants else "x"
            slot = f"{kind}{sum(name[0] == kind for name in slots)}"
            slots[slot] = leaf.name
            bindings[leaf.name] = g.Tensor(slot, leaf.dimensions)
        return Region(layers, g.substitute(term, bindings), slots, output, op, macs)

    def _epilogue(
        self, core: Layer, term: g.Term, has_bias: bool, op: str
    ) -> tuple[g.Term, tuple[str, ...], str, str]:
        """Follows the single consumer while it is movement, a bias or a clamp."""
        best: tuple[g.Term, tuple[str, ...], str, str] = (term, (core.name,), core.outputs[0], op)
        layers: tuple[str, ...] = (core.name,)
        tensor = core.outputs[0]
        while tensor not in self.network.outputs and core.name not in self._alone:
            consumers = self._consumers.get(tensor, [])
            if len(consumers) != 1:
                break
            layer = consumers[0]
            if layer.op in MOVEMENT:
                if not self._read_through:
                    break
                term = self._move(layer, term)
            else:
                grown = self._fused(layer, tensor, term, has_bias)
                if grown is None:
                    break
                term = grown
                has_bias = True
            layers, tensor = (*layers, layer.name), layer.outputs[0]
            if layer.op not in MOVEMENT:
                op += f" + {layer.op}" if layer.op != "add" else " + bias"
                best = (term, layers, tensor, op)
                if layer.op != "add":
                    break
        return best

    def _fused(self, layer: Layer, tensor: str, term: g.Term, has_bias: bool) -> g.Term | None:
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
            if other in self.network.constants:
                return self._biased(term, other)
        return None

    def _biased(self, term: g.Term, constant: str) -> g.Term | None:
        """Term + constant, if the constant is one vector broadcast along one dimension."""
        shape = self.network.shapes[constant]
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

    def operand(self, tensor: str) -> g.Term:
        """The tensor as a view of the stored tensor that it comes from."""
        layer = self.producers.get(tensor)
        if layer is None or layer.op not in MOVEMENT or not self._read_through:
            return g.Tensor(tensor, tuple(self.network.shapes[tensor]))
        return self._move(layer, self.operand(layer.inputs[0]))

    def _move(self, layer: Layer, term: g.Term) -> g.Term:
        if layer.op == "identity":
            return term
        if layer.op == "transpose":
            return g.Transpose(term, layer.ints("perm"))
        shape = tuple(self.network.shapes[layer.outputs[0]])
        return term if shape == term.access else g.Reshape(term, shape, ())


Core = tuple[g.Term, str] | Unmapped


def _conv(partition: Partition, layer: Layer) -> Core:
    x, w = (partition.operand(name) for name in layer.inputs[:2])
    kernel, strides = layer.ints("kernel_shape"), layer.ints("strides")
    dilations, pads = layer.ints("dilations"), layer.ints("pads")
    groups, rank, n, o = layer.integer("group"), len(kernel), x.access[0], w.access[0]
    for i in range(rank):
        if pads[i] or pads[i + rank]:
            x = g.Pad(x, "zero", 2 + i, pads[i], pads[i + rank])
    channels = w.access[1]
    batch = 0
    if groups > 1:
        batch = 1
        spatial = x.access[2:]
        x = g.Reshape(x, (n, groups, channels, *spatial), ())
        x = g.Transpose(x, (1, 0, *range(2, 3 + rank)))
        w = g.Reshape(w, (groups, o // groups, channels, *kernel), ())
    windows = g.Windows(g.Access(x, 1 + batch), (channels, *kernel), (1, *strides), (1, *dilations))
    product = g.CartesianProduct(g.Squeeze(windows, 1 + batch), g.Access(w, 1 + batch), batch)
    y: g.Term = g.Compute("dot-product", product)
    if groups > 1:
        y = g.Transpose(y, (1, 0, 2 + rank, *range(2, 2 + rank)))
        y = g.Reshape(y, (n, o, *y.access[3:]), ())
    else:
        y = g.Transpose(y, (0, 1 + rank, *range(1, 1 + rank)))
    op = f"conv {'x'.join(map(str, kernel))} {_spatial('s', strides)}{_spatial(' p', pads)}"
    if set(dilations) != {1}:
        op += _spatial(" d", dilations)
    if groups > 1:
        op += f" g{groups}"
    return _with_bias(partition, layer, y, (-1, *(1,) * rank), op)


def _spatial(letter: str, values: Iterable[int]) -> str:
    values = tuple(values)
    return letter + (str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values)))


def _with_bias(
    partition: Partition, layer: Layer, y: g.Term, shape: tuple[int, ...], op: str
) -> Core:
    """Adds input 2, whose dimensions line up with the last of `y` as `shape` says."""
    if len(layer.inputs) < 3 or not layer.inputs[2]:
        return y, op
    name = layer.inputs[2]
    size = prod(partition.network.shapes[name])
    leaf = g.Tensor(name, tuple(partition.network.shapes[name]))
    aligned = tuple(size if d == -1 else d for d in shape)
    aligned = (1,) * (len(y.access) - len(aligned)) + aligned
    bias = g.Broadcast(g.Reshape(leaf, aligned, ()), y.access)
    return g.Compute("elementwise-add", g.Pair(y, bias)), op


def _gemm(partition: Partition, layer: Layer) -> Core:
    if layer.number("alpha") != 1.0 or layer.number("beta") != 1.0:
        return Unmapped("its factors alpha and beta are not 1")
    a, b = (partition.operand(name) for name in layer.inputs[:2])
    if layer.integer("trans_a"):
        a = g.Transpose(a, (1, 0))
    if not layer.integer("trans_b"):
        b = g.Transpose(b, (1, 0))
    y = g.Compute("dot-product", g.CartesianProduct(g.Access(a, 1), g.Access(b, 1)))
    (m, k), n = a.access, b.access[0]
    if len(layer.inputs) > 2 and layer.inputs[2]:
        name = layer.inputs[2]
        shape = partition.network.shapes[name]
        if (
            name not in partition.network.constants
            or prod(shape) not in (1, n)
            or (prod(shape) == n and n > 1 and shape[-1] != n)
        ):
            return Unmapped("its third operand is not a bias vector")
    return _with_bias(partition, layer, y, (-1,), f"dense {m}x{k}x{n}")


def _matmul(partition: Partition, layer: Layer) -> Core:
    a, b = (partition.operand(name) for name in layer.inputs)
    if min(len(a.access), len(b.access)) < 2:
        return Unmapped("an operand is a vector")
    k, n = b.access[-2:]
    if prod(b.access[:-2]) == 1:
        if len(b.access) > 2:
            b = g.Reshape(b, (k, n), ())
        weights = g.Access(g.Transpose(b, (1, 0)), 1)
        product = g.CartesianProduct(g.Access(a, len(a.access) - 1), weights)
        y: g.Term = g.Compute("dot-product", product)
        m = prod(a.access[:-1])
        shape = tuple(partition.network.shapes[layer.outputs[0]])
        if shape != y.access:
            y = g.Reshape(y, shape, ())
        return y, f"dense {m}x{k}x{n}"
    batch = np.broadcast_shapes(a.access[:-2], b.access[:-2])
    size, m = prod(batch), a.access[-2]
    a, b = (g.Reshape(_widened(term, batch), (size, *term.access[-2:]), ()) for term in (a, b))
    product = g.CartesianProduct(g.Access(a, 2), g.Access(g.Transpose(b, (0, 2, 1)), 2), 1)
    y = g.Reshape(g.Compute("dot-product", product), (*batch, m, n), ())
    return y, f"matmul {size}x{m}x{k}x{n}"


def _widened(term: g.Term, batch: tuple[int, ...]) -> g.Term:
    aligned = (1,) * (len(batch) + 2 - len(term.access)) + term.access
    if aligned != term.access:
        term = g.Reshape(term, aligned, ())
    whole = (*batch, *aligned[-2:])
    return term if whole == aligned else g.Broadcast(term, whole)


_CORES = {"conv": _conv, "gemm": _gemm, "matmul": _matmul}
