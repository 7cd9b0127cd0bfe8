"""Quantised tensors: codes, their scales, their format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from systolab.formats.format import Format

__all__ = ["Codes", "QuantizedTensor", "blocked_shape", "expand_blocks", "split_blocks"]

Codes = NDArray[np.uint8 | np.uint16]


def expand_blocks(
    scale: NDArray[np.float32], length: int, block: int, axis: int
) -> NDArray[np.float32]:
    """Repeat block scales along ``axis`` to ``length`` elements."""
    repeated = np.repeat(scale, block, axis=axis)
    inside = [slice(None)] * scale.ndim
    inside[axis] = slice(length)
    return repeated[tuple(inside)]


def blocked_shape(shape: tuple[int, ...], block: int, axis: int) -> tuple[int, ...]:
    """``shape`` with ``axis``, a multiple of ``block`` long, split in blocks and their elements."""
    axis %= len(shape)
    return (*shape[:axis], shape[axis] // block, block, *shape[axis + 1 :])


def split_blocks(
    x: NDArray[np.floating], scale: NDArray[np.float32], block: int, axis: int
) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    """``x`` with blocks as a dimension of their own, and the scales broadcast to its shape."""
    split = x.reshape(blocked_shape(x.shape, block, axis))
    scales = np.expand_dims(scale, axis % x.ndim + 1)
    return split, np.broadcast_to(scales, split.shape)


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """Codes with their scales.

    Attributes:
        codes: uint8 or uint16, any shape.
        scale: float32; broadcastable to ``codes``, unless ``block`` is set: then its dimension
            ``axis`` counts blocks of ``block`` elements (the last one may be short).
        format: What the codes mean.
        block: Elements per block, or None.
        axis: The axis the blocks run along.
    """

    codes: Codes
    scale: NDArray[np.float32]
    format: Format
    block: int | None = None
    axis: int = -1

    def full_scale(self) -> NDArray[np.float32]:
        """The scales in a shape that broadcasts to ``codes``."""
        if self.block is None:
            return self.scale
        return expand_blocks(self.scale, self.codes.shape[self.axis], self.block, self.axis)

    def dequantize(self) -> NDArray[np.float32]:
        """The real values, each rounded once to binary32."""
        table = self.format.values.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(table[self.codes] * self.full_scale(), dtype=np.float32)
