"""What a dot product computes, and the bounds that follow from the formats' tables.

An engine may run only where its precondition follows from a ``Spec``; nothing here looks at data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import (
    Accumulator,
    Exact,
    Float,
    Float32,
    Saturate,
    Wrap,
)
from systolab.formats.codes import Codes
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format

__all__ = [
    "BINARY32_INTEGERS",
    "BINARY64_INTEGERS",
    "Operands",
    "Spec",
    "has_specials",
    "units",
    "wrap_integers",
]

BINARY64_INTEGERS = 2**53  # every integer up to this magnitude is a binary64
BINARY32_INTEGERS = 2**24


def _quantum_exponent(fmt: Format) -> int:
    """log2 of the format's quantum."""
    return math.frexp(fmt.quantum)[1] - 1


def units(fmt: Format) -> NDArray[np.float64]:
    """The values in units of the quantum: integers (exact in binary64), NaN and infinities."""
    with np.errstate(over="ignore"):
        return np.ldexp(fmt.values, -_quantum_exponent(fmt))


@lru_cache(maxsize=64)
def has_specials(fmt: Format) -> bool:
    """Whether some code means NaN or an infinity."""
    return not bool(np.isfinite(fmt.values).all())


@dataclass(frozen=True)
class Spec:
    """A dot product of K terms in groups of ``group``; all bounds are in integers.

    Raises:
        SystolabError: the group is empty, or the accumulator does not fit the formats.
    """

    fmt_a: Format
    fmt_w: Format
    accumulator: Accumulator
    k: int
    group: int

    def __post_init__(self) -> None:
        if self.group < 1:
            raise SystolabError(f"Group must be at least 1, not {self.group}")
        if isinstance(self.accumulator, Float):
            self.accumulator.format.encoder()  # refuses a rounding that is not a function
        if isinstance(self.accumulator, Wrap | Saturate) and self.lsb > self.product_lsb:
            raise SystolabError(
                f"Accumulator {self.accumulator} must have an lsb of at most {self.product_lsb} "
                f"(the product of {self.fmt_a.name} and {self.fmt_w.name}), not {self.lsb}"
            )
        if isinstance(self.accumulator, Saturate):
            need = (self.product_bound << self.shift).bit_length() + 1
            if need > self.accumulator.bits:
                raise SystolabError(
                    f"Accumulator {self.accumulator} must be at least {need} bits wide to hold one "
                    f"product of {self.fmt_a.name} and {self.fmt_w.name}, "
                    f"not {self.accumulator.bits}"
                )

    @cached_property
    def product_lsb(self) -> int:
        """log2 of the unit of a product."""
        return _quantum_exponent(self.fmt_a) + _quantum_exponent(self.fmt_w)

    @cached_property
    def lsb(self) -> int:
        """log2 of the unit of an integer accumulator; 0 for the floating-point ones."""
        match self.accumulator:
            case Exact():
                return self.product_lsb
            case Wrap(lsb=lsb) | Saturate(lsb=lsb):
                return self.product_lsb if lsb is None else lsb
            case Float32() | Float():
                return 0

    @property
    def bits(self) -> int:
        """Width of a Wrap or Saturate register; of an Exact one, what this sum needs."""
        match self.accumulator:
            case Wrap(bits=bits) | Saturate(bits=bits):
                return bits
            case Exact():
                return self.sum_bound.bit_length() + 1
            case Float32() | Float():
                raise ValueError(f"{self.accumulator} is not an integer register")

    @property
    def shift(self) -> int:
        """How far a product is shifted left to the unit of an integer accumulator."""
        return self.product_lsb - self.lsb

    @cached_property
    def product_bound(self) -> int:
        """Largest magnitude of one product, in products of quanta (``R_a * R_w``)."""
        return self.fmt_a.ratio * self.fmt_w.ratio

    @property
    def sum_bound(self) -> int:
        """Largest magnitude of any partial sum in any order, in products of quanta."""
        return max(self.k, 1) * self.product_bound

    @property
    def is_integer(self) -> bool:
        """Whether the accumulator is an integer register."""
        return isinstance(self.accumulator, Exact | Wrap | Saturate)

    @property
    def is_order_free(self) -> bool:
        """Whether the result is a function of the exact sum alone, proved from the tables."""
        match self.accumulator:
            case Exact() | Wrap():
                return True
            case Saturate(bits=bits):  # never reaches its limits
                return self.sum_bound << self.shift < 1 << (bits - 1)
            case Float32():  # every product and every partial sum is a binary32
                return (
                    self.sum_bound <= BINARY32_INTEGERS
                    and self.product_lsb >= -149
                    and self.product_lsb + self.sum_bound.bit_length() <= 128
                    and not has_specials(self.fmt_a)
                    and not has_specials(self.fmt_w)
                )
            case Float():
                return False

    @property
    def is_int64(self) -> bool:
        """Whether an integer accumulator's value always fits an int64."""
        match self.accumulator:
            case Exact():
                return self.sum_bound < 2**63
            case Wrap() | Saturate():
                return True
            case Float32() | Float():
                return False


@dataclass(frozen=True)
class Operands:
    """Codes of one dot product: ``a`` [M, K] and ``w`` [K, N], dtype uint8 or uint16."""

    a: Codes
    w: Codes

    @property
    def shape(self) -> tuple[int, int, int]:
        """(M, K, N)."""
        return self.a.shape[0], self.a.shape[1], self.w.shape[1]


def wrap_integers(values: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """Integers known modulo 2**64, taken modulo 2**bits into the two's complement range.

    Works in place: ``values`` is given up.
    """
    up = np.uint64(64 - bits)
    np.left_shift(values, up, out=values)
    signed = values.view(np.int64)
    np.right_shift(signed, np.int64(64 - bits), out=signed)
    return signed
