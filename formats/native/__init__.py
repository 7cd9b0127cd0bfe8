"""The compiled engines, where they could be built; see ``systolab.h`` for the C interface.

The library is found beside this file.  Where it is missing, does not match this source, or
``SYSTOLAB_NATIVE=0`` is set, ``available()`` is False and the NumPy engines do the work.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from formats.engines.spec import Operands
from formats.tensor import Codes

ABI = 1
CANONICAL_NAN = np.float32(np.nan)  # 0x7FC00000

_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int32


class _Matrix(ctypes.Structure):
    _fields_ = (("codes", ctypes.c_void_p), ("stride", _SIZE), ("width", _INT))


_SIGNATURES: dict[str, tuple[tuple[type, ...], type | None]] = {
    "systolab_abi": ((), _INT),
    "systolab_map_binary32": ((_POINTER, _POINTER, _POINTER, _POINTER, _SIZE), None),
    "systolab_dot_softfloat": (
        (_POINTER, _POINTER, *(_Matrix, _POINTER) * 2, *(_SIZE,) * 4, _POINTER),
        _INT,
    ),
}


@functools.cache
def _load() -> ctypes.CDLL | str:
    """The library, or why there is none."""
    if os.environ.get("SYSTOLAB_NATIVE") == "0":
        return "SYSTOLAB_NATIVE=0 is set"
    found = sorted(Path(__file__).parent.glob("_systolab*.so"))
    if not found:
        return "it was not built (no C compiler when systolab was installed)"
    reasons = []
    for path in found:
        try:
            library = ctypes.CDLL(str(path))
            for name, (arguments, result) in _SIGNATURES.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, result
        except (OSError, AttributeError) as error:
            reasons.append(str(error))
            continue
        abi = library.systolab_abi()
        if abi == ABI:
            return library
        reasons.append(f"{path} has ABI {abi}, this source needs {ABI}: build it again")
    return "; ".join(reasons)


def available() -> bool:
    """Whether the compiled engines can be used."""
    return isinstance(_load(), ctypes.CDLL)


def status() -> str:
    """``native`` or the reason why the compiled engines are not used."""
    loaded = _load()
    return f"no native library: {loaded}" if isinstance(loaded, str) else "native"


def _library() -> ctypes.CDLL:
    loaded = _load()
    if isinstance(loaded, str):
        raise RuntimeError(f"native library used although not available: {loaded}")
    return loaded


def map_binary32(
    operation: int, x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``operation`` (address of a ``systolab_f32_op``) over two arrays of one shape."""
    left, right = np.ascontiguousarray(x), np.ascontiguousarray(y)
    out = np.empty(x.shape, dtype=np.float32)
    _library().systolab_map_binary32(
        operation, left.ctypes.data, right.ctypes.data, out.ctypes.data, out.size
    )
    return out


def dot_softfloat(
    multiply: int,
    add: int,
    operands: Operands,
    table_a: NDArray[np.float32],
    table_w: NDArray[np.float32],
    group: int,
) -> NDArray[np.float32]:
    """``systolab_dot_softfloat`` with the addresses of ``f32_mul`` and ``f32_add``."""
    m, k, n = operands.shape
    out = np.empty((m, n), dtype=np.float32)
    a, w = _rows(operands.a), _rows(operands.w)
    left, right = _full_table(table_a, a), _full_table(table_w, w)
    _check(
        _library().systolab_dot_softfloat(
            multiply,
            add,
            _matrix(a),
            left.ctypes.data,
            _matrix(w),
            right.ctypes.data,
            *(m, k, n, group),
            out.ctypes.data,
        )
    )
    return out


def _rows(codes: Codes) -> Codes:
    """``codes`` with contiguous rows; rows may be further apart than they are long."""
    if codes.strides[1] == codes.itemsize and codes.strides[0] > 0:
        return codes
    return codes.copy()


def _matrix(codes: Codes) -> _Matrix:
    return _Matrix(codes.ctypes.data, codes.strides[0] // codes.itemsize, codes.itemsize)


def _full_table(table: NDArray[np.float32], codes: Codes) -> NDArray[np.float32]:
    """``table`` with an entry for every possible code, so that no code reads outside it."""
    full = np.zeros(256 if codes.itemsize == 1 else 65536, dtype=np.float32)
    full[: len(table)] = table
    return full


def _check(status_code: int) -> None:
    if status_code != 0:
        raise MemoryError("native engine could not allocate its workspace")
