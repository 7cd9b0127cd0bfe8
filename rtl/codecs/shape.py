"""Formats whose codes have fields: what a closed form of their decoder and encoder has to know.

Integers and fixed point fit the same description as floats: an n-bit integer is a float without
exponent field, whose magnitudes all lie below the "first binade" ``2^n``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from systolab.formats.describe.decompose import decompose
from systolab.formats.families.adaptivfloat import AdaptivFloat
from systolab.formats.families.block import BlockFormat
from systolab.formats.families.floating import Float, Specials
from systolab.formats.families.integer import Fixed, Int, UInt
from systolab.formats.format import Format

__all__ = ["Family", "Shape", "shape"]


class Family(Enum):
    """How a code is put together."""

    FLOAT = "float"  #: sign, exponent, mantissa; exponent 0 holds the subnormals, or zeros
    ADAPTIVE = "adaptive"  #: the same, but exponent 0 is a binade; only magnitude 0 is zero
    INTEGER = "integer"  #: two's complement, or unsigned


@dataclass(frozen=True)
class Shape:
    """Fields of a format's codes.

    Attributes:
        family: How a code is put together.
        bits: Width of a code.
        exponent: Width of the exponent field.
        mantissa: Width of the mantissa; of an integer: one less than that of the largest
            magnitude.
        low: log2 of the value that a significand of 1.0 has in the lowest binade.
        signed: Whether there are negative values.
        subnormals: Whether values between zero and the lowest binade exist.
        negative_zero: Whether -0 has a code (the sign bit alone).
        specials: Which codes are no finite numbers.
        largest: Largest positive and negative magnitudes, as codes without their sign.
    """

    family: Family
    bits: int
    exponent: int
    mantissa: int
    low: int
    signed: bool
    subnormals: bool
    negative_zero: bool
    specials: Specials
    largest: tuple[int, int]

    @property
    def magnitude(self) -> int:
        """Width of a magnitude: exponent and mantissa, or an integer's digits."""
        integer = self.family is Family.INTEGER
        return self.mantissa + 1 if integer else self.exponent + self.mantissa

    @property
    def smallest(self) -> int:
        """Code of the smallest magnitude beside zero."""
        gap = self.family is Family.FLOAT and not self.subnormals
        return 1 << self.mantissa if gap else 1


def shape(fmt: Format) -> Shape | None:
    """The fields of a format's codes; None where closed forms do not know the format."""
    element = fmt.element if isinstance(fmt, BlockFormat) else fmt
    found: Shape | None = None
    # Exact types: a derived class may have another table.
    if type(element) is Float:
        found = _float(element)
    elif type(element) is AdaptivFloat:
        found = _adaptive(element)
    elif type(element) in (Int, UInt, Fixed):
        found = _integer(element)
    return found


def _float(fmt: Float) -> Shape | None:
    layout = fmt.layout
    magnitudes = 1 << (layout.exponent + layout.mantissa)
    largest = int(fmt.codebook.codes[-1])
    subnormals = layout.subnormals or layout.mantissa == 0
    paired = fmt.codebook.zero_pair
    # Left out: floats whose only -0 is not the sign bit alone, and floats whose specials leave
    # fewer significant bits than the mantissa promises.
    if paired is not None and int(fmt.codebook.codes[paired]) != magnitudes:
        return None
    if decompose(fmt).sig_bits != layout.mantissa + (layout.exponent > 0):
        return None
    return Shape(
        Family.FLOAT,
        fmt.bits,
        layout.exponent,
        layout.mantissa,
        1 - layout.bias,
        layout.signed,
        subnormals,
        paired is not None,
        layout.specials,
        (largest, largest if layout.signed else 0),
    )


def _adaptive(fmt: AdaptivFloat) -> Shape:
    largest = (1 << (fmt.bits - 1)) - 1
    return Shape(
        Family.ADAPTIVE,
        fmt.bits,
        fmt.exponent_bits,
        fmt.mantissa_bits,
        0,
        signed=True,
        subnormals=False,
        negative_zero=False,
        specials=Specials.FINITE,
        largest=(largest, largest),
    )


def _integer(fmt: Format) -> Shape:
    points = fmt.codebook.points / fmt.quantum
    log2 = int(np.frexp(fmt.quantum)[1]) - 1
    return Shape(
        Family.INTEGER,
        fmt.bits,
        0,
        fmt.bits - 1,
        log2 + fmt.bits - 1,
        bool(points[0] < 0),
        subnormals=True,
        negative_zero=False,
        specials=Specials.FINITE,
        largest=(int(points[-1]), int(-points[0])),
    )
