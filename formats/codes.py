"""Arrays of codes, and the blocks that share a scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "blocked_shape", "expand_blocks", "split_blocks"]

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
