"""What the memory ports of an array transfer, as integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes

__all__ = ["binary32_words", "memory_lines"]


def memory_lines(codes: Codes, line: int, bits: int) -> list[int]:
    """Lines of a memory: codes packed without gaps, the first in the lowest bits.

    Args:
        codes: the memory, flat; what lies beyond it in the last line is zero.
        line: codes in a line.
        bits: width of a code.
    """
    rows = []
    for start in range(0, len(codes), line):
        row = 0
        for position, code in enumerate(codes[start : start + line].tolist()):
            row |= code << (position * bits)
        rows.append(row)
    return rows


def binary32_words(values: NDArray[np.float32]) -> list[int]:
    """The bits of binary32 numbers."""
    words: list[int] = values.astype(np.float32).view(np.uint32).tolist()
    return words
