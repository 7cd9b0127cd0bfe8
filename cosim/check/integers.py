"""Accumulators as integers, from 32-bit words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_words"]

_U32 = NDArray[np.uint32]
_Integers = NDArray[np.int64] | NDArray[np.object_]  # Python integers where 64 bits are too few

_SMALL = 62  # bits up to which sums of two numbers are computed in int64


def from_words(words: _U32, bits: int) -> _Integers:
    """Two's complement numbers of ``bits`` bits from their words [n, words]."""
    if bits <= _SMALL:
        padded = np.zeros((len(words), 2), np.uint32)
        padded[:, : words.shape[1]] = words[:, :2]
        value = padded.view(np.uint64)[:, 0] << np.uint64(64 - bits)
        return value.view(np.int64) >> np.int64(64 - bits)
    numbers = [int.from_bytes(row.tobytes(), "little") for row in words.astype("<u4")]
    return np.array([_signed(x, bits) for x in numbers], dtype=object)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
