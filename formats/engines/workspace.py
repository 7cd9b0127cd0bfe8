"""Memory that a thread keeps between calls.

A matrix product of a few milliseconds would spend a good part of them on page faults if it got
its decoded operands from the system every time and gave them back.
"""

from __future__ import annotations

import math
import threading
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["scratch"]

_KEPT_BYTES = 4 << 20  # each; larger arrays are worth allocating

_kept = threading.local()
_Scalar = TypeVar("_Scalar", np.float32, np.float64)


def scratch(slot: str, shape: tuple[int, ...], like: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """An uninitialised array of ``like``'s type, until this thread next asks for ``slot``."""
    size = math.prod(shape) * like.itemsize
    if size > _KEPT_BYTES:
        return np.empty(shape, like.dtype)
    buffer: NDArray[np.uint8] | None = getattr(_kept, slot, None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, np.uint8)
        setattr(_kept, slot, buffer)
    return buffer[:size].view(like.dtype).reshape(shape)
