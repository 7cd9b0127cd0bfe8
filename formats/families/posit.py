"""Posits of any width and exponent size (Posit Standard 2022; SoftPosit for other es)."""

from __future__ import annotations

from math import ldexp, nan

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.codebook import Neighbours
from systolab.formats.projection.projection import default_bounds
from systolab.formats.projection.rounding import Rounding, Saturation

__all__ = ["Posit", "posit_value"]


def posit_value(code: int, bits: int, es: int) -> float:
    """The value of a posit code.

    NaR, the code of a lone sign bit, is NaN; there are no infinities and no -0. A negative posit is
    the two's complement of its magnitude. A magnitude is a regime (a run of equal bits), up to
    ``es`` exponent bits, and a fraction; bits that do not fit are zeros.
    """
    sign_bit = 1 << (bits - 1)
    if code == 0:
        return 0.0
    if code == sign_bit:
        return nan
    if code & sign_bit:
        return -posit_value((1 << bits) - code, bits, es)
    body = bits - 1
    ones = bool(code >> (body - 1))
    inverted = ~code & ((1 << body) - 1) if ones else code
    run = body - inverted.bit_length()
    regime = run - 1 if ones else -run
    left = max(body - run - 1, 0)
    rest = code & ((1 << left) - 1)
    fraction_bits = max(left - es, 0)
    exponent = (rest >> fraction_bits) << max(es - left, 0)
    fraction = rest & ((1 << fraction_bits) - 1)
    power = regime * (1 << es) + exponent
    return ldexp((1 << fraction_bits) + fraction, power - fraction_bits)


class Posit(Format):
    """A posit: rounding on the bit string, never to zero, never past the largest.

    An infinity becomes NaR, as the standard asks.
    """

    saturation = Saturation.PROPAGATE

    def __init__(self, bits: int, es: int) -> None:
        """Make posit<bits, es>.

        Raises:
            SystolabError: the width is not 2 to 16, or the range exceeds binary32.
        """
        if not 2 <= bits <= 16:
            raise SystolabError(f"Posit's width must be 2 to 16 bits, not {bits}")
        if es < 0 or (bits - 2) << es > 127:
            raise SystolabError(
                f"Posit's exponent size must keep 2^((n-2)*2^es) below 2^128, not be {es}"
            )
        self.bits = bits
        self.es = es
        self.name = f"posit:{bits},{es}"

    def decode(self, code: int) -> float:
        """NaN for NaR, the one code that is no number, else ``posit_value``."""
        return posit_value(code, self.bits, self.es)

    def rounding_bounds(self, pairs: Neighbours) -> NDArray[np.float64]:
        """Halfway on the bit string: the posit one bit longer that lies between the two."""
        if self.rounding not in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY):
            return default_bounds(pairs, self.rounding)
        longer = 1 << (self.bits + 1)
        middle = np.array(
            [
                posit_value((2 * int(code) + 1) % longer, self.bits + 1, self.es)
                for code in pairs.lower_code
            ]
        )
        if self.rounding is Rounding.NEAREST_EVEN:
            tie_up = pairs.upper_code % 2 == 0
        else:
            tie_up = pairs.lower >= 0
        bounds = np.where(tie_up, middle, np.nextafter(middle, np.inf))
        bounds = np.where(pairs.lower == 0, np.nextafter(0.0, 1.0), bounds)
        return np.where(pairs.upper == 0, 0.0, bounds)
