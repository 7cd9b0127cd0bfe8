"""Arrays that nobody can write."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_only"]

_Element = TypeVar("_Element", bound=np.generic)


def read_only(array: NDArray[_Element]) -> NDArray[_Element]:
    """A copy whose ``writeable`` flag stays off: its memory is that of a ``bytes`` object.

    >>> read_only(np.arange(3)).flags.writeable
    False
    """
    if array.dtype.hasobject or array.size == 0:
        copy = array.copy()
        copy.flags.writeable = False
        return copy
    flat: NDArray[Any] = np.frombuffer(array.tobytes(), dtype=array.dtype)
    return flat.reshape(array.shape)
