"""What a layer's operands are made of: stored tensors, read through the layers that move them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from systolab.glenside.language import grammar as g
from systolab.glenside.network.network import Layer, Network

__all__ = ["MOVEMENT", "Operands"]

_VIEWS = 32  # constructs that a tensor is read through; what lies deeper is moved first

MOVEMENT = ("reshape", "flatten", "squeeze", "unsqueeze", "transpose", "identity")


@dataclass(frozen=True)
class Operands:
    """The tensors of a network as terms.

    Attributes:
        network: whose tensors.
        read_through: whether moved tensors are views of what was moved; else they are leaves.
    """

    network: Network
    read_through: bool

    @cached_property
    def _producers(self) -> Mapping[str, Layer]:
        return {t: layer for layer in self.network.layers for t in layer.outputs if t}

    def term(self, tensor: str) -> g.Term:
        """The tensor as a view of the stored tensor that it comes from: ((dims) ())."""
        movers: list[Layer] = []
        while self.read_through and len(movers) < _VIEWS:
            layer = self._producers.get(tensor)
            if layer is None or layer.op not in MOVEMENT:
                break
            movers.append(layer)
            tensor = layer.inputs[0]
        term: g.Term = g.Tensor(tensor, tuple(self.network.shapes[tensor]))
        for layer in reversed(movers):
            term = self.moved(layer, term)
        return term

    def moves(self, layer: Layer, term: g.Term) -> bool:
        """Whether a term may go through a layer that moves elements."""
        return self.read_through and layer.op in MOVEMENT and term.depth < 2 * _VIEWS

    def moved(self, layer: Layer, term: g.Term) -> g.Term:
        """What a layer that moves elements makes of a term."""
        if layer.op == "identity":
            return term
        if layer.op == "transpose":
            return g.Transpose(term, layer.ints("perm"))
        shape = tuple(self.network.shapes[layer.outputs[0]])
        return term if shape == term.access else g.Reshape(term, shape, ())
