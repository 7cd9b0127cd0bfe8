"""Stochastic rounding with a counter-based generator, so that hardware can replay it.

The random word of element ``index`` under ``seed`` is a pure function of both: SplitMix64's output
function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014) applied
to ``mix(seed) + index * golden``, upper 32 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["random_words"]

_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return z ^ (z >> np.uint64(31))


def random_words(seed: int, start: int, count: int) -> NDArray[np.uint32]:
    """The 32-bit random words of elements ``start .. start + count - 1``, shape [count]."""
    key = _mix(np.array([seed & (2**64 - 1)], dtype=np.uint64) + _GOLDEN)
    index = np.arange(start, start + count, dtype=np.uint64)
    return (_mix(key + index * _GOLDEN) >> np.uint64(32)).astype(np.uint32)
