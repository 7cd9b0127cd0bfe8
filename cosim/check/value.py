"""How expected and found values are shown: code, hexadecimal, exact value, distance."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from systolab.formats.format import Format
from systolab.formats.projection.projection import binary32_key

__all__ = [
    "binary32_text",
    "code_text",
    "comparison",
    "comparison32",
    "exact",
    "steps_between",
    "ulps_between",
]

_LONG = 24  # digits of a fraction that are still easier to read than a power of two


def exact(value: float) -> str:
    """The exact value in decimal where that is short, else as integer times power of two."""
    if not math.isfinite(value) or value == 0:
        return str(value)
    fraction = Fraction(value)
    text = repr(value)
    if Fraction(text) == fraction and len(text) <= _LONG:
        return text
    shift = fraction.denominator.bit_length() - 1
    return f"{fraction.numerator} * 2^-{shift}"


def code_text(fmt: Format, code: int) -> str:
    """One code: ``code 33 (0x21) = 0.25``."""
    digits = -(-fmt.bits // 4)
    if not 0 <= code < 1 << fmt.bits:
        return f"code {code} ({code:#x}), which {fmt.name} does not have"
    return f"code {code} (0x{code:0{digits}x}) = {exact(float(fmt.values[code]))}"


def binary32_text(bits: int) -> str:
    """One binary32 given by its bits: ``0x3f800000 = 1.0``."""
    value = np.array([bits], np.uint32).view(np.float32)[0]
    return f"0x{bits:08x} = {exact(float(value))}"


def steps_between(fmt: Format, expected: int, found: int) -> int | None:
    """Codebook values from ``expected`` up to ``found`` (units in the last place of the format).

    None where either is NaN, an infinity or not a code.
    """
    size = 1 << fmt.bits
    if not (0 <= expected < size and 0 <= found < size):
        return None
    x, y = float(fmt.values[expected]), float(fmt.values[found])
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    points = np.unique(fmt.codebook.points)
    return int(np.searchsorted(points, y) - np.searchsorted(points, x))


def ulps_between(expected: int, found: int) -> int:
    """Binary32 values from ``expected`` up to ``found``, both given by their bits."""
    low, high = binary32_key(np.array([expected, found], np.uint32).view(np.float32)).tolist()
    return int(high - low)


def comparison(fmt: Format, expected: int, found: int) -> tuple[tuple[str, str], ...]:
    """The rows of a finding that show two codes of one format."""
    rows = [("expected", code_text(fmt, expected)), ("found", code_text(fmt, found))]
    steps = steps_between(fmt, expected, found)
    if steps is not None:
        rows.append(("distance", f"{steps:+d} ulp of {fmt.name}"))
    return tuple(rows)


def comparison32(expected: int, found: int) -> tuple[tuple[str, str], ...]:
    """The rows of a finding that show two binary32 values."""
    return (
        ("expected", binary32_text(expected)),
        ("found", binary32_text(found)),
        ("distance", f"{ulps_between(expected, found):+d} ulp of binary32"),
    )
