"""Accumulators as integers and as 32-bit words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_words", "to_words"]

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


def to_words(numbers: _Integers, bits: int) -> _U32:
    """Words [n, words] of two's complement numbers; bits beyond ``bits`` are zero."""
    count = -(-bits // 32)
    mask = (1 << bits) - 1
    if bits <= _SMALL:
        value = np.ascontiguousarray(numbers.astype(np.int64) & np.int64(mask))
        return np.ascontiguousarray(value.view(np.uint32).reshape(-1, 2)[:, :count])
    data = b"".join((int(x) & mask).to_bytes(4 * count, "little") for x in numbers.tolist())
    return np.frombuffer(data, dtype="<u4").astype(np.uint32).reshape(-1, count)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
