"""Codes to table entries, natively where possible."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.engines.spec import has_specials
from systolab.formats.engines.tables import special_marks
from systolab.formats.format import Format
from systolab.formats.native import available
from systolab.formats.native.library import library, matrix, rows

__all__ = ["Real", "decode", "has_special"]

Real = TypeVar("Real", np.float32, np.float64)


def has_special(codes: Codes, fmt: Format) -> bool:
    """Whether a matrix of codes holds a NaN or an infinity."""
    if not has_specials(fmt):
        return False
    marks = special_marks(fmt)
    if not available():
        return bool(np.take(marks, codes, mode="clip").any())
    arranged = rows(codes)
    found: int = library().systolab_any_marked(matrix(arranged), *codes.shape, marks.ctypes.data)
    return found != 0


def decode(codes: Codes, table: NDArray[Real], out: NDArray[Real]) -> None:
    """``out = table[codes]`` for a matrix of codes; ``out`` is contiguous."""
    if not available():
        np.take(table, codes, out=out, mode="clip")
        return
    arranged = rows(codes)
    compiled = library()
    function = (
        compiled.systolab_decode_binary32
        if out.itemsize == 4
        else compiled.systolab_decode_binary64
    )
    function(matrix(arranged), *codes.shape, table.ctypes.data, out.ctypes.data)
