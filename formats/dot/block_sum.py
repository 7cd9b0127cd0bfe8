"""Accumulation of block-scaled products: exact sums within a block, binary32 between blocks.

For each tile of a reduction, all of whose elements lie in one block of either operand::

    x = round(s) * round(scale_a * scale_w)        (round(s) = 0 gives x = +0, whatever the scales)
    acc = acc + x                                  (acc starts at +0)

``s`` is the exact sum of the tile's products. Every step is a binary32 operation, rounded to
nearest even, with subnormals. OCP Microscaling v1.0 leaves precision and order of the sum over
blocks to the implementation; this is the order of the machine in ``rtl``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic import softfloat as sf
from systolab.formats.dot.postprocess import to_binary32
from systolab.formats.dot.product import DotResult
from systolab.formats.engines.pure_numpy import canonical

__all__ = ["add_scaled"]

_F32 = NDArray[np.float32]


def add_scaled(
    acc: _F32, sums: DotResult, scale_a: _F32, scale_w: _F32, softfloat: bool = False
) -> _F32:
    """Accumulators ``acc`` [M, N] after one more tile.

    A sum of zero adds +0 whatever its scales; NaN comes out canonical.

    Args:
        acc: accumulators before it; a NaN is the canonical one.
        sums: the tile's exact sums [M, N].
        scale_a: scale of A's block for each row [M].
        scale_w: scale of W's block for each column [N].
        softfloat: every step by Berkeley SoftFloat instead of the processor.
    """
    s = to_binary32(sums.acc, sums.lsb, softfloat)
    if softfloat:
        x = sf.multiply(s, sf.multiply(scale_a[:, None], scale_w[None, :]))
        return canonical(sf.add(acc, np.where(s == 0, np.float32(0), x)))
    with np.errstate(all="ignore"):
        x = s * (scale_a[:, None] * scale_w)
        x[s == 0] = 0
        return canonical(acc + x)
