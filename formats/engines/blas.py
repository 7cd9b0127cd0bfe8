"""BLAS engines: floating-point matrix products whose every step is proved to be exact.

Let every finite value of a format be an integer of magnitude at most R, in units of its quantum.
If ``K * R_a * R_w <= 2**53``, all partial sums of products, in any order and association, fused
or not, are integers that binary64 represents: no operation of any matrix-product kernel rounds,
and the result is the exact sum. The same with ``2**24`` holds for binary32.

Where the bound is exceeded, the integers are split into limbs until it holds for each pair of
limbs, and the products of the pairs are added as integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Wrap
from systolab.formats.engines.decode import Real, decode
from systolab.formats.engines.engine import Engine, Result
from systolab.formats.engines.spec import (
    BINARY32_INTEGERS,
    BINARY64_INTEGERS,
    Operands,
    Spec,
    wrap_integers,
)
from systolab.formats.engines.tables import limb_width, limbs, units32, units64
from systolab.formats.engines.workspace import scratch
from systolab.formats.format import Format
from systolab.formats.native import available
from systolab.formats.native.library import library

__all__ = ["BLAS32", "BLAS64", "LIMBS"]

# Decoded blocks: rows enough for the kernel to be fast, few enough to stay in the second-level
# cache; columns as many as fit, so that a is decoded once, within the memory of the operands.
_A_BYTES = 2 << 20
_MIN_ROWS = 64
_W_BYTES = 4 << 20
_MIN_COLUMNS = 128


def _lacks_order_freedom(spec: Spec) -> str | None:
    if spec.is_order_free:
        return None
    return f"an accumulator that never rounds or saturates, not {spec.accumulator} at K={spec.k}"


def _bound_text(spec: Spec, limit: str) -> str:
    return f"K * R_a * R_w at most {limit}, not {spec.k} * {spec.fmt_a.ratio} * {spec.fmt_w.ratio}"


def _lacks32(spec: Spec) -> str | None:
    if spec.sum_bound > BINARY32_INTEGERS:
        return _bound_text(spec, "2^24")
    return _lacks_order_freedom(spec)


def _lacks64(spec: Spec) -> str | None:
    if not spec.is_integer:
        return f"an integer accumulator, not {spec.accumulator}"
    if spec.sum_bound > BINARY64_INTEGERS:
        return _bound_text(spec, "2^53")
    return _lacks_order_freedom(spec)


def _lacks_limbs(spec: Spec) -> str | None:
    if not spec.is_integer:
        return f"an integer accumulator, not {spec.accumulator}"
    return _lacks_order_freedom(spec)


def _run32(spec: Spec, operands: Operands) -> Result:
    m, _, n = operands.shape
    sums = np.empty((m, n), dtype=np.float32)
    _multiply(operands, units32(spec.fmt_a), units32(spec.fmt_w), sums)
    if spec.is_integer:
        return _finish(spec, sums.astype(np.int64))
    np.ldexp(sums, spec.product_lsb, out=sums)
    sums += np.float32(0.0)  # -0, where BLAS starts with a product, becomes +0
    return sums


def _run64(spec: Spec, operands: Operands) -> Result:
    m, _, n = operands.shape
    table_a, table_w = units64(spec.fmt_a), units64(spec.fmt_w)
    sums = np.empty((m, n))
    _multiply(operands, table_a, table_w, sums)
    return _integers(spec, sums)


def _run_limbs(spec: Spec, operands: Operands) -> Result:
    count_a, count_w = _limb_counts(spec.fmt_a, spec.fmt_w, max(spec.k, 1))
    limbs_a = _used(limbs(spec.fmt_a, count_a), operands.a)
    limbs_w = _used(limbs(spec.fmt_w, count_w), operands.w)
    m, k, n = operands.shape
    wide = np.zeros((0, 0) if spec.is_int64 else (m, n), dtype=np.object_)
    modular = np.zeros((m, n) if spec.is_int64 else (0, 0), dtype=np.uint64)
    for columns in _column_blocks(operands, 8 * max(1, len(limbs_w))):
        width = columns.stop - columns.start
        w = np.empty((len(limbs_w), k, width))
        for i, (_, table) in enumerate(limbs_w):
            decode(operands.w[:, columns], table, w[i])
        for rows in _row_blocks(operands, 8):
            a = np.empty((rows.stop - rows.start, k))
            for shift_a, table in limbs_a:
                decode(operands.a[rows], table, a)
                for i, (shift_w, _) in enumerate(limbs_w):
                    part = (a @ w[i]).astype(np.int64)
                    shift = shift_a + shift_w
                    if not spec.is_int64:
                        wide[rows, columns] += part.astype(np.object_) << shift
                    elif shift < 64:
                        modular[rows, columns] += part.view(np.uint64) << np.uint64(shift)
    return _finish(spec, modular.view(np.int64)) if spec.is_int64 else wide


@lru_cache(maxsize=256)
def _limb_counts(fmt_a: Format, fmt_w: Format, k: int) -> tuple[int, int]:
    """The fewest limbs of a and w with which every pair's matrix product is exact."""
    best: tuple[int, int] | None = None
    for count_a in range(1, fmt_a.ratio.bit_length() + 1):
        for count_w in range(1, fmt_w.ratio.bit_length() + 1):
            if best is not None and count_a * count_w >= best[0] * best[1]:
                break
            if k * _limb_bound(fmt_a, count_a) * _limb_bound(fmt_w, count_w) <= BINARY64_INTEGERS:
                best = count_a, count_w
    if best is None:
        raise OverflowError(f"a reduction of {k} terms is beyond binary64 even bit by bit")
    return best


def _limb_bound(fmt: Format, count: int) -> int:
    return fmt.ratio if count == 1 else 2 ** limb_width(fmt, count) - 1


def _used(
    parts: tuple[tuple[int, NDArray[np.float64]], ...], codes: NDArray[np.unsignedinteger]
) -> list[tuple[int, NDArray[np.float64]]]:
    """The limbs that are not zero for every code that occurs."""
    present = np.zeros(256 if codes.itemsize == 1 else 65536, dtype=np.bool_)
    present[codes] = True
    return [(shift, table) for shift, table in parts if table[present].any()]


def _multiply(
    operands: Operands, table_a: NDArray[Real], table_w: NDArray[Real], out: NDArray[Real]
) -> None:
    """``out = table_a[a] @ table_w[w]``, a block at a time."""
    k = operands.shape[1]
    item = out.itemsize
    for columns in _column_blocks(operands, item):
        w = scratch("w", (k, columns.stop - columns.start), out)
        decode(operands.w[:, columns], table_w, w)
        for rows in _row_blocks(operands, item):
            a = scratch("a", (rows.stop - rows.start, k), out)
            decode(operands.a[rows], table_a, a)
            np.matmul(a, w, out=out[rows, columns])


def _column_blocks(operands: Operands, item: int) -> Iterator[slice]:
    _, k, n = operands.shape
    budget = max(_W_BYTES, operands.a.nbytes + operands.w.nbytes)
    width = max(_MIN_COLUMNS, budget // (item * max(k, 1)))
    for first in range(0, n, width):
        yield slice(first, min(first + width, n))


def _row_blocks(operands: Operands, item: int) -> Iterator[slice]:
    m, k, _ = operands.shape
    height = max(_MIN_ROWS, _A_BYTES // (item * max(k, 1)))
    for first in range(0, m, height):
        yield slice(first, min(first + height, m))


def _integers(spec: Spec, sums: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exact integers in binary64, given up, as the accumulator holds them."""
    up, down = _shifts(spec)
    if not available() or up >= 64:
        return _finish(spec, sums.astype(np.int64))
    library().systolab_wrap_in_place(sums.ctypes.data, sums.size, up, down)
    return sums.view(np.int64)


def _shifts(spec: Spec) -> tuple[int, int]:
    """Left, then arithmetic right: to the accumulator's unit and, if it wraps, its range."""
    unused = 64 - spec.accumulator.bits if isinstance(spec.accumulator, Wrap) else 0
    return unused + spec.shift, unused


def _finish(spec: Spec, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums modulo 2**64, given up, as the accumulator holds them."""
    modular = sums.view(np.uint64)
    if spec.shift:
        modular *= np.uint64((1 << spec.shift) % 2**64)
    if isinstance(spec.accumulator, Wrap):
        return wrap_integers(modular, spec.accumulator.bits)
    return sums


BLAS32 = Engine("blas32", _lacks32, _run32)
BLAS64 = Engine("blas64", _lacks64, _run64)
LIMBS = Engine("blas64-limbs", _lacks_limbs, _run_limbs)
