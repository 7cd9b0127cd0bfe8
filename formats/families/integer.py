"""Integers and fixed point."""

from __future__ import annotations

from math import ldexp

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["Fixed", "Int", "UInt"]


class Int(Format):
    """Two's complement, scaled by largest magnitude over 2^(n-1) - 1.

    With ``symmetric`` the most negative code repeats the next one and is never produced.
    """

    scaling = Scaling(ScaleKind.BINARY32)

    def __init__(self, bits: int, symmetric: bool = False) -> None:
        """Make an n-bit integer."""
        if not 2 <= bits <= 16:
            raise SystolabError(f"Integer's width must be 2 to 16 bits, not {bits}")
        self.bits = bits
        self.symmetric = symmetric
        if symmetric:
            self.redundant = (1 << (bits - 1),)
        self.name = f"int:{bits}" + (",symmetric=yes" if symmetric else "")

    def decode(self, code: int) -> float:
        """The two's complement integer; of a symmetric one the lowest code repeats the next."""
        half = 1 << (self.bits - 1)
        value = code - 2 * half if code & half else code
        return float(max(value, 1 - half) if self.symmetric else value)


class UInt(Format):
    """Unsigned integer, scaled by largest value over 2^n - 1; negative values become zero."""

    scaling = Scaling(ScaleKind.BINARY32)

    def __init__(self, bits: int) -> None:
        """Make an n-bit unsigned integer."""
        if not 1 <= bits <= 16:
            raise SystolabError(f"Unsigned integer's width must be 1 to 16 bits, not {bits}")
        self.bits = bits
        self.name = f"uint:{bits}"

    def decode(self, code: int) -> float:
        """The code itself."""
        return float(code)


class Fixed(Format):
    """Two's complement fixed point with ``f`` fraction bits, unscaled: ``code * 2^-f``."""

    def __init__(self, bits: int, fraction_bits: int) -> None:
        """Make an n-bit fixed-point format; f may be negative or exceed n."""
        if not 2 <= bits <= 16:
            raise SystolabError(f"Fixed point's width must be 2 to 16 bits, not {bits}")
        if not -100 <= fraction_bits <= 100:
            raise SystolabError(
                f"Fixed point's fraction must be -100 to 100 bits, not {fraction_bits}"
            )
        self.bits = bits
        self.fraction_bits = fraction_bits
        self.name = f"fixed:{bits},{fraction_bits}"

    def decode(self, code: int) -> float:
        """The two's complement integer times 2^-f."""
        half = 1 << (self.bits - 1)
        return ldexp(code - 2 * half if code & half else code, -self.fraction_bits)
