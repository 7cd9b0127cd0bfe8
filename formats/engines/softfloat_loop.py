"""SoftFloat engine: the Float32 accumulator with every operation done by Berkeley SoftFloat."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic import softfloat
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.engines.engine import Engine
from systolab.formats.engines.pure_numpy import canonical
from systolab.formats.engines.spec import Operands, Spec
from systolab.formats.engines.tables import values32
from systolab.formats.native import available
from systolab.formats.native.library import check, library, matrix, rows

__all__ = ["ENGINE"]


def _lacks(spec: Spec) -> str | None:
    """It defines binary32 and nothing else."""
    if not isinstance(spec.accumulator, Float32):
        return f"accumulator float32, not {spec.accumulator}"
    return None


def _run(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    """The accumulator values [M, N]."""
    softfloat.require_near_even()
    if not available():
        return _run_slowly(spec, operands)
    m, k, n = operands.shape
    out = np.empty((m, n), dtype=np.float32)
    a, w = rows(operands.a), rows(operands.w)
    check(
        library().systolab_dot_softfloat(
            ctypes.byref(softfloat.functions()),
            matrix(a),
            values32(spec.fmt_a).ctypes.data,
            matrix(w),
            values32(spec.fmt_w).ctypes.data,
            *(m, k, n, spec.group),
            out.ctypes.data,
        )
    )
    return canonical(out)


def _run_slowly(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    a, w = values32(spec.fmt_a)[operands.a], values32(spec.fmt_w)[operands.w]
    acc = np.zeros((a.shape[0], w.shape[1]), dtype=np.float32)
    for first in range(0, spec.k, spec.group):
        total = np.zeros_like(acc)
        for i in range(first, min(first + spec.group, spec.k)):
            total = softfloat.add(total, softfloat.multiply(a[:, i : i + 1], w[i]))
        acc = softfloat.add(acc, total)
    return canonical(acc)


ENGINE = Engine("softfloat", _lacks, _run)
