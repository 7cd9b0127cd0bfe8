"""Compiled engines that keep the order of operations, vectorised over the columns of the result.

``ordered-float32`` is IEEE binary32 as the processor does it, which the tests compare with
SoftFloat. ``ordered-saturate`` clamps integers carried in binary64, exact because a register of
at most 52 bits that holds any product keeps every sum before clamping below 2**53.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Float32, Saturate
from systolab.formats.engines.engine import Engine
from systolab.formats.engines.pure_numpy import canonical
from systolab.formats.engines.spec import Operands, Spec, has_specials
from systolab.formats.engines.tables import units64, values32
from systolab.formats.native import available, status
from systolab.formats.native.library import check, library, matrix, rows

__all__ = ["FLOAT32", "SATURATE", "chain", "lacks_library"]

_MAX_BITS = 52


def _lacks_float32(spec: Spec) -> str | None:
    if not isinstance(spec.accumulator, Float32):
        return f"accumulator float32, not {spec.accumulator}"
    return lacks_library()


def _lacks_saturate(spec: Spec) -> str | None:
    if not isinstance(spec.accumulator, Saturate) or spec.accumulator.bits > _MAX_BITS:
        return f"accumulator saturate of at most {_MAX_BITS} bits, not {spec.accumulator}"
    return lacks_library()


def lacks_library() -> str | None:
    """The native library, where there is none."""
    return None if available() else f"the native library ({status()})"


def _run_float32(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    m, k, n = operands.shape
    out = np.empty((m, n), dtype=np.float32)
    a, w = rows(operands.a), rows(operands.w)
    check(
        library().systolab_dot_float32(
            matrix(a),
            values32(spec.fmt_a).ctypes.data,
            matrix(w),
            values32(spec.fmt_w).ctypes.data,
            *(m, k, n, chain(spec)),
            out.ctypes.data,
        )
    )
    # Without specials, NaN still comes from overflow: inf - inf.
    overflows = spec.fmt_a.max * spec.fmt_w.max * max(k, 1) >= 2.0**127
    if overflows or has_specials(spec.fmt_a) or has_specials(spec.fmt_w):
        canonical(out)
    return out


def _run_saturate(spec: Spec, operands: Operands) -> NDArray[np.int64]:
    m, k, n = operands.shape
    sums = np.empty((m, n))
    a, w = rows(operands.a), rows(operands.w)
    limit = 2.0 ** (spec.bits - 1)
    table_a = np.ldexp(units64(spec.fmt_a), spec.shift)
    check(
        library().systolab_dot_saturate(
            matrix(a),
            table_a.ctypes.data,
            matrix(w),
            units64(spec.fmt_w).ctypes.data,
            *(m, k, n, chain(spec)),
            -limit,
            limit - 1,
            sums.ctypes.data,
        )
    )
    library().systolab_wrap_in_place(sums.ctypes.data, sums.size, 0, 0)
    return sums.view(np.int64)


def chain(spec: Spec) -> int:
    """A group length of the same meaning, the cheapest to compute.

    In groups of one, ``acc + (0 + p)`` is ``acc + p`` in every accumulator: one group of K.
    """
    return max(spec.k, 1) if spec.group == 1 else spec.group


FLOAT32 = Engine("ordered-float32", _lacks_float32, _run_float32)
SATURATE = Engine("ordered-saturate", _lacks_saturate, _run_saturate)
