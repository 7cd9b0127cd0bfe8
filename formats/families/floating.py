"""Binary floats of any exponent and mantissa width, and the standards' named ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import frexp, inf, ldexp, nan

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.choices import choice
from systolab.formats.projection.rounding import Saturation
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["NAMED", "Float", "Layout", "Specials", "default_bias", "named", "p3109"]


class Specials(StrEnum):
    """Which codes are no finite numbers."""

    IEEE = "ieee"  #: top exponent: mantissa 0 is an infinity, the others are NaN
    FN = "fn"  #: all ones is NaN, no infinities (OCP)
    FNUZ = "fnuz"  #: the code of -0 is NaN, no infinities
    P3109 = "p3109"  #: the code of -0 is NaN (unsigned: all ones), the outermost are infinities
    FINITE = "finite"  #: none


@dataclass(frozen=True)
class Layout:
    """Everything that fixes a float's table.

    Attributes:
        exponent: width of the exponent field.
        mantissa: width of the mantissa field.
        bias: exponent bias.
        specials: which codes are no finite numbers.
        subnormals: whether exponent field 0 counts below the first binade (else it is all zeros).
        signed: whether there is a sign bit.
    """

    exponent: int
    mantissa: int
    bias: int
    specials: Specials = Specials.IEEE
    subnormals: bool = True
    signed: bool = True

    def __post_init__(self) -> None:
        """Take the command line's spelling of the specials, too."""
        object.__setattr__(self, "specials", choice("Specials", Specials, self.specials))


class Float(Format):
    """A binary float: sign, exponent, mantissa.

    Overflow saturates by default, except in binary16 and bfloat16, where IEEE 754's rule holds.
    Floats of up to 8 bits are scaled by largest magnitude over largest value, wider ones are not.
    """

    def __init__(self, layout: Layout, name: str | None = None) -> None:
        """Make a float from its layout.

        Raises:
            SystolabError: the widths are impossible or a value is not a binary32.
        """
        if not 0 <= layout.exponent <= 8:
            raise SystolabError(f"Float's exponent must be 0 to 8 bits, not {layout.exponent}")
        if layout.mantissa < 0:
            raise SystolabError(f"Float's mantissa must be at least 0 bits, not {layout.mantissa}")
        if not layout.signed and layout.specials is Specials.FNUZ:
            raise SystolabError("Specials of an unsigned float must not be fnuz: it has no -0")
        self.layout = layout
        self.bits = layout.signed + layout.exponent + layout.mantissa
        if not 2 <= self.bits <= 16:
            raise SystolabError(f"Float's width must be 2 to 16 bits, not {self.bits}")
        self.name = _spelling(layout) if name is None else name
        if self.bits <= 8:
            self.scaling = Scaling(ScaleKind.BINARY32)
        if name in _IEEE_754:
            self.saturation = Saturation.NONE
        if layout.specials is Specials.IEEE and layout.mantissa:
            self.redundant = self._other_nans()
        _ = self.codebook

    def _other_nans(self) -> tuple[int, ...]:
        """All NaNs but the positive quiet one without payload, which is the one produced."""
        layout = self.layout
        infinity = ((1 << layout.exponent) - 1) << layout.mantissa
        quiet = infinity | 1 << (layout.mantissa - 1)
        sign = 1 << (layout.exponent + layout.mantissa)
        positive = range(infinity + 1, infinity + (1 << layout.mantissa))
        negative = [code | sign for code in positive if layout.signed]
        return tuple(code for code in [*positive, *negative] if code != quiet)

    def decode(self, code: int) -> float:
        """NaN or an infinity where ``Specials`` say so, else what sign and fields give, -0 too."""
        layout = self.layout
        magnitude_bits = layout.exponent + layout.mantissa
        top = (1 << magnitude_bits) - 1
        magnitude = code & top
        negative = bool(code >> magnitude_bits)
        special = self._special(magnitude, top, negative)
        if special is not None:
            return special
        mantissa = magnitude & ((1 << layout.mantissa) - 1)
        field = magnitude >> layout.mantissa
        if field == 0:
            integer = mantissa if layout.subnormals else 0
        else:
            integer = mantissa + (1 << layout.mantissa)
        value = ldexp(integer, max(field, 1) - layout.bias - layout.mantissa)
        return -value if negative else value

    def _special(self, magnitude: int, top: int, negative: bool) -> float | None:
        layout = self.layout
        infinity = -inf if negative else inf
        match layout.specials:
            case Specials.IEEE:
                if magnitude >> layout.mantissa == (1 << layout.exponent) - 1:
                    return nan if magnitude & ((1 << layout.mantissa) - 1) else infinity
            case Specials.FN:
                if magnitude == top:
                    return nan
            case Specials.FNUZ | Specials.P3109:
                if layout.signed and negative and magnitude == 0:
                    return nan
                if layout.specials is Specials.P3109:
                    if not layout.signed and magnitude == top:
                        return nan
                    if magnitude == top - (not layout.signed):
                        return infinity
            case Specials.FINITE:
                pass
        return None

    def overflow_step(self, upward: bool) -> float:
        """The unit in the last place of the largest finite value."""
        del upward  # the table is symmetric
        _, exponent = frexp(self.max)
        return ldexp(1.0, exponent - 1 - self.layout.mantissa)


def _spelling(layout: Layout) -> str:
    parts = [f"float:{layout.exponent},{layout.mantissa}"]
    if layout.bias != default_bias(layout.exponent):
        parts.append(f"bias={layout.bias}")
    if layout.specials is not Specials.IEEE:
        parts.append(f"specials={layout.specials}")
    if not layout.subnormals:
        parts.append("subnormals=no")
    if not layout.signed:
        parts.append("signed=no")
    return ",".join(parts)


def default_bias(exponent: int) -> int:
    """IEEE 754's bias, ``2^(e - 1) - 1``."""
    return int(2 ** (exponent - 1)) - 1 if exponent else 0


#: The named formats. OCP: OFP8 rev. 1.0 and MX v1.0; fnuz: as in ONNX; e4m3 and e3m4: IEEE flavour.
NAMED: dict[str, Layout] = {
    "binary16": Layout(5, 10, 15),
    "bfloat16": Layout(8, 7, 127),
    "e5m2": Layout(5, 2, 15),
    "e4m3": Layout(4, 3, 7),
    "e3m4": Layout(3, 4, 3),
    "e4m3fn": Layout(4, 3, 7, Specials.FN),
    "e5m2fnuz": Layout(5, 2, 16, Specials.FNUZ),
    "e4m3fnuz": Layout(4, 3, 8, Specials.FNUZ),
    "e4m3b11fnuz": Layout(4, 3, 11, Specials.FNUZ),
    "e3m2": Layout(3, 2, 3, Specials.FINITE),
    "e2m3": Layout(2, 3, 1, Specials.FINITE),
    "e2m1": Layout(2, 1, 1, Specials.FINITE),
}

_IEEE_754 = ("binary16", "bfloat16")
_P3109 = re.compile(r"binary(\d+)p(\d+)([su])([ef])")


def named(name: str) -> Float:
    """One of the ``NAMED`` formats."""
    return Float(NAMED[name], name)


def p3109(name: str) -> Float | None:
    """IEEE P3109's ``binary{K}p{P}{s|u}{e|f}``: width, precision, signedness, domain.

    One NaN, no -0, bias ``2^(K - P - 1)`` (unsigned: ``2^(K - P)``). None if ``name`` is no such
    name.

    Raises:
        SystolabError: the width or precision is impossible.
    """
    match = _P3109.fullmatch(name)
    if match is None:
        return None
    width, precision = int(match[1]), int(match[2])
    signed, extended = match[3] == "s", match[4] == "e"
    if not 3 <= width <= 16:
        raise SystolabError(f"Width of {name!r} must be 3 to 16 bits, not {width}")
    if not 1 <= precision <= width - signed:
        raise SystolabError(f"Precision of {name!r} must be 1 to {width - signed}, not {precision}")
    exponent = width - precision + (not signed)
    finite = Specials.FNUZ if signed else Specials.FN
    specials = Specials.P3109 if extended else finite
    bias = int(2 ** (width - precision - signed))
    mantissa = precision - 1
    return Float(Layout(exponent, mantissa, bias, specials, signed=signed), name)
