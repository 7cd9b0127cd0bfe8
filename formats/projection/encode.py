"""Projection of whole arrays: NumPy's way, and the faster native ones where a table allows them."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.native import available
from systolab.formats.projection import native_encoder as fast
from systolab.formats.projection.projection import EncoderTable, Projection, binary32_key

__all__ = ["BinaryLookup", "Projector", "search"]

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
        self.codes: Codes = np.stack([exact, above], axis=1).reshape(-1).astype(dtype)

    def project(self, x: NDArray[np.float32], out: Codes) -> None:
        """Write the codes of ``x`` (one dimension) to ``out``."""
        bits = x.view(np.uint32)
        index = (bits >> np.uint32(16)) << np.uint32(1)
        index |= (bits & np.uint32(0xFFFF)) != 0
        np.take(self.codes, index, out=out, mode="clip")


def search(table: EncoderTable, x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The definition of the projection, specials included: an ordered search over the keys."""
    codes = table.codes[np.searchsorted(table.keys, binary32_key(x), side="right")]
    codes[np.isnan(x)] = table.nan_code
    return codes


class Projector:
    """A deterministic projection, applied to contiguous arrays of one dimension.

    All ways give the codes of ``Projection.encode64``, those of NaN, infinities and -0 too; which
    one runs follows from its steps.
    """

    def __init__(self, projection: Projection, bits: int) -> None:
        """Prepare the projection of a format of ``bits`` bits."""
        self._projection = projection
        self._table = projection.encoder()
        self._bits = bits

    @cached_property
    def _binary(self) -> fast.BinaryEncoder | None:
        return fast.binary_encoder(self._table, self._bits) if available() else None

    @cached_property
    def _lookup(self) -> BinaryLookup | None:
        lookup = BinaryLookup(self._table, np.uint8 if self._bits <= 8 else np.uint16)
        return lookup if lookup.is_exact else None

    @cached_property
    def _search(self) -> fast.Search:
        return fast.Search(self._table)

    @cached_property
    def odd_is_enough(self) -> bool:
        """Whether a binary64 may be rounded to odd binary32 first.

        Rounding to odd keeps every comparison with a binary32 whose last bit is zero. A step at b
        compares x >= b, or x > the number just before it.
        """
        bounds = self._projection.bounds
        bounds = bounds[np.isfinite(bounds)]
        with np.errstate(over="ignore"):
            before = np.nextafter(bounds, -np.inf)
        return bool((_is_even(bounds) | _is_even(before)).all())

    @cached_property
    def trailing_zeros(self) -> int:
        """How many zero bits the binary64 significands of all thresholds end in, 1 to 52.

        Of a step's first value and the number just before it, the one that ends in more.
        """
        bounds = self._projection.bounds
        bounds = bounds[np.isfinite(bounds)]
        with np.errstate(over="ignore"):
            both = np.stack([bounds, np.nextafter(bounds, -np.inf)]).view(np.uint64)
        ends = np.uint64(1 << 52) | both  # zero itself, and no more than a significand
        lowest = ends & (~ends + np.uint64(1))
        shortest = lowest.max(axis=0).min(initial=np.uint64(1 << 52))
        return int(shortest).bit_length() - 1

    def project32(self, x: NDArray[np.float32], out: Codes) -> None:
        """Write the codes of ``x`` to ``out``."""
        if self._binary is not None:
            fast.encode_binary(self._binary, x, out)
            return
        for start in range(0, x.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            if self._lookup is not None and available():
                fast.encode_lookup(self._lookup.codes, x[part], out[part])
            elif self._lookup is not None:
                self._lookup.project(x[part], out[part])
            elif available():
                out[part] = self._search.encode(x[part])
            else:
                out[part] = search(self._table, x[part])

    def project64(self, x: NDArray[np.float64], out: Codes) -> None:
        """Write the codes of ``x`` to ``out``, each rounded once."""
        odd = np.empty(min(x.size, _CHUNK), dtype=np.float32)
        for start in range(0, x.size, _CHUNK):
            part = x[start : start + _CHUNK]
            if available() and self.odd_is_enough:
                fast.round_odd(part, odd)
                self.project32(odd[: part.size], out[start : start + _CHUNK])
            else:
                self._project_between(part, out[start : start + _CHUNK])

    def _project_between(self, x: NDArray[np.float64], out: Codes) -> None:
        """Write the codes of ``x``: those of its binary32 neighbours where both agree.

        ``encode64`` searches for each value and is left with the few beside a step.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            nearest = x.astype(np.float32)
        bits = nearest.view(np.uint32)
        other = np.empty_like(out)
        # Of a zero or an infinity one "neighbour" is NaN: where its code agrees, it is the result.
        self.project32((bits + np.uint32(1)).view(np.float32), out)
        self.project32((bits - np.uint32(1)).view(np.float32), other)
        differing = np.flatnonzero(out != other)
        out[differing] = self._projection.encode64(x[differing])

    def project_quotients(self, x: NDArray[np.float32], divisor: float, out: Codes) -> None:
        """Write the codes of the binary64 quotients ``x / divisor`` to ``out``."""
        fraction, exponent = math.frexp(divisor)
        if self._binary is not None and fraction == 0.5:  # a power of two
            scaled = fast.shifted(self._binary, exponent - 1)
            if scaled is not None:
                fast.encode_binary(scaled, x, out)
                return
        odd = np.empty(min(x.size, _CHUNK), dtype=np.float32)
        for start in range(0, x.size, _CHUNK):
            part = x[start : start + _CHUNK]
            if available() and self.odd_is_enough:
                fast.divide_odd(part, divisor, odd)
                self.project32(odd[: part.size], out[start : start + _CHUNK])
            else:
                quotients = part.astype(np.float64) / divisor
                self._project_between(quotients, out[start : start + _CHUNK])


def _is_even(x: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values are binary32 numbers whose last bit is zero."""
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    return np.asarray((single == x) & ((single.view(np.uint32) & np.uint32(1)) == 0))
