"""Constants stored in the order in which a kernel reads them.

A weight tensor costs nothing to rearrange at compile time, so its layout is simply the kernel's own
access pattern, materialised: every vector in one aligned run of lanes, zeros where no weight is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Shape, Tensor
from systolab.rtl.kernel.kernel import AccessPattern, affine

__all__ = ["Selection", "StreamLayout"]


@dataclass(frozen=True)
class Selection:
    """Elements of a row-major tensor over a loop nest; those whose conditions fail are zero."""

    base: int
    loops: tuple[tuple[int, int], ...]  # (length, stride)
    conditions: tuple[tuple[int, tuple[int, ...], int], ...] = ()  # offset, coefficients, bound

    def indices(self) -> NDArray[np.int64]:
        """Index of every element in the row-major tensor, -1 for zeros; flat."""
        lengths = [length for length, _ in self.loops]
        result = affine(self.base, lengths, [stride for _, stride in self.loops])
        for offset, coefficients, bound in self.conditions:
            value = affine(offset, lengths, coefficients)
            result[(value < 0) | (value >= bound)] = -1
        return result


@dataclass(frozen=True)
class StreamLayout:
    """Layout of a constant: ``reads`` picks from ``selection``, vector after vector.

    Attributes:
        name: describes the order, for reports.
        selection: the constant in loop order; where ``reads`` finds it.
        reads: what the kernel reads, without loops that do not move it.
        pitch: codes between two vectors, at least the number of lanes.
    """

    name: str
    selection: Selection
    reads: AccessPattern
    pitch: int

    def __str__(self) -> str:
        return self.name

    def size(self, shape: Shape) -> int:
        """Codes in memory, whatever the tensor's shape."""
        return self.reads.vectors * self.pitch

    def indices(self) -> NDArray[np.int64]:
        """For every code in memory its index in the row-major tensor, -1 for zeros."""
        result = np.full((self.reads.vectors, self.pitch), -1, dtype=np.int64)
        active, address = self.reads.active(), self.reads.addresses()
        taken = self.selection.indices()[np.where(active, address, 0)]
        result[:, : self.reads.lanes] = np.where(active, taken, -1)
        return result.reshape(-1)

    def pack(self, tensor: Tensor, fill: float = 0) -> Tensor:
        """The tensor as flat memory; ``fill`` stands for zeros."""
        index = self.indices()
        flat = tensor.reshape(-1)[np.maximum(index, 0)]
        flat[index < 0] = fill
        return flat

    def unpack(self, flat: Tensor, shape: Shape) -> Tensor:
        """The tensor of that shape in flat memory.

        Raises:
            SystolabError: the memory does not hold every element.
        """
        index = self.indices()
        result = np.zeros(int(np.prod(shape)), dtype=flat.dtype)
        held = np.zeros(result.shape, dtype=np.bool_)
        result[index[index >= 0]] = flat[index >= 0]
        held[index[index >= 0]] = True
        if not held.all():
            raise SystolabError(f"Layout {self.name} must hold every element of a {shape} tensor")
        return result.reshape(shape)
