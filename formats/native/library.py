"""Finding and loading the compiled engines; the C interface is documented in ``systolab.h``.

The environment variable SYSTOLAB_NATIVE, if set, is 0 (do without) or the path of a library.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from pathlib import Path

import numpy as np

from systolab.formats.codes import Codes

__all__ = ["Matrix", "SoftFloat", "available", "check", "library", "matrix", "rows", "status"]

_ABI = 3

_ELF64_LITTLE = b"\x7fELF\2\1"
_ELF = struct.Struct("<40s Q 10x H H 2x")  # header: where the sections are, size of each, how many

_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int32
_FLOAT = ctypes.c_float
_DOUBLE = ctypes.c_double
_U8 = ctypes.c_uint8
_U16 = ctypes.c_uint16
_U32 = ctypes.c_uint32


class SoftFloat(ctypes.Structure):
    """``systolab_softfloat``: addresses of SoftFloat's functions."""

    _fields_ = (
        ("f32_mul", _POINTER),
        ("f32_add", _POINTER),
        ("f32_lt", _POINTER),
        ("i64_to_f64", _POINTER),
        ("f64_mul", _POINTER),
        ("f64_to_f32", _POINTER),
    )


class Matrix(ctypes.Structure):
    """``systolab_matrix``."""

    _fields_ = (("codes", ctypes.c_void_p), ("stride", _SIZE), ("width", _INT))


_OPERANDS = (Matrix, _POINTER, Matrix, _POINTER, *(_SIZE,) * 4)  # a, w, m, k, n, group
_ENCODE = (_POINTER, _SIZE, _POINTER, _POINTER)

_SIGNATURES: dict[str, tuple[tuple[type, ...], type | None]] = {
    "systolab_abi": ((), _INT),
    "systolab_dot_float32": ((*_OPERANDS, _POINTER), _INT),
    "systolab_dot_saturate": ((*_OPERANDS, _DOUBLE, _DOUBLE, _POINTER), _INT),
    "systolab_dot_round32": ((*_OPERANDS, _POINTER, _POINTER), _INT),
    "systolab_dot_round64": ((*_OPERANDS, _POINTER, _POINTER), _INT),
    "systolab_dot_table": (
        (Matrix, Matrix, *(_SIZE,) * 4, _POINTER, _POINTER, _U8, _POINTER),
        _INT,
    ),
    "systolab_dot_softfloat": ((_POINTER, *_OPERANDS, _POINTER), _INT),
    "systolab_integers_softfloat": ((_POINTER, _POINTER, _SIZE, _DOUBLE, _POINTER), None),
    "systolab_postprocess_softfloat": (
        (_POINTER, _POINTER, _SIZE, _SIZE, _POINTER, _POINTER, _U32, _U32, _POINTER),
        None,
    ),
    "systolab_map_binary32": ((_POINTER, _POINTER, _POINTER, _POINTER, _SIZE), None),
    "systolab_decode_binary32": ((Matrix, _SIZE, _SIZE, _POINTER, _POINTER), None),
    "systolab_decode_binary64": ((Matrix, _SIZE, _SIZE, _POINTER, _POINTER), None),
    "systolab_any_marked": ((Matrix, _SIZE, _SIZE, _POINTER), _INT),
    "systolab_wrap_in_place": ((_POINTER, _SIZE, _INT, _INT), None),
    "systolab_encode_binary8": (_ENCODE, None),
    "systolab_encode_binary16": (_ENCODE, None),
    "systolab_encode_lookup8": (_ENCODE, None),
    "systolab_encode_lookup16": (_ENCODE, None),
    "systolab_encode_search": (
        (_POINTER, _SIZE, _POINTER, _POINTER, _POINTER, _U16, _POINTER),
        None,
    ),
    "systolab_round_odd": ((_POINTER, _SIZE, _POINTER), None),
    "systolab_divide_odd": ((_POINTER, _SIZE, _DOUBLE, _POINTER), None),
    "systolab_postprocess_binary32": (
        (_POINTER, _SIZE, _SIZE, _POINTER, _POINTER, _FLOAT, _FLOAT, _POINTER),
        None,
    ),
    "systolab_postprocess_int64": (
        (_POINTER, _DOUBLE, _SIZE, _SIZE, _POINTER, _POINTER, _FLOAT, _FLOAT, _POINTER),
        None,
    ),
}


@functools.cache
def _load() -> ctypes.CDLL | str:
    """The library, or why there is none."""
    wanted = os.environ.get("SYSTOLAB_NATIVE", "")
    if wanted == "0":
        return "SYSTOLAB_NATIVE=0 is set"
    reasons = ["it was not built: no C compiler when systolab was installed"]
    beside = sorted(Path(__file__).parent.glob("_systolab*.so"))
    for path in [Path(wanted)] if wanted else beside:
        try:
            _check_whole(path)
            library = ctypes.CDLL(str(path))
            abi = library.systolab_abi()
            if abi != _ABI:
                raise OSError(
                    f"{path} has interface {abi}, this source needs {_ABI}: build it again"
                )
            for name, (arguments, result) in _SIGNATURES.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, result
        except (OSError, AttributeError) as error:
            reasons.append(str(error))
            continue
        if _contracts(library):
            reasons.append(f"{path} was compiled with contraction or unsafe optimisation")
            continue
        return library
    return reasons[-1]


def _check_whole(path: Path) -> None:
    """Refuse what the dynamic linker would wait for, or crash on.

    It maps a library without looking whether the file is as long as its headers say; the table of
    sections, which linkers write last, tells.
    """
    if not path.exists():
        return  # the linker says so better
    if not path.is_file():
        raise OSError(f"{path} is no regular file")
    with path.open("rb") as file:
        head = file.read(_ELF.size)
    if len(head) < _ELF.size or not head.startswith(_ELF64_LITTLE):
        return
    start, size, count = _ELF.unpack(head)[1:]
    if start + size * count > path.stat().st_size:
        raise OSError(f"{path} is cut short: build it again")


def available() -> bool:
    """Whether the compiled engines can be used."""
    return isinstance(_load(), ctypes.CDLL)


def status() -> str:
    """``native``, or why the compiled engines are not used."""
    loaded = _load()
    return f"no native library: {loaded}" if isinstance(loaded, str) else "native"


def library() -> ctypes.CDLL:
    """The loaded library; only where ``available()``.

    Raises:
        RuntimeError: there is none.
    """
    loaded = _load()
    if isinstance(loaded, str):
        raise RuntimeError(f"native library used although there is none: {loaded}")
    return loaded


def matrix(codes: Codes) -> Matrix:
    """``codes`` for a call; its rows must be contiguous (see ``rows``)."""
    return Matrix(codes.ctypes.data, codes.strides[0] // codes.itemsize, codes.itemsize)


def rows(codes: Codes) -> Codes:
    """``codes`` with contiguous rows; these may be further apart than they are long."""
    if codes.strides[1] == codes.itemsize and codes.strides[0] >= 0:
        return codes
    return codes.copy()


def check(code: int) -> None:
    """Judge the code that an engine returned.

    Raises:
        MemoryError: it could not allocate its workspace.
    """
    if code != 0:
        raise MemoryError("native engine could not allocate its workspace")


def _contracts(library: ctypes.CDLL) -> bool:
    """Whether a product is fused into its sum, which strict compilation never does."""
    # x * x rounds to 1 + 2^-11; fused into the sum it would keep its last term, 2^-24.
    x = 1 + 2.0**-12
    table = np.zeros(256, dtype=np.float32)
    table[:3] = x, 1.0, -(1 + 2.0**-11)
    a = np.array([[1, 0]], dtype=np.uint8)
    w = np.array([[2] * 64, [0] * 64], dtype=np.uint8)
    sums = np.full((2, 64), np.nan, dtype=np.float32)
    code = library.systolab_dot_float32(
        matrix(a), table.ctypes.data, matrix(w), table.ctypes.data, 1, 2, 64, 2, sums.ctypes.data
    )
    factor, term = np.full((2, 64), table[:1]), np.full(64, table[2])
    library.systolab_postprocess_binary32(
        *(factor.ctypes.data, 1, 64, factor.ctypes.data, term.ctypes.data),
        *(-np.inf, np.inf, sums[1:].ctypes.data),
    )
    return code != 0 or bool((sums != 0).any())
