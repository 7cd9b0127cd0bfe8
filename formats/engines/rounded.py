"""Rounding after every operation in a wider carrier, for formats that are a plain rounding.

Products must be exact in the carrier. A sum of two values of precision p, rounded to nearest even
in a carrier of at least 2p + 2 bits and then to p bits, is the sum rounded once (S. A. Figueroa,
"When is double rounding innocuous?", SIGNUM 1995).
"""

from __future__ import annotations

import ctypes
import math

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Float
from systolab.formats.describe.decompose import decompose
from systolab.formats.engines.binary_rounding import BinaryRounding, binary_rounding
from systolab.formats.engines.engine import Engine
from systolab.formats.engines.ordered import chain, lacks_library
from systolab.formats.engines.pure_numpy import canonical
from systolab.formats.engines.spec import Operands, Spec, has_specials
from systolab.formats.engines.tables import values32, values64
from systolab.formats.format import Format
from systolab.formats.native.library import check, library, matrix, rows

__all__ = ["ROUNDED"]

_MIN_ROWS = 256  # w is decoded again for every block of rows
_BLOCK_ELEMENTS = 1 << 17


def _lacks(spec: Spec) -> str | None:
    if not isinstance(spec.accumulator, Float):
        return f"accumulator float:FORMAT, not {spec.accumulator}"
    rounding = _rounding(spec)
    if rounding is None or 2 * (rounding.fraction + 1) + 2 > 53:
        return (
            f"an accumulator that rounds to nearest even binary fractions, not {spec.accumulator}"
        )
    return lacks_library()


def _rounding(spec: Spec) -> BinaryRounding | None:
    """The accumulator's rounding, if it is one for everything that these operands can give."""
    if not isinstance(spec.accumulator, Float):
        return None
    rounding = binary_rounding(spec.accumulator.format)
    if rounding is None:
        return None
    return rounding if rounding.handles_specials or not _has_specials(spec, rounding) else None


def _has_specials(spec: Spec, rounding: BinaryRounding) -> bool:
    return (
        has_specials(spec.fmt_a)
        or has_specials(spec.fmt_w)
        or not math.isfinite(rounding.above)
        or not math.isfinite(rounding.below)
    )


def _fits_binary32(spec: Spec, rounding: BinaryRounding) -> bool:
    """Whether binary32 is a wide enough carrier: twice as fast as binary64, which always is."""
    significand = decompose(spec.fmt_a).sig_bits + decompose(spec.fmt_w).sig_bits
    return (
        2 * (rounding.fraction + 1) + 2 <= 24
        and significand <= 24
        and spec.product_lsb >= -149
        and spec.fmt_a.max * spec.fmt_w.max < 2.0**128
        and rounding.least >= -126
        and rounding.most + 23 - rounding.fraction <= 127
    )


def _run(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    rounding = _rounding(spec)
    if rounding is None:
        raise ValueError("engine run without its precondition")
    m, _, n = operands.shape
    out = np.empty((m, n), dtype=np.float32)
    if _fits_binary32(spec, rounding):
        _accumulate(spec, rounding, operands, out)
    else:
        step = max(_MIN_ROWS, _BLOCK_ELEMENTS // max(n, 1))
        for first in range(0, m, step):
            part = Operands(operands.a[first : first + step], operands.w)
            sums = np.empty((part.a.shape[0], n))
            _accumulate(spec, rounding, part, sums)
            out[first : first + step] = sums
    return canonical(out) if _has_specials(spec, rounding) else out


def _accumulate(
    spec: Spec,
    rounding: BinaryRounding,
    operands: Operands,
    out: NDArray[np.float32] | NDArray[np.float64],
) -> None:
    """Compute in the carrier that ``out`` has."""
    m, k, n = operands.shape
    a, w = rows(operands.a), rows(operands.w)
    narrow = out.itemsize == 4
    compiled = library()
    function = compiled.systolab_dot_round32 if narrow else compiled.systolab_dot_round64
    parameters = rounding.native()
    check(
        function(
            matrix(a),
            _table(spec.fmt_a, narrow),
            matrix(w),
            _table(spec.fmt_w, narrow),
            *(m, k, n, chain(spec)),
            ctypes.byref(parameters),
            out.ctypes.data,
        )
    )


def _table(fmt: Format, narrow: bool) -> int:
    """Address of the table of values; the cache of tables keeps it alive."""
    return int((values32(fmt) if narrow else values64(fmt)).ctypes.data)


ROUNDED = Engine("rounded", _lacks, _run)
