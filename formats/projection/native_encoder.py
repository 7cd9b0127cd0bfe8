"""Native projections of binary32 arrays, the fastest that an encoder table is proved to allow.

All give the same codes for NaN, infinities and -0 as the search does.

1. ``binary``: a binary floating-point or fixed-point format's rounding, computed;
2. ``lookup``: the upper half of the bits and a sticky bit index the codes;
3. ``search``: a binary search over the keys, which is the definition.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.native.library import library
from systolab.formats.projection.projection import EncoderTable

__all__ = [
    "BinaryEncoder",
    "Search",
    "binary_encoder",
    "divide_odd",
    "encode_binary",
    "encode_lookup",
    "round_odd",
    "shifted",
]

_INFINITY = 0x7F80_0000
_SIGN = 0x8000_0000
_SMALLEST_NORMAL = 0x0080_0000
_PAIR = ctypes.c_uint32 * 2


class BinaryEncoder(ctypes.Structure):
    """``systolab_binary_encoder``."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("shift", "half", "offset", "normal")),
        ("lift", ctypes.c_float),
        *((name, ctypes.c_uint32) for name in ("lift_bits", "least", "least_code")),
        *((name, ctypes.c_uint32) for name in ("negative_zero", "negate_xor", "negate_add")),
        ("mask", ctypes.c_uint32),
        ("high", _PAIR),
        ("high_code", _PAIR),
        ("infinity_code", _PAIR),
        ("nan_code", ctypes.c_uint32),
    )


def encode_binary(encoder: BinaryEncoder, x: NDArray[np.float32], out: Codes) -> None:
    """Project contiguous ``x`` into contiguous ``out`` by computation."""
    compiled = library()
    function = (
        compiled.systolab_encode_binary8 if out.itemsize == 1 else compiled.systolab_encode_binary16
    )
    function(x.ctypes.data, x.size, ctypes.byref(encoder), out.ctypes.data)


def shifted(encoder: BinaryEncoder, exponent: int) -> BinaryEncoder | None:
    """The encoder of ``x / 2**exponent``, where every magnitude it compares with stays normal."""
    up = exponent << 23
    finite = [encoder.normal, encoder.least, *(h for h in encoder.high if h < _INFINITY)]
    if encoder.lift_bits:
        finite.append(encoder.lift_bits)
    if min(*finite, min(finite) + up) < _SMALLEST_NORMAL or max(finite) + up >= _INFINITY:
        return None
    moved = BinaryEncoder.from_buffer_copy(encoder)
    moved.offset = (encoder.offset + (exponent << (23 - encoder.shift))) % 2**32
    moved.normal, moved.least = encoder.normal + up, encoder.least + up
    moved.high = _PAIR(*(h + up if h < _INFINITY else h for h in encoder.high))
    if encoder.lift_bits:
        moved.lift_bits = encoder.lift_bits + up
        moved.lift = encoder.lift * 2.0**exponent
    return moved


def encode_lookup(codes: Codes, x: NDArray[np.float32], out: Codes) -> None:
    """Project contiguous ``x`` into contiguous ``out`` by a table of 2^17 codes."""
    compiled = library()
    function = (
        compiled.systolab_encode_lookup8 if out.itemsize == 1 else compiled.systolab_encode_lookup16
    )
    function(x.ctypes.data, x.size, codes.ctypes.data, out.ctypes.data)


class Search:
    """Projection by binary search among the keys that share the upper half of their bits."""

    def __init__(self, table: EncoderTable) -> None:
        """Index the keys."""
        buckets = np.arange(2**16 + 1, dtype=np.uint64) << np.uint64(16)
        self._first = np.searchsorted(table.keys, buckets).astype(np.uint32)
        self._keys = np.append(table.keys, np.uint32(0))  # never without an address
        self._codes = np.ascontiguousarray(table.codes)
        self._nan_code = table.nan_code

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.uint16]:
        """The codes of contiguous ``x``."""
        out = np.empty(x.shape, dtype=np.uint16)
        library().systolab_encode_search(
            x.ctypes.data,
            x.size,
            self._keys.ctypes.data,
            self._first.ctypes.data,
            self._codes.ctypes.data,
            self._nan_code,
            out.ctypes.data,
        )
        return out


def round_odd(x: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """Round contiguous ``x`` to odd."""
    library().systolab_round_odd(x.ctypes.data, x.size, out.ctypes.data)


def divide_odd(x: NDArray[np.float32], divisor: float, out: NDArray[np.float32]) -> None:
    """Round the binary64 quotients of contiguous ``x`` to odd."""
    library().systolab_divide_odd(x.ctypes.data, x.size, divisor, out.ctypes.data)


def binary_encoder(table: EncoderTable, bits: int) -> BinaryEncoder | None:
    """The computed projection that equals ``table``, or None where there is none.

    Its parameters are read off the steps of the table. The computation is monotone between its
    own regime limits, and the table is constant between its steps, so both agree everywhere if
    they agree at both ends of every step, at the regime limits and on the specials.
    """
    candidate = _candidate(_Steps.of(table), bits)
    if candidate is None:
        return None
    limits = [candidate.normal, candidate.least, *candidate.high, _INFINITY, _INFINITY + 1]
    magnitudes = np.array([0, 1, *limits, 0x7FC0_0000, 0x7FFF_FFFF], dtype=np.uint32)
    magnitudes = np.concatenate([magnitudes, magnitudes[magnitudes > 0] - np.uint32(1)])
    keys = np.concatenate([table.keys, table.keys[table.keys > 0] - np.uint32(1)])
    inputs = np.concatenate([magnitudes, magnitudes | np.uint32(_SIGN), _bits_of_key(keys)])
    x = inputs.view(np.float32)
    out: Codes = np.empty(x.shape, dtype=np.uint8 if bits <= 8 else np.uint16)
    encode_binary(candidate, x, out)
    return candidate if np.array_equal(out, Search(table).encode(x)) else None


@dataclass(frozen=True)
class _Steps:
    """The table's steps by sign: magnitudes (binary32 bits) where the code changes, going out.

    ``outward[s][i]`` is the smallest magnitude of code ``codes[s][i + 1]``.
    """

    outward: tuple[NDArray[np.int64], NDArray[np.int64]]
    codes: tuple[NDArray[np.int64], NDArray[np.int64]]
    nan_code: int

    @classmethod
    def of(cls, table: EncoderTable) -> _Steps:
        keys, codes = table.keys.astype(np.int64), table.codes.astype(np.int64)
        plus_zero = int(np.searchsorted(keys, _SIGN, side="right"))
        minus_zero = int(np.searchsorted(keys, _SIGN - 1, side="right"))
        positive = keys[plus_zero:] - _SIGN
        negative = (_SIGN - 1 - keys[:minus_zero][::-1]) + 1
        return cls((positive, negative), (codes[plus_zero:], codes[minus_zero::-1]), table.nan_code)

    def code(self, sign: int, magnitude: int) -> int:
        index = np.searchsorted(self.outward[sign], magnitude, side="right")
        return int(self.codes[sign][index])


def _candidate(steps: _Steps, bits: int) -> BinaryEncoder | None:
    outward, codes = steps.outward[0], steps.codes[0]
    outward = outward[outward < _INFINITY]  # a code of infinity's own is no step of the rounding
    codes = codes[: len(outward) + 1]
    # How many codes in a row count up from zero.
    different = np.flatnonzero(codes != np.arange(len(codes)))
    count = int(different[0]) if len(different) else len(codes)
    if count < 3:
        return None
    steps_up = outward[: count - 1]  # steps_up[c]: from code c to c + 1
    shift = int(steps_up[-1] - steps_up[-2] + 1).bit_length() - 1
    if not 1 <= shift <= 23:
        return None
    half = 1 << (shift - 1)
    offset = (int(steps_up[-1] - half) >> shift) - (count - 2)
    middles = ((np.arange(count - 1) + offset) << shift) + half
    irregular = np.flatnonzero((steps_up != middles) & (steps_up != middles + 1))
    first = max(1, int(irregular[-1]) + 1 if len(irregular) else 1)
    normal = (first + offset) << shift
    if not 0 < normal < _INFINITY:
        return None
    lift = np.float32(0.0)
    if first > 1:
        quanta = _float_of(normal) / first * 2.0**23
        if quanta >= 2.0**127:
            return None
        lift = np.float32(quanta)
    negate = _negation(steps, int(outward[0]), bits)
    if negate is None:
        return None
    high = [_outermost(steps, sign) for sign in (0, 1)]
    return BinaryEncoder(
        *(shift, half, offset % 2**32, normal, float(lift), int(lift.view(np.uint32))),
        *(int(outward[0]), 1, steps.code(1, 0), *negate),
        *(_PAIR(*high), _PAIR(*(steps.code(sign, high[sign]) for sign in (0, 1)))),
        *(_PAIR(*(steps.code(sign, _INFINITY) for sign in (0, 1))), steps.nan_code),
    )


def _outermost(steps: _Steps, sign: int) -> int:
    """The outermost finite magnitude at which the code changes; beyond infinity if none."""
    finite = steps.outward[sign][steps.outward[sign] < _INFINITY]
    return int(finite[-1]) if len(finite) else _INFINITY + 1


def _negation(steps: _Steps, least: int, bits: int) -> tuple[int, int, int] | None:
    """(xor, add, mask) from the code of a value to that of its negative, told by code 1."""
    sign, mask = 1 << (bits - 1), (1 << bits) - 1
    negative = steps.code(1, least + 1)
    if negative == 1 | sign:
        return sign, 0, mask
    if negative == mask:
        return mask, 1, mask  # two's complement
    return (0, 0, 0) if negative == 0 else None  # unsigned


def _bits_of_key(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    positive = keys >= np.uint32(_SIGN)
    return np.asarray(np.where(positive, keys ^ np.uint32(_SIGN), ~keys), dtype=np.uint32)


def _float_of(bits: int) -> float:
    return float(np.array([bits], dtype=np.uint32).view(np.float32)[0])
