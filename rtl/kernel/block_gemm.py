"""Matrix products of block-scaled operands as kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format, QuantizedTensor
from systolab.rtl.kernel.gemm import Loop, Strides, gemm_kernel, summed_lanes
from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.kernel.modes import DEFAULT_MODE, Mode

__all__ = ["BlockGemm", "block_gemm", "block_gemm_kernel", "block_length", "product_kernel"]


@dataclass(frozen=True)
class BlockGemm:
    """A kernel of ``A @ W`` with its input memories.

    Attributes:
        kernel: the kernel; O is row-major.
        a, w: codes.
        a_scale, w_scale: scales of the blocks.
    """

    kernel: Kernel
    a: Codes
    w: Codes
    a_scale: NDArray[np.float32]
    w_scale: NDArray[np.float32]


def block_gemm(array: Array, a: QuantizedTensor, w: QuantizedTensor) -> BlockGemm:
    """Kernel and memories of the product of ``a`` [m, k] and ``w`` [k, n].

    Args:
        array: a block-scaled machine configuration.
        a: codes in the array's activation format, in blocks along k.
        w: codes in its weight format, in blocks along k of the same size.

    Raises:
        SystolabError: the operands do not fit one another or the array.
    """
    _check_operand("A", a, array.act, 1)
    _check_operand("W", w, array.weight, 0)
    (m, k), (inner, n) = a.codes.shape, w.codes.shape
    if inner != k:
        raise SystolabError(f"Operand W must have the {k} rows that A has columns, not {inner}")
    if w.block != a.block or a.block is None:
        raise SystolabError(f"Blocks of W must be the {a.block} elements of A's, not {w.block}")
    return BlockGemm(
        block_gemm_kernel(array, m, k, n, a.block),
        a.codes.reshape(-1),
        w.codes.reshape(-1),
        a.scale.reshape(-1),
        w.scale.reshape(-1),
    )


def product_kernel(array: Array, m: int, k: int, n: int, mode: Mode = DEFAULT_MODE) -> Kernel:
    """Kernel of a product of row-major matrices on any array.

    On a block-scaled one operands are in the blocks of the activations' format, or of the weights'.

    Args:
        array: machine configuration.
        m: rows of A and O.
        k: columns of A, rows of W.
        n: columns of W and O.
        mode: dataflow; block-scaled there is one.
    """
    if not array.block_scaled:
        return gemm_kernel(array, m, k, n, mode)
    return block_gemm_kernel(array, m, k, n, block_length(array))


def block_length(array: Array) -> int:
    """Elements of a block: of the activations' format, or the weights'; else the array's rows."""
    return array.act.scaling.block or array.weight.scaling.block or array.rows


def block_gemm_kernel(
    array: Array,
    m: int,
    k: int,
    n: int,
    block: int,
    a_strides: Strides | None = None,
    w_strides: Strides | None = None,
    o_strides: Strides | None = None,
) -> Kernel:
    """Kernel of ``O[m,n] = A[m,k] @ W[k,n]``, both in blocks along k.

    The scales of A's blocks are row-major [m, blocks], those of W's row-major [blocks, n]. A tile
    has as many lanes as divide a block and the array has rows for.

    Args:
        array: a block-scaled machine configuration.
        m: rows of A and O.
        k: columns of A, rows of W.
        n: columns of W and O.
        block: elements of a block; the last one may be short.
        a_strides: strides of the (row, column) index of A, in codes; row-major by default.
        w_strides: strides of W.
        o_strides: strides of O.
    """
    lanes = max(d for d in range(1, min(array.rows, block) + 1) if block % d == 0)
    blocks = -(-k // block)
    tiles = block // lanes if blocks > 1 else -(-k // lanes)
    # Loops over blocks, which are numbered by index b, and over the tiles of one.
    reduction = Loop(blocks, {"k": block, "b": 1}), Loop(tiles, {"k": lanes})
    nest = summed_lanes(array, DEFAULT_MODE, (m, k, n), lanes, reduction)
    kernel = nest.kernel(a_strides or (k, 1), w_strides or (n, 1), o_strides or (n, 1))
    sa, sw = nest.pattern("SA", {"b": 1, "m": blocks}), nest.pattern("SW", {"b": n, "n": 1})
    return replace(kernel, sa=sa, sw=sw)


def _check_operand(name: str, operand: QuantizedTensor, fmt: Format, axis: int) -> None:
    if operand.codes.ndim != 2:
        raise SystolabError(
            f"Operand {name} must be a matrix, not {operand.codes.ndim}-dimensional"
        )
    if operand.format.name != fmt.name:
        raise SystolabError(
            f"Operand {name} must be in the array's format {fmt.name}, not {operand.format.name}"
        )
    if operand.block is None or operand.axis % 2 != axis:
        found = "without blocks" if operand.block is None else f"in blocks along {1 - axis}"
        raise SystolabError(f"Operand {name} must be in blocks along dimension {axis}, not {found}")
