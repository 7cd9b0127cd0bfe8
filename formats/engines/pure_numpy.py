"""NumPy engine: every accumulator, straight from its definition, without the native library.

Integer accumulators are integer matrix products; the order-dependent ones are rank-1 updates in
reduction order over blocks of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Exact, Float, Float32, Saturate, Wrap
from systolab.formats.engines.engine import Engine, Result, nothing
from systolab.formats.engines.project import add_projected, project
from systolab.formats.engines.spec import Operands, Spec, units, wrap_integers
from systolab.formats.format import Format

__all__ = ["ENGINE", "canonical", "row_blocks"]

_BLOCK_ELEMENTS = 1 << 17  # of a rank-1 update: small enough to stay in cache


def _run(spec: Spec, operands: Operands) -> Result:
    """The accumulator values [M, N]."""
    match spec.accumulator:
        case Exact():
            return _exact(spec, operands)
        case Wrap(bits=bits):
            return _wrap(spec, operands, bits)
        case Saturate(bits=bits):
            return _saturate(spec, operands, bits)
        case Float32():
            return _float32(spec, operands)
        case Float(format=fmt):
            return _float(spec, operands, fmt)


def _exact(spec: Spec, operands: Operands) -> Result:
    m, _, n = operands.shape
    if not spec.is_int64:
        table_a, table_w = _integer_table(spec.fmt_a), _integer_table(spec.fmt_w)
        wide = np.zeros((m, n), dtype=np.object_)
        if operands.shape[1]:
            np.matmul(table_a[operands.a], table_w[operands.w], out=wide)
        return wide
    out = np.empty((m, n), dtype=np.int64)
    w = _int64_table(spec.fmt_w)[operands.w]
    table = _int64_table(spec.fmt_a)
    for rows in row_blocks(operands):
        np.matmul(table[operands.a[rows]], w, out=out[rows])
    return out


def _wrap(spec: Spec, operands: Operands, bits: int) -> NDArray[np.int64]:
    m, _, n = operands.shape
    out = np.empty((m, n), dtype=np.uint64)
    w = _modular_table(spec.fmt_w)[operands.w]
    table = _modular_table(spec.fmt_a)
    factor = np.uint64((1 << spec.shift) % 2**64)
    for rows in row_blocks(operands):
        np.matmul(table[operands.a[rows]], w, out=out[rows])
    np.multiply(out, factor, out=out)
    return wrap_integers(out, bits)


def _saturate(spec: Spec, operands: Operands, bits: int) -> NDArray[np.int64]:
    # One product fits the register (a condition of Spec), so |s| + |p| < 2**63 throughout.
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    m, k, n = operands.shape
    out = np.zeros((m, n), dtype=np.int64)
    table_a, table_w = _int64_table(spec.fmt_a), _int64_table(spec.fmt_w)
    w = table_w[operands.w]
    for rows in row_blocks(operands):
        a = table_a[operands.a[rows]]
        acc = out[rows]
        product, total = np.empty_like(acc), np.empty_like(acc)
        for first in range(0, k, spec.group):
            total.fill(0)
            for i in range(first, min(first + spec.group, k)):
                np.multiply(a[:, i : i + 1], w[i], out=product)
                np.left_shift(product, spec.shift, out=product)
                np.add(total, product, out=total)
                np.clip(total, low, high, out=total)
            np.add(acc, total, out=acc)
            np.clip(acc, low, high, out=acc)
    return out


def _float32(spec: Spec, operands: Operands) -> NDArray[np.float32]:
    m, k, n = operands.shape
    out = np.zeros((m, n), dtype=np.float32)
    w = spec.fmt_w.values.astype(np.float32)[operands.w]
    table = spec.fmt_a.values.astype(np.float32)
    with np.errstate(all="ignore"):
        for rows in row_blocks(operands):
            a = table[operands.a[rows]]
            acc = out[rows]
            product, total = np.empty_like(acc), np.empty_like(acc)
            for first in range(0, k, spec.group):
                total.fill(0.0)
                for i in range(first, min(first + spec.group, k)):
                    np.multiply(a[:, i : i + 1], w[i], out=product)
                    np.add(total, product, out=total)
                np.add(acc, total, out=acc)
    return canonical(out)


def _float(spec: Spec, operands: Operands, fmt: Format) -> NDArray[np.float32]:
    m, k, n = operands.shape
    out = np.zeros((m, n), dtype=np.float32)
    w = spec.fmt_w.values[operands.w]
    with np.errstate(all="ignore"):
        for rows in row_blocks(operands):
            a = spec.fmt_a.values[operands.a[rows]]
            acc = np.zeros((a.shape[0], n))
            for first in range(0, k, spec.group):
                total = np.zeros_like(acc)
                for i in range(first, min(first + spec.group, k)):
                    total = add_projected(fmt, total, project(fmt, a[:, i : i + 1] * w[i]))
                acc = add_projected(fmt, acc, total)
            out[rows] = acc
    return canonical(out)


def row_blocks(operands: Operands) -> Iterator[slice]:
    """Slices over the M rows, each small enough for a block of the result to stay in cache."""
    m, k, n = operands.shape
    step = max(1, _BLOCK_ELEMENTS // max(n, k, 1))
    for first in range(0, m, step):
        yield slice(first, min(first + step, m))


def canonical(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """``x`` with every NaN replaced, in place, by the canonical one."""
    x[np.isnan(x)] = np.float32(np.nan)
    return x


def _integer_table(fmt: Format) -> NDArray[np.object_]:
    """The values in units of the quantum as Python integers; 0 where a value is not finite."""
    table = np.empty(len(fmt.values), dtype=np.object_)
    table[:] = [int(v) if np.isfinite(v) else 0 for v in units(fmt).tolist()]
    return table


def _int64_table(fmt: Format) -> NDArray[np.int64]:
    """The values in units of the quantum, for a format whose R is below 2**63."""
    return _integer_table(fmt).astype(np.int64)


def _modular_table(fmt: Format) -> NDArray[np.uint64]:
    """The values in units of the quantum modulo 2**64."""
    return np.array([v % 2**64 for v in _integer_table(fmt).tolist()], dtype=np.uint64)


ENGINE = Engine("numpy", nothing, _run)
