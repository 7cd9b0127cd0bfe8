"""Berkeley SoftFloat over arrays: the definition of every binary32 step.

The C functions are those that the compiled module of the ``softfloatpy`` package exports; nothing
is computed by the host's floating-point unit. SoftFloat's rounding mode is a global of the
process (not of a thread, whatever softfloatpy's documentation says): it is checked before use,
never changed.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.native import available
from systolab.formats.native.library import SoftFloat as Functions
from systolab.formats.native.library import library as compiled

__all__ = [
    "add",
    "from_binary64",
    "from_int64",
    "functions",
    "library",
    "multiply",
    "require_near_even",
    "scale_and_clamp",
]

_F32 = NDArray[np.float32]

_NEAR_EVEN = 0  # softfloat_round_near_even
_U32, _U64 = ctypes.c_uint32, ctypes.c_uint64
_FUNCTIONS: dict[str, tuple[tuple[type, ...], type]] = {
    "f32_mul": ((_U32, _U32), _U32),
    "f32_add": ((_U32, _U32), _U32),
    "f32_lt": ((_U32, _U32), ctypes.c_bool),
    "i64_to_f64": ((ctypes.c_int64,), _U64),
    "f64_mul": ((_U64, _U64), _U64),
    "f64_to_f32": ((_U64,), _U32),
}
_STATE = "softfloat_roundingMode"


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded module, its symbols probed.

    Raises:
        SystolabError: softfloatpy cannot be imported, or hides what is needed.
    """
    try:
        from softfloatpy import _core
    except ImportError as error:
        raise SystolabError(f"Package softfloatpy must be importable, not fail: {error}") from error
    loaded = ctypes.CDLL(_core.__file__)
    missing = [name for name in (*_FUNCTIONS, _STATE) if not _has(loaded, name)]
    if missing:
        raise SystolabError(
            f"Module {_core.__file__} must export SoftFloat's C functions, not hide "
            f"{', '.join(missing)}: use a softfloatpy wheel from PyPI"
        )
    for name, (arguments, result) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, result
    return loaded


def require_near_even() -> None:
    """Make sure that SoftFloat rounds to nearest even.

    Raises:
        SystolabError: it does not.
    """
    mode = ctypes.c_uint8.in_dll(library(), _STATE).value
    if mode != _NEAR_EVEN:
        raise SystolabError(
            f"SoftFloat's rounding mode must be {_NEAR_EVEN} (nearest even), not {mode}: "
            "something in this process has changed it"
        )


@functools.cache
def functions() -> Functions:
    """SoftFloat's functions, for native code to call."""
    return Functions(*(_address(name) for name in _FUNCTIONS))


def _address(name: str) -> int:
    return ctypes.cast(getattr(library(), name), ctypes.c_void_p).value or 0


def add(x: _F32, y: _F32) -> _F32:
    """``x + y`` elementwise (broadcast), by ``f32_add``."""
    return _map("f32_add", x, y)


def multiply(x: _F32, y: _F32) -> _F32:
    """``x * y`` elementwise (broadcast), by ``f32_mul``."""
    return _map("f32_mul", x, y)


def scale_and_clamp(x: _F32, scale: _F32, bias: _F32, low: np.float32, high: np.float32) -> _F32:
    """``clamp(x * scale + bias)``, with one factor and term for each index of the last axis.

    NaN passes the clamp, which is ``y < low ? low : high < y ? high : y``, by ``f32_lt``.
    """
    require_near_even()
    if available():
        x, scale, bias = (np.ascontiguousarray(array) for array in (x, scale, bias))
        out = np.empty(x.shape, dtype=np.float32)
        compiled().systolab_postprocess_softfloat(
            ctypes.byref(functions()),
            x.ctypes.data,
            x.size // max(1, scale.size),
            scale.size,
            scale.ctypes.data,
            bias.ctypes.data,
            int(_bits(low)),
            int(_bits(high)),
            out.ctypes.data,
        )
        return out
    less = library().f32_lt
    low_bits, high_bits = int(_bits(low)), int(_bits(high))

    def clamp(value: int) -> int:
        if less(value, low_bits):
            return low_bits
        return high_bits if less(high_bits, value) else value

    return _apply(clamp, _bits(add(multiply(x, scale), bias)))


def from_int64(x: NDArray[np.int64], lsb: int) -> _F32:
    """``x * 2**lsb`` elementwise, rounded once to binary32; overflow gives an infinity."""
    require_near_even()
    if available():
        x = np.ascontiguousarray(x)
        out = np.empty(x.shape, dtype=np.float32)
        compiled().systolab_integers_softfloat(
            ctypes.byref(functions()), x.ctypes.data, x.size, 2.0**lsb, out.ctypes.data
        )
        return out
    convert, times, narrow = library().i64_to_f64, library().f64_mul, library().f64_to_f32

    def one(value: int) -> int:
        excess = 0
        if abs(value) > 2**53:  # keep the upper 53 bits and a sticky bit
            value, excess = (value >> 11) | ((value & 0x7FF) != 0), 11
        unit = int(np.float64(2.0 ** (lsb + excess)).view(np.uint64))
        return int(narrow(times(convert(value), unit)))  # only the last step rounds

    return _apply(one, x)


def from_binary64(x: NDArray[np.float64], lsb: int) -> _F32:
    """``x * 2**lsb`` elementwise, rounded once to binary32, where binary64 holds it."""
    require_near_even()
    times, narrow = library().f64_mul, library().f64_to_f32
    unit = int(np.ldexp(1.0, np.int64(lsb)).view(np.uint64))
    return _apply(lambda value: int(narrow(times(value, unit))), x.view(np.uint64))


def _map(name: str, x: _F32, y: _F32) -> _F32:
    require_near_even()
    if available():
        left, right = (np.ascontiguousarray(side) for side in np.broadcast_arrays(x, y))
        out = np.empty(left.shape, dtype=np.float32)
        compiled().systolab_map_binary32(
            _address(name), left.ctypes.data, right.ctypes.data, out.ctypes.data, out.size
        )
        return out
    return _apply(getattr(library(), name), _bits(x), _bits(y))


def _apply(function: Callable[..., int], *arguments: NDArray[np.integer]) -> _F32:
    """``function`` called once per element: about a microsecond each."""
    results = np.frompyfunc(function, len(arguments), 1)(*arguments)
    return np.asarray(results).astype(np.uint32).view(np.float32)


def _bits(x: _F32 | np.float32) -> NDArray[np.uint32]:
    return np.asarray(x, dtype=np.float32).view(np.uint32)


def _has(loaded: ctypes.CDLL, name: str) -> bool:
    return hasattr(loaded, name)
