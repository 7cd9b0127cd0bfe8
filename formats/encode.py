"""Projection of binary32 arrays: the NumPy implementation, and the place for a native one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formats.projection import EncoderTable, binary32_key
from formats.tensor import Codes

__all__ = ["BinaryLookup", "project_binary32"]

_CHUNK = 1 << 16


class BinaryLookup:
    """Codes by the upper 16 bits of a binary32 and whether the lower 16 are nonzero.

    Ten times faster than a search. Exact only where no step of the projection separates two values
    of one entry, which the constructor decides from the table.
    """

    def __init__(self, table: EncoderTable, dtype: type[np.uint8] | type[np.uint16]) -> None:
        """Fill the 2^17 entries from the ordered search."""
        high = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
        exact, above, last = (
            search(table, (high | np.uint32(low)).view(np.float32)) for low in (0, 1, 0xFFFF)
        )
        self.is_exact = bool((above == last).all())
        self._codes = np.stack([exact, above], axis=1).reshape(-1).astype(dtype)

    def project(self, x: NDArray[np.float32], out: Codes) -> None:
        """Write the codes of ``x`` (one dimension) to ``out``."""
        bits = x.view(np.uint32)
        index = (bits >> np.uint32(16)) << np.uint32(1)
        index |= (bits & np.uint32(0xFFFF)) != 0
        np.take(self._codes, index, out=out, mode="clip")


def search(table: EncoderTable, x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The definition of the projection: an ordered search over the keys."""
    codes = table.codes[np.searchsorted(table.keys, binary32_key(x), side="right")]
    codes[np.isnan(x)] = table.nan_code
    return codes


def project_binary32(
    table: EncoderTable, lookup: BinaryLookup | None, x: NDArray[np.float32], out: Codes
) -> None:
    """Project ``x`` (contiguous, one dimension) into ``out``, in chunks that stay in cache."""
    for start in range(0, x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        if lookup is not None:
            lookup.project(x[part], out[part])
        else:
            out[part] = search(table, x[part])
