"""Operands of a block-scaled array: what its host puts in blocks before a kernel.

The array writes tensors in one format and under one scale; blocks are scaled by their own largest
value, which is known only when all of a block is. So the host, which moves the tensors, quantises
each one that a kernel reads, in blocks along the kernel's reduction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.format import Format
from systolab.glenside.network.network import Tensor
from systolab.glenside.program import Operand
from systolab.rtl.kernel.block_gemm import block_length
from systolab.rtl.kernel.block_streams import a_step, w_step
from systolab.rtl.kernel.kernel import Array, Kernel

__all__ = ["host_work", "in_blocks", "scale_memories"]

_F32 = NDArray[np.float32]


def host_work(array: Array) -> str:
    """What the host does between the kernels of an array, for reports; empty for nothing."""
    if not array.block_scaled:
        return ""
    return (
        f"kernels write {array.out.name}; the host puts what they read in blocks of "
        f"{block_length(array)} along the reduction, at no array cycles"
    )


def in_blocks(operand: Operand, fmt: Format, tensor: Tensor) -> tuple[Codes, _F32]:
    """A tensor in blocks along the operand's dimension, laid out as the operand wants it.

    Args:
        operand: with ``block_axis``.
        fmt: the format; one without blocks has one scale for the tensor.
        tensor: real values.

    Returns:
        Codes, and the scale of each of them, by address.
    """
    axis = operand.block_axis if fmt.scaling.block is not None else None
    quantised = fmt.quantize(tensor) if axis is None else fmt.quantize(tensor, axis=axis)
    scale = np.broadcast_to(quantised.full_scale(), quantised.codes.shape)
    codes: Codes = operand.layout.pack(quantised.codes, fmt.zero_code)
    return codes, operand.layout.pack(np.array(scale, np.float32), 0)


def scale_memories(
    kernel: Kernel, a: _F32 | None, w: _F32 | None
) -> tuple[_F32, _F32] | tuple[None, None]:
    """Memories of streams SA and SW, from the scales of A's and W's codes by address."""
    if a is None or w is None:
        return None, None
    return np.ascontiguousarray(a[:: a_step(kernel)]), np.ascontiguousarray(w[:: w_step(kernel)])
