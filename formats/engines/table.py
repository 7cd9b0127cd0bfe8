"""Table engine: rounding after every operation for any formats of at most 8 bits.

Both operations are tables of codes, made from the formats' own projection: the product of two
operands as a code of the accumulator, and the sum of two accumulator codes as such a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Float
from systolab.formats.engines.decode import decode
from systolab.formats.engines.engine import Engine
from systolab.formats.engines.ordered import chain
from systolab.formats.engines.pure_numpy import canonical, row_blocks
from systolab.formats.engines.spec import Operands, Spec
from systolab.formats.engines.tables import values32
from systolab.formats.format import Format
from systolab.formats.native import available
from systolab.formats.native.library import check, library, matrix, rows
from systolab.formats.projection.odd import add_odd

__all__ = ["TABLE"]

_MAX_BITS = 8
_SIZE = 256


@dataclass(frozen=True, eq=False)
class _OperationTables:
    """Codes [256, 256]: ``product[a, w]`` and ``sum[s, p]``; ``zero`` is the code of +0."""

    product: NDArray[np.uint8]
    sum: NDArray[np.uint8]
    zero: int


@lru_cache(maxsize=16)
def _operation_tables(fmt_a: Format, fmt_w: Format, fmt: Format) -> _OperationTables:
    """The two tables for operands of ``fmt_a`` and ``fmt_w`` and an accumulator of ``fmt``."""
    with np.errstate(all="ignore"):
        products = fmt_a.values[:, None] * fmt_w.values  # exact: 24 bits times 24 bits
        sums = add_odd(*np.broadcast_arrays(fmt.values[:, None], fmt.values))
    return _OperationTables(_codes(fmt, products), _codes(fmt, sums), fmt.zero_code)


def _codes(fmt: Format, x: NDArray[np.float64]) -> NDArray[np.uint8]:
    codes = fmt.encode(x)
    codes[fmt.values[codes] == 0] = fmt.zero_code
    full = np.zeros((_SIZE, _SIZE), dtype=np.uint8)
    full[: x.shape[0], : x.shape[1]] = codes
    return full


def _lacks(spec: Spec) -> str | None:
    if not isinstance(spec.accumulator, Float):
        return f"accumulator float:FORMAT, not {spec.accumulator}"
    for fmt in (spec.fmt_a, spec.fmt_w, spec.accumulator.format):
        if fmt.bits > _MAX_BITS:
            return f"formats of at most {_MAX_BITS} bits, not {fmt.name}"
    return None


def _run(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    if not isinstance(spec.accumulator, Float):
        raise ValueError("engine run without its precondition")
    fmt = spec.accumulator.format
    tables = _operation_tables(spec.fmt_a, spec.fmt_w, fmt)
    m, k, n = operands.shape
    codes = np.empty((m, n), dtype=np.uint8)
    if available():
        a, w = rows(operands.a), rows(operands.w)
        check(
            library().systolab_dot_table(
                matrix(a),
                matrix(w),
                *(m, k, n, chain(spec)),
                tables.product.ctypes.data,
                tables.sum.ctypes.data,
                tables.zero,
                codes.ctypes.data,
            )
        )
    else:
        _run_in_numpy(spec, operands, tables, codes)
    out = np.empty((m, n), dtype=np.float32)
    decode(codes, values32(fmt), out)
    out += np.float32(0.0)
    return canonical(out)


def _run_in_numpy(
    spec: Spec, operands: Operands, tables: _OperationTables, out: NDArray[np.uint8]
) -> None:
    product, total_of = tables.product.reshape(-1), tables.sum.reshape(-1)
    w = operands.w.astype(np.uint16)
    for block in row_blocks(operands):
        a = operands.a[block].astype(np.uint16) << 8
        acc = np.full(out[block].shape, tables.zero, dtype=np.uint8)
        for first in range(0, spec.k, chain(spec)):
            total = np.full_like(acc, tables.zero)
            for i in range(first, min(first + chain(spec), spec.k)):
                p = product[a[:, i : i + 1] | w[i]]
                total = total_of[(total.astype(np.uint16) << 8) | p]
            acc = total_of[(acc.astype(np.uint16) << 8) | total]
        out[block] = acc


TABLE = Engine("table", _lacks, _run)
