"""What the hardware's signals must show for one case, from the kernel and the tables alone.

Sequences in the order of the hardware: lines requested, operand vectors, column sums, accumulators.
Meant for minimised cases: everything is computed one number at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import Case
from systolab.cosim.check.binary32 import canonical_bits
from systolab.formats.arithmetic import softfloat as sf
from systolab.formats.codes import Codes
from systolab.formats.dot.postprocess import to_binary32
from systolab.formats.engines.spec import units
from systolab.formats.format import Format
from systolab.rtl.hardware.parameters import operand_width, specialise
from systolab.rtl.kernel.kernel import AccessPattern, Array
from systolab.rtl.kernel.modes import Dimension

__all__ = ["Arithmetic", "Expected", "Sum", "add32", "multiply32", "scaled32"]

_MINUS_ZERO = 0x80000000


class Arithmetic:
    """The accumulator's operations on numbers (integers, or the bits of binary32 values)."""

    def __init__(self, array: Array) -> None:
        """Take formats and accumulator from ``array``."""
        self.array = array
        self.parameters = specialise(array)

    def product(self, a: int | None, w: int | None) -> int:
        """Product of two codes; None is an inactive lane."""
        if a is None or w is None:
            return 0
        array, p = self.array, self.parameters
        if p.float32:
            x, y = (_one(fmt, code) for fmt, code in ((array.act, a), (array.weight, w)))
            return _bits(sf.multiply(x, y))
        x_units, y_units = units(array.act)[a], units(array.weight)[w]
        if not (math.isfinite(x_units) and math.isfinite(y_units)):
            return 0
        return int(x_units) * int(y_units) << p.product_shift

    def step(self, a: int, w: int, addend: int) -> int:
        """Sum of a multiply-add of systolab_mac, from its operands' words.

        An operand has its active flag above its code, or above its binary32.
        """
        p, array = self.parameters, self.array
        act_flag, weight_flag = (
            operand_width(fmt, p, weight) - 1
            for fmt, weight in ((array.act, False), (array.weight, True))
        )
        if not (a >> act_flag and w >> weight_flag):
            return addend
        a, w = a & ((1 << act_flag) - 1), w & ((1 << weight_flag) - 1)
        product = self.product(a, w) if p.own_pe else multiply32(a, w)
        return self.add(addend, product)

    def add(self, x: int, y: int) -> int:
        """Sum at the accumulator's width."""
        p = self.parameters
        if p.float32:
            return add32(x, y)
        half = 1 << (p.acc_bits - 1)
        if p.saturate:
            return min(max(x + y, -half), half - 1)
        return (x + y + half) % (2 * half) - half

    def binary32(self, total: int) -> int:
        """Bits of a sum as a binary32."""
        p = self.parameters
        if p.float32:
            return total
        numbers = np.array([total], dtype=object if p.acc_bits > 63 else np.int64)
        return int(to_binary32(numbers, p.acc_lsb, softfloat=True).view(np.uint32)[0])


def multiply32(x: int, y: int) -> int:
    """Product of two binary32 values, all given by their bits."""
    return _bits(sf.multiply(_float(x), _float(y)))


def add32(x: int, y: int) -> int:
    """Sum of two binary32 values, all given by their bits."""
    return _bits(sf.add(_float(x), _float(y)))


def scaled32(sum_: int, factor: int) -> int:
    """Bits of a column sum (a binary32) times its scale: +0 where the sum is zero."""
    return multiply32(sum_, factor) if sum_ << 1 & 0xFFFFFFFF else 0


def _one(fmt: Format, code: int) -> NDArray[np.float32]:
    return fmt.values[code : code + 1].astype(np.float32)


def _float(bits: int) -> NDArray[np.float32]:
    return np.array([bits], np.uint32).view(np.float32)


def _bits(x: NDArray[np.float32]) -> int:
    return int(canonical_bits(x)[0])


@dataclass(frozen=True)
class Sum:
    """What one column sum is made of.

    Attributes:
        outer: outer iteration.
        tile: reduction tile, 0 where the processing elements keep their sums.
        row: accumulator row.
        value: the sum as it leaves the column's processing elements.
        addend: what enters the accumulator: ``value``, block-scaled the bits of a binary32.
        total: the accumulator after it.
        terms: (reduction step, PE row, product) of every nonzero product in it.
        scales: bits of the scales of A's and W's block.
    """

    outer: int
    tile: int
    row: int
    value: int
    addend: int
    total: int
    terms: tuple[tuple[int, int, int], ...]
    scales: tuple[int, int] | None = None


class Expected:
    """Expected sequences of one case."""

    def __init__(self, case: Case, array: Array) -> None:
        """Prepare ``case`` on ``array``."""
        self.case = case
        self.array = array
        self.kernel = case.kernel
        self.sums_lanes = case.kernel.mode.description.sums_lanes
        self.arithmetic = Arithmetic(array)
        self.outer = math.prod(case.kernel.outer)
        self.tiles = math.prod(case.kernel.reduction)

    @cached_property
    def a_vectors(self) -> list[list[int | None]]:
        """Codes of every A vector by lane; None where inactive."""
        return _vectors(self.kernel.a, self.case.a)

    @cached_property
    def w_vectors(self) -> list[list[int | None]]:
        """Codes of every W vector by lane."""
        return _vectors(self.kernel.w, self.case.w)

    def a_lines(self) -> list[int]:
        """Lines of A in the order in which they are requested."""
        return self._lines(self.kernel.a, self._tile)

    def w_lines(self) -> list[int]:
        """Lines of W in the order in which they are requested."""
        return self._lines(self.kernel.w, self._tile)

    def o_lines(self) -> list[int]:
        """Lines of O in the order in which they are written."""
        return self._lines(self.kernel.o, (Dimension.OUTER,))

    def parameters(self) -> list[int]:
        """Indices of scale and bias in the order in which they are requested."""
        return [int(x) for x in self.kernel.p.addresses().reshape(-1)]

    @property
    def _tile(self) -> tuple[Dimension, ...]:
        return self.kernel.mode.description.tile

    def _lines(self, pattern: AccessPattern, tile: tuple[Dimension, ...]) -> list[int]:
        vectors = _vectors(pattern, None)
        size = len(vectors) // math.prod(n for kind in tile for n in self.kernel.lengths(kind))
        found: list[int] = []
        for begin in range(0, len(vectors), size):
            held: int | None = None
            for vector in vectors[begin : begin + size]:
                new: list[int] = []
                for address in vector:
                    line = None if address is None else address // self.array.line
                    if line is not None and line != held and line not in new:
                        new.append(line)
                found += new
                held = new[-1] if new else held
        return found

    def sums(self, column: int) -> list[Sum]:
        """Column sums of one column, by outer iteration, tile and row."""
        return self._lane_sums(column) if self.sums_lanes else self._element_sums(column)

    def _lane_sums(self, column: int) -> list[Sum]:
        arithmetic, lanes, rows = self.arithmetic, self.kernel.a.lanes, self.kernel.bank_rows
        result = []
        for outer in range(self.outer):
            totals = [0] * rows
            for tile in range(self.tiles):
                index = outer * self.tiles + tile
                for row in range(rows):
                    a = self.a_vectors[index * rows + row]
                    value, terms = 0, []
                    for lane in range(lanes):
                        w = self.w_vectors[index * lanes + lane][column]
                        product = arithmetic.product(a[lane], w)
                        value = arithmetic.add(value, product)
                        if product:
                            terms.append((tile * lanes + lane, lane, product))
                    scales = self._scales(index, row, column)
                    if scales is None:
                        addend = value
                        total = value if tile == 0 else arithmetic.add(totals[row], value)
                    else:
                        addend = scaled32(arithmetic.binary32(value), multiply32(*scales))
                        addend = 0 if addend == _MINUS_ZERO else addend
                        total = addend if tile == 0 else add32(totals[row], addend)
                    totals[row] = total
                    result.append(Sum(outer, tile, row, value, addend, total, tuple(terms), scales))
        return result

    def _scales(self, tile: int, row: int, column: int) -> tuple[int, int] | None:
        """Bits of the block scales of one column sum; None without block scales."""
        case = self.case
        if case.a_scale is None or case.w_scale is None:
            return None
        a = case.a_scale.view(np.uint32)[self._a_scales[tile * self.kernel.bank_rows + row]]
        return int(a), int(case.w_scale.view(np.uint32)[self._w_scales[tile, column]])

    @cached_property
    def _a_scales(self) -> NDArray[np.int64]:
        """Index of the scale of every A vector."""
        assert self.kernel.sa is not None
        return self.kernel.sa.addresses()[:, 0]

    @cached_property
    def _w_scales(self) -> NDArray[np.int64]:
        """Index of the scale of every column of every tile."""
        assert self.kernel.sw is not None
        return self.kernel.sw.addresses()

    def scale_requests(self) -> dict[str, list[int]]:
        """Indices in the order in which streams SA and SW request them, by stream."""
        if not self.kernel.block_scaled:
            return {}
        return {"sa": self._a_scales.tolist(), "sw": self._w_scales.reshape(-1).tolist()}

    def _element_sums(self, column: int) -> list[Sum]:
        arithmetic = self.arithmetic
        result = []
        for outer in range(self.outer):
            for row in range(self.kernel.a.lanes):
                value, terms = 0, []
                for step in range(self.tiles):
                    index = outer * self.tiles + step
                    a, w = self.a_vectors[index][row], self.w_vectors[index][column]
                    product = arithmetic.product(a, w)
                    value = arithmetic.add(value, product)
                    if product:
                        terms.append((step, row, product))
                result.append(Sum(outer, 0, row, value, value, value, tuple(terms)))
        return result

    def output_element(self, address: int) -> tuple[int, int, int] | None:
        """Outer iteration, accumulator row and column that write an address; None if none does."""
        return self._element(self.kernel.o.active(), address)

    def inactive_element(self, address: int) -> tuple[int, int, int] | None:
        """Those that have an address but, for their guards, do not write it; None if none has."""
        return self._element(~self.kernel.o.active(), address)

    def _element(self, lanes: NDArray[np.bool_], address: int) -> tuple[int, int, int] | None:
        found = np.argwhere(lanes & (self.kernel.o.addresses() == address))
        if not len(found):
            return None
        vector, column = found[0].tolist()
        outer, row = divmod(vector, self.kernel.bank_rows)
        return outer, row, column

    def writes(self) -> list[tuple[int, int]]:
        """Lines of O in the order in which they are written, each with the mask of its codes."""
        size, line = self.kernel.bank_rows, self.array.line
        vectors = _vectors(self.kernel.o, None)
        found: list[tuple[int, int]] = []
        for begin in range(0, len(vectors), size):
            masks: dict[int, int] = {}  # of the lines not sent yet: the held one, then new ones
            for vector in vectors[begin : begin + size]:
                for address in vector:
                    if address is not None:
                        masks[address // line] = masks.get(address // line, 0) | 1 << address % line
                last = next(reversed(masks), None)
                found += [(number, mask) for number, mask in masks.items() if number != last]
                masks = {} if last is None else {last: masks[last]}
            found += masks.items()
        return found


def _vectors(pattern: AccessPattern, memory: Codes | None) -> list[list[int | None]]:
    """Codes (or addresses, without a memory) of every vector by lane; None where inactive."""
    addresses, active = pattern.addresses(), pattern.active()
    safe = np.where(active, addresses, 0)
    values = safe if memory is None else memory[safe]
    return [
        [int(value) if on else None for value, on in zip(row, mask, strict=True)]
        for row, mask in zip(values.tolist(), active.tolist(), strict=True)
    ]
