"""Convolutions and matrix products as terms: a dot product over a cartesian product of patterns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from systolab.glenside.language import grammar as g
from systolab.glenside.network.network import Layer
from systolab.glenside.search.operands import Operands

__all__ = ["CORES", "Product", "Unmapped", "product"]


@dataclass(frozen=True)
class Product:
    """A layer that the array could run, its bias included.

    Attributes:
        term: what it computes, over the network's tensors.
        op: the operation in words ("conv 3x3 s1 p1").
    """

    term: g.Term
    op: str


@dataclass(frozen=True)
class Unmapped:
    """Why the array does not run a layer."""

    reason: str


def product(operands: Operands, layer: Layer) -> Product | Unmapped:
    """The layer as a term, or why there is none."""
    reader = _READERS.get(layer.op)
    if reader is None:
        return Unmapped(f"the array has no {layer.op.replace('_', ' ')}")
    kind = operands.network.types.get(layer.outputs[0])
    if kind is not None:
        return Unmapped(f"the array has no {kind}")
    return reader(operands, layer)


def _conv(operands: Operands, layer: Layer) -> Product | Unmapped:
    x, w = (operands.term(name) for name in layer.inputs[:2])
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
    pairs = g.CartesianProduct(g.Squeeze(windows, 1 + batch), g.Access(w, 1 + batch), batch)
    y: g.Term = g.Compute("dot-product", pairs)
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
    return _with_bias(operands, layer, y, (-1, *(1,) * rank), op)


def _spatial(letter: str, values: Iterable[int]) -> str:
    values = tuple(values)
    return letter + (str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values)))


def _with_bias(
    operands: Operands, layer: Layer, y: g.Term, shape: tuple[int, ...], op: str
) -> Product | Unmapped:
    """Adds input 2, whose dimensions line up with the last of ``y`` as ``shape`` says."""
    if len(layer.inputs) < 3 or not layer.inputs[2]:
        return Product(y, op)
    name = layer.inputs[2]
    size = prod(operands.network.shapes[name])
    leaf = g.Tensor(name, tuple(operands.network.shapes[name]))
    aligned = tuple(size if d == -1 else d for d in shape)
    aligned = (1,) * (len(y.access) - len(aligned)) + aligned
    bias = g.Broadcast(g.Reshape(leaf, aligned, ()), y.access)
    return Product(g.Compute("elementwise-add", g.Pair(y, bias)), op)


def _gemm(operands: Operands, layer: Layer) -> Product | Unmapped:
    if layer.number("alpha") != 1.0 or layer.number("beta") != 1.0:
        return Unmapped("its factors alpha and beta are not 1")
    a, b = (operands.term(name) for name in layer.inputs[:2])
    if layer.integer("trans_a"):
        a = g.Transpose(a, (1, 0))
    if not layer.integer("trans_b"):
        b = g.Transpose(b, (1, 0))
    y = g.Compute("dot-product", g.CartesianProduct(g.Access(a, 1), g.Access(b, 1)))
    (m, k), n = a.access, b.access[0]
    if len(layer.inputs) > 2 and layer.inputs[2]:
        name = layer.inputs[2]
        shape = operands.network.shapes[name]
        if (
            name not in operands.network.constants
            or prod(shape) not in (1, n)
            or (prod(shape) == n and n > 1 and shape[-1] != n)
        ):
            return Unmapped("its third operand is not a bias vector")
    return _with_bias(operands, layer, y, (-1,), f"dense {m}x{k}x{n}")


def _matmul(operands: Operands, layer: Layer) -> Product | Unmapped:
    a, b = (operands.term(name) for name in layer.inputs)
    if min(len(a.access), len(b.access)) < 2:
        return Unmapped("an operand is a vector")
    k, n = b.access[-2:]
    if prod(b.access[:-2]) == 1:
        if len(b.access) > 2:
            b = g.Reshape(b, (k, n), ())
        weights = g.Access(g.Transpose(b, (1, 0)), 1)
        pairs = g.CartesianProduct(g.Access(a, len(a.access) - 1), weights)
        y: g.Term = g.Compute("dot-product", pairs)
        m = prod(a.access[:-1])
        shape = tuple(operands.network.shapes[layer.outputs[0]])
        if shape != y.access:
            y = g.Reshape(y, shape, ())
        return Product(y, f"dense {m}x{k}x{n}")
    batch = np.broadcast_shapes(a.access[:-2], b.access[:-2])
    size, m = prod(batch), a.access[-2]
    a, b = (g.Reshape(_widened(term, batch), (size, *term.access[-2:]), ()) for term in (a, b))
    pairs = g.CartesianProduct(g.Access(a, 2), g.Access(g.Transpose(b, (0, 2, 1)), 2), 1)
    y = g.Reshape(g.Compute("dot-product", pairs), (*batch, m, n), ())
    return Product(y, f"matmul {size}x{m}x{k}x{n}")


def _widened(term: g.Term, batch: tuple[int, ...]) -> g.Term:
    aligned = (1,) * (len(batch) + 2 - len(term.access)) + term.access
    if aligned != term.access:
        term = g.Reshape(term, aligned, ())
    whole = (*batch, *aligned[-2:])
    return term if whole == aligned else g.Broadcast(term, whole)


_READERS = {"conv": _conv, "gemm": _gemm, "matmul": _matmul}

CORES = tuple(_READERS)
