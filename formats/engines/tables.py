"""A format's table in the shapes that engines index: one entry for every code that can occur.

Codes are checked against the width of their format before any engine runs; the entries behind the
last code only make sure that nothing could ever be read outside the array.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from systolab.formats.engines.spec import units
from systolab.formats.format import Format
from systolab.formats.read_only import read_only

__all__ = ["limb_width", "limbs", "special_marks", "units32", "units64", "values32", "values64"]

_CACHED = 64
_Real = TypeVar("_Real", np.float32, np.float64, np.uint8)


@lru_cache(maxsize=_CACHED)
def values32(fmt: Format) -> NDArray[np.float32]:
    """Values as binary32, [256] or [65536]."""
    return _padded(fmt.values.astype(np.float32), fmt)


@lru_cache(maxsize=_CACHED)
def values64(fmt: Format) -> NDArray[np.float64]:
    """Values as binary64, [256] or [65536]."""
    return _padded(fmt.values, fmt)


@lru_cache(maxsize=_CACHED)
def units32(fmt: Format) -> NDArray[np.float32]:
    """Finite values in units of the quantum as binary32, for R up to 2**24; others 0."""
    return units64(fmt).astype(np.float32)


@lru_cache(maxsize=_CACHED)
def units64(fmt: Format) -> NDArray[np.float64]:
    """Finite values in units of the quantum; NaN and infinities are 0."""
    table = units(fmt)
    return _padded(np.where(np.isfinite(table), table, 0.0) + 0.0, fmt)


@lru_cache(maxsize=_CACHED)
def special_marks(fmt: Format) -> NDArray[np.uint8]:
    """1 where a value is NaN or an infinity, [256] or [65536]."""
    return _padded((~np.isfinite(fmt.values)).astype(np.uint8), fmt)


@lru_cache(maxsize=_CACHED)
def limbs(fmt: Format, count: int) -> tuple[tuple[int, NDArray[np.float64]], ...]:
    """``units64`` as a sum of ``count`` tables times powers of two: (log2 of the weight, table).

    Every entry carries the sign of its value and is below ``2**width`` in magnitude, where
    ``width = ceil(bit length of R / count)``.
    """
    whole = units64(fmt)
    if count == 1:
        return ((0, whole),)
    width = limb_width(fmt, count)
    parts = []
    rest, sign = np.abs(whole), np.sign(whole)
    for _ in range(count):
        upper = np.floor(np.ldexp(rest, -width))  # exact: few significant bits
        parts.append(sign * (rest - np.ldexp(upper, width)) + 0.0)
        rest = upper
    return tuple((i * width, read_only(part)) for i, part in enumerate(parts))


def limb_width(fmt: Format, count: int) -> int:
    """Bits of each of ``count`` limbs of the format's integers."""
    return -(-fmt.ratio.bit_length() // count)


def _padded(table: NDArray[_Real], fmt: Format) -> NDArray[_Real]:
    full = np.zeros(256 if fmt.bits <= 8 else 65536, dtype=table.dtype)
    full[: len(table)] = table
    return read_only(full)
