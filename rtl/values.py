"""What a kernel computes: the software model of its output codes.

The kernel's loop nest is cast into as few large matrix products as its access patterns allow. An
outer loop that moves neither W nor P only adds rows to the product, one that does not move A only
adds columns, any other is iterated. Gathers follow the access patterns; an inactive lane reads
zero. The order of summation is the machine's (see ``systolab.formats.dot``): the casting leaves it
alone, since all steps of a reduction stay within one product. Block-scaled kernels take one
product a tile (see ``systolab.formats.dot.block_sum``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.codes import Codes
from systolab.formats.dot.block_sum import add_scaled
from systolab.formats.dot.postprocess import postprocess
from systolab.formats.dot.product import DotResult, dot
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.kernel.job import F32, Job
from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel, affine
from systolab.rtl.kernel.modes import Dimension

__all__ = ["KernelValues", "run"]

_Ints = NDArray[np.int64]
_Bools = NDArray[np.bool_]
_Positions = Sequence[int]

_CHUNK = 1 << 22  # elements of the largest temporary operand or result matrix


@dataclass(frozen=True)
class KernelValues:
    """Result of the software model.

    Attributes:
        o_mem: output memory after the kernel, codes.
        engine: name of the engine that computed the dot products.
        acc: accumulators ``[outer iterations, accumulator rows, lanes]`` in units of ``2**lsb``,
            before post-processing; None unless asked for.
        lsb: log2 of the accumulator's unit.
    """

    o_mem: Codes
    engine: str
    acc: NDArray[np.generic] | None
    lsb: int


def run(array: Array, job: Job, engine: str = "auto", keep_acc: bool = False) -> KernelValues:
    """Compute a kernel's output codes.

    Args:
        array: machine configuration; gives formats and accumulator.
        job: the kernel with its memories.
        engine: engine of ``systolab.formats.dot``; "softfloat" has every binary32 step done by
            SoftFloat.
        keep_acc: also return the accumulators.

    Raises:
        SystolabError: the kernel does not fit the array, an active lane leaves its memory, a code
            is too large for its format, or two outputs have the same address.
    """
    job.check(array)
    kernel, scale, bias = job.kernel, job.scale, job.bias
    a_source = np.append(job.a, np.asarray(array.act.zero_code, dtype=job.a.dtype))
    w_source = np.append(job.w, np.asarray(array.weight.zero_code, dtype=job.w.dtype))
    result = job.o.copy()
    written = np.zeros(len(job.o), dtype=np.bool_)
    writes = 0
    acc_pattern = _accumulator_pattern(kernel)
    acc: NDArray[np.generic] | None = None
    # The binary32 steps of an integer accumulator are those of the post-processing alone.
    integer_softfloat = engine == "softfloat" and not isinstance(array.accumulator, Float32)
    dot_engine = "numpy" if integer_softfloat else engine
    engine_used, lsb = "", 0
    low, high = np.float32(job.lo), np.float32(job.hi)
    nest = _Nest(kernel)
    o_grid, acc_grid = (
        _Grid(pattern, nest.o_rows, nest.o_cols) for pattern in (kernel.o, acc_pattern)
    )
    a_grid = _Grid(kernel.a, nest.a_rows, nest.a_cols)
    w_grid = _Grid(kernel.w, nest.w_rows, nest.w_cols)
    factors = job.block_scales
    blocks = None if factors is None else _Blocks(kernel, nest, *factors)
    p_grid = _Grid(kernel.p, (), nest.p_cols)
    (m, k), n = a_grid.shape, w_grid.shape[1]
    for batch in nest.batches():
        o_at, acc_at = o_grid.at(batch), acc_grid.at(batch)
        a_at, w_at, p_at = a_grid.at(batch), w_grid.at(batch), p_grid.at(batch)
        for cols in _chunks(n, k):
            w = _gather("W", w_source, w_at, slice(None), cols)
            p_index = p_at.addresses(slice(None), cols)[0]
            for rows in _chunks(m, max(k, w.codes.shape[1])):
                active = o_at.active(rows, cols)
                needed = np.any(active, axis=0)
                index = np.where(needed, p_index, 0)
                a = _gather("A", a_source, a_at, rows, slice(None))
                if blocks is None:
                    sums = _dot(a, w, array, kernel.group, dot_engine)
                else:
                    a_factors = blocks.of_a(batch, rows, a, np.any(active, axis=1))
                    w_factors = blocks.of_w(batch, cols, w, needed)
                    sums = _block_dot(
                        a, w, a_factors, w_factors, array, dot_engine, integer_softfloat
                    )
                engine_used, lsb = sums.engine, sums.lsb
                y = postprocess(
                    sums, scale[index], bias[index], low, high, softfloat=engine == "softfloat"
                )
                address = o_at.addresses(rows, cols)[active]
                _check_addresses("O", address, len(job.o))
                result[address] = array.out.encode(y)[active]
                written[address] = True
                writes += len(address)
                if keep_acc:
                    if acc is None:
                        acc = np.empty(acc_pattern.vectors * acc_pattern.lanes, sums.acc.dtype)
                    acc[acc_at.addresses(rows, cols)] = sums.acc
    if np.count_nonzero(written) != writes:
        raise SystolabError("Output addresses of a kernel must be distinct, not written twice")
    if acc is not None:
        acc = acc.reshape(-1, kernel.bank_rows, kernel.w.lanes)
    if integer_softfloat:
        engine_used += "+softfloat"
    return KernelValues(result, engine_used, acc, lsb)


class _Nest:
    """Which loops of each stream become rows, columns or batches of matrix products.

    _Positions count a pattern's loops, outermost first, with the lanes as the last.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        outer, reduction = len(kernel.outer), len(kernel.reduction)
        moves_a = _moving(outer, kernel.a, kernel.sa)
        moves_w = _moving(outer, kernel.w, kernel.sw)
        moves_p = _moving(outer, kernel.p)
        m_outer, n_outer, self._iterated = [], [], []
        for i in range(outer):
            if not moves_w[i] and not moves_p[i]:
                m_outer.append(i)
            elif not moves_a[i]:
                n_outer.append(i)
            else:
                self._iterated.append(i)
        rows, reduced = kernel.mode.description.rows, kernel.mode.description.reduced

        def positions(stream: str, kinds: Sequence[Dimension]) -> tuple[int, ...]:
            return tuple(i for kind in kinds for i in kernel.positions(stream, kind))

        self.inner = tuple(range(outer, outer + reduction))
        self.a_rows = (*m_outer, *positions("A", rows))
        self.a_cols = positions("A", reduced)
        self.w_rows = positions("W", reduced)
        self.w_cols = (*n_outer, *positions("W", [Dimension.W_LANES]))
        self.o_rows = (*m_outer, *positions("O", rows))
        self.o_cols = (*n_outer, *positions("O", [Dimension.W_LANES]))
        self.p_cols = (*n_outer, *positions("P", [Dimension.W_LANES]))

    def batches(self) -> Iterator[dict[int, int]]:
        """Index of every iterated outer loop, by its position."""
        lengths = [range(self._kernel.outer[i]) for i in self._iterated]
        for index in itertools.product(*lengths):
            yield dict(zip(self._iterated, index, strict=True))


@dataclass(frozen=True)
class _Terms:
    """An affine function over a matrix: a row term plus a column term."""

    row: _Ints
    col: _Ints
    low: int
    high: int

    @classmethod
    def of(
        cls, lengths: Sequence[int], strides: Sequence[int], rows: _Positions, cols: _Positions
    ) -> _Terms:
        row = affine(0, [lengths[i] for i in rows], [strides[i] for i in rows])
        col = affine(0, [lengths[i] for i in cols], [strides[i] for i in cols])
        return cls(row, col, int(row.min() + col.min()), int(row.max() + col.max()))

    def values(self, offset: int, rows: slice, cols: slice) -> _Ints:
        return (self.row[rows, None] + offset) + self.col[cols]


class _Grid:
    """A pattern over a matrix; positions say which of its loops make the rows and the columns."""

    def __init__(self, pattern: AccessPattern, rows: _Positions, cols: _Positions) -> None:
        self._pattern = pattern
        lengths = (*pattern.lengths, pattern.lanes)
        self._address = _Terms.of(lengths, (*pattern.strides, pattern.lane[1]), rows, cols)
        self._guards = [
            (guard, _Terms.of(lengths, (*guard.strides, guard.lane_stride), rows, cols))
            for guard in pattern.guards
        ]
        self.shape = len(self._address.row), len(self._address.col)

    def at(self, batch: dict[int, int]) -> _Placed:
        """The matrix at given indices of the loops that are neither rows nor columns."""

        def offset(start: int, strides: Sequence[int]) -> int:
            return start + sum(strides[i] * index for i, index in batch.items())

        guards = []
        for guard, terms in self._guards:
            start = offset(guard.offset, guard.strides)
            if start + terms.low < 0 or start + terms.high >= guard.bound:
                guards.append((start, terms, guard.bound))
        base = offset(self._pattern.base, self._pattern.strides)
        return _Placed(self._address, base, tuple(guards))


@dataclass(frozen=True)
class _Placed:
    """Addresses and activity over a matrix; guards that always hold are left out."""

    _address: _Terms
    _base: int
    _guards: tuple[tuple[int, _Terms, int], ...]

    def addresses(self, rows: slice, cols: slice) -> _Ints:
        return self._address.values(self._base, rows, cols)

    def active(self, rows: slice, cols: slice) -> NDArray[np.bool_]:
        shape = len(self._address.row[rows]), len(self._address.col[cols])
        result = np.ones(shape, dtype=np.bool_)
        for offset, terms, bound in self._guards:
            value = terms.values(offset, rows, cols)
            result &= (value >= 0) & (value < bound)
        return result

    @property
    def always_active(self) -> bool:
        return not self._guards


@dataclass(frozen=True)
class _Operand:
    """Matrix of codes, zero where inactive; ``active`` is None if every element is active."""

    codes: Codes
    active: NDArray[np.bool_] | None


def _gather(name: str, source: Codes, grid: _Placed, rows: slice, cols: slice) -> _Operand:
    """Codes of a grid; the last code of ``source`` stands for inactive lanes."""
    address = grid.addresses(rows, cols)
    size = len(source) - 1
    if grid.always_active:
        _check_addresses(name, address, size)
        return _Operand(source[address], None)
    active = grid.active(rows, cols)
    return _Operand(source[_checked(name, address, active, size, size)], active)


def _dot(a: _Operand, w: _Operand, array: Array, group: int, engine: str) -> DotResult:
    """The matrix product, to which an inactive lane adds nothing even against NaN or infinity."""

    def product(a_codes: Codes, w_codes: Codes) -> DotResult:
        return dot(
            a_codes, w_codes, array.act, array.weight, array.accumulator, group, engine=engine
        )

    a_patterns = _conflicts(a, w.codes.T, array.weight)
    w_patterns = _conflicts(_transposed(w), a.codes, array.act)
    result = product(a.codes, w.codes)
    for a_idle, rows in a_patterns:
        for w_idle, cols in w_patterns:
            if not a_idle.any() and not w_idle.any():
                continue
            a_codes, w_codes = a.codes[rows], w.codes[:, cols]
            a_codes[:, w_idle] = array.act.zero_code
            w_codes[a_idle] = array.weight.zero_code
            result.acc[np.ix_(rows, cols)] = product(a_codes, w_codes).acc
    return result


class _Blocks:
    """Block scales over the matrix products of a kernel.

    A scale beside the memory is an error where an output depends on it, and zero elsewhere.
    """

    def __init__(self, kernel: Kernel, nest: _Nest, a_scale: F32, w_scale: F32) -> None:
        assert kernel.sa is not None
        assert kernel.sw is not None
        self._a, self._w = np.append(a_scale, np.float32(0)), np.append(w_scale, np.float32(0))
        self._a_grid = _Grid(kernel.sa, nest.a_rows, nest.a_cols)
        n_lane = len(kernel.sw.loops)
        self._w_grid = _Grid(kernel.sw, nest.inner, (*nest.w_cols[:-1], n_lane))

    def of_a(self, batch: dict[int, int], rows: slice, a: _Operand, written: _Bools) -> F32:
        """Scales ``[rows, tiles]`` of operand ``a``, of whose rows some are ``written``."""
        address = self._a_grid.at(batch).addresses(rows, slice(None))
        needed = np.broadcast_to(written[:, None], address.shape)
        if a.active is not None:
            needed = needed & a.active.reshape(*address.shape, -1).any(axis=2)
        return _look_up("SA", self._a, address, needed)

    def of_w(self, batch: dict[int, int], cols: slice, w: _Operand, written: _Bools) -> F32:
        """Scales ``[tiles, columns]`` of operand ``w``, of whose columns some are ``written``."""
        address = self._w_grid.at(batch).addresses(slice(None), cols)
        needed = np.broadcast_to(written, address.shape)
        if w.active is not None:
            needed = needed & w.active.reshape(len(address), -1, address.shape[1]).any(axis=1)
        return _look_up("SW", self._w, address, needed)


def _look_up(name: str, source: F32, address: _Ints, needed: _Bools) -> F32:
    """Elements of a source whose last one stands for what is beside the others."""
    size = len(source) - 1
    inside = (address >= 0) & (address < size)
    return source[_checked(name, address, needed | inside, size, size)]


def _block_dot(
    a: _Operand, w: _Operand, a_scale: F32, w_scale: F32, array: Array, engine: str, softfloat: bool
) -> DotResult:
    """The matrix product of block-scaled operands, tile by tile.

    Args:
        a: matrix ``[rows, reduction]``.
        w: matrix ``[reduction, columns]``.
        a_scale: scales ``[rows, tiles]``.
        w_scale: scales ``[tiles, columns]``.
        array: machine configuration.
        engine: engine of the exact sums.
        softfloat: whether SoftFloat does the binary32 steps.
    """
    tiles = len(w_scale)
    length = a.codes.shape[1] // tiles
    acc = np.zeros((len(a.codes), w.codes.shape[1]), np.float32)
    for tile in range(tiles):
        steps = slice(tile * length, (tile + 1) * length)
        a_part = _Operand(a.codes[:, steps], None if a.active is None else a.active[:, steps])
        w_part = _Operand(w.codes[steps], None if w.active is None else w.active[steps])
        sums = _dot(a_part, w_part, array, length, engine)
        acc = add_scaled(acc, sums, a_scale[:, tile], w_scale[tile], softfloat)
    return DotResult(acc, 0, sums.engine)


def _transposed(operand: _Operand) -> _Operand:
    return _Operand(operand.codes.T, None if operand.active is None else operand.active.T)


def _conflicts(
    operand: _Operand, other: Codes, other_format: Format
) -> list[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Rows of an operand grouped by where they are inactive while the other one is not finite.

    Args:
        operand: matrix ``[rows, reduction]``.
        other: codes of the other operand, ``[columns, reduction]``.
        other_format: their format.

    Returns:
        For each group the inactive places that matter, ``[reduction]``, and its rows.
    """
    rows, length = operand.codes.shape
    nowhere = [(np.zeros(length, dtype=np.bool_), np.arange(rows))]
    special = ~np.isfinite(other_format.values)
    if operand.active is None or not special.any():
        return nowhere
    idle = ~operand.active & np.any(special[other], axis=0)
    if not idle.any():
        return nowhere
    patterns, group = np.unique(idle, axis=0, return_inverse=True)
    return [(pattern, np.nonzero(group == i)[0]) for i, pattern in enumerate(patterns)]


def _checked(
    name: str, address: _Ints, active: NDArray[np.bool_], size: int, inactive: int
) -> _Ints:
    """Addresses with ``inactive`` in place of the inactive ones, the others checked."""
    # The substitute of a checked address must itself pass the check.
    _check_addresses(name, address[active], size)
    return np.where(active, address, inactive)


def _check_addresses(name: str, address: _Ints, size: int) -> None:
    if address.size == 0:
        return
    low, high = int(address.min()), int(address.max())
    if low < 0 or high >= size:
        raise SystolabError(
            f"Active lanes of stream {name} must stay within addresses 0 to {size - 1}, "
            f"not reach {low if low < 0 else high}"
        )


def _moving(outer: int, *patterns: AccessPattern | None) -> list[bool]:
    """Whether each outer loop changes any of the patterns' addresses or activity."""
    return [
        any(
            pattern.loops[i][0] > 1
            and (pattern.loops[i][1] != 0 or any(guard.strides[i] != 0 for guard in pattern.guards))
            for pattern in patterns
            if pattern is not None
        )
        for i in range(outer)
    ]


def _accumulator_pattern(kernel: Kernel) -> AccessPattern:
    """Pattern of O's loops over a dense array ``[outer iterations, accumulator rows, lanes]``."""
    loops = []
    stride = kernel.w.lanes
    for length in reversed(kernel.o.lengths):
        loops.append((length, stride))
        stride *= length
    return AccessPattern(0, tuple(reversed(loops)), (kernel.w.lanes, 1))


def _chunks(total: int, width: int) -> Iterator[slice]:
    """Cut ``total`` rows of ``width`` elements into pieces of bounded size."""
    step = max(1, _CHUNK // max(width, 1))
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))
