"""Logarithmic number systems: every threshold against exact integers."""

from fractions import Fraction

import numpy as np
import pytest

from systolab.formats import get
from systolab.formats.families.logarithmic import Lns


def is_beyond(x: Fraction, numerator: int, log2_denominator: int) -> bool:
    """Whether ``x > 2^(numerator / 2^log2_denominator)``, by integers alone."""
    power = x ** (1 << log2_denominator)
    return power > Fraction(2) ** numerator


def logarithm(fmt: Lns, code: int) -> int:
    """The field of a code, in units of ``2^-f``."""
    field = code & ((1 << (fmt.bits - 1)) - 1)
    return field - (1 << (fmt.bits - 1)) if field >> (fmt.bits - 2) else field


@pytest.mark.parametrize(
    "name", ["lns:3,0", "lns:4,2", "lns:8,3", "lns:8,6", "lns:9,2", "lns:10,5"]
)
@pytest.mark.parametrize("rounding", ["nearest-even", "nearest-away"])
def test_every_threshold_is_the_first_binary64_beyond_the_irrational_one(
    name: str, rounding: str
) -> None:
    fmt = get(f"{name},rounding={rounding}")
    assert isinstance(fmt, Lns)
    pairs = fmt.codebook.neighbours
    tried = 0
    for low, high in zip(pairs.lower_code.tolist(), pairs.upper_code.tolist(), strict=True):
        lower, upper = fmt.values[low], fmt.values[high]
        if 0 in (lower, upper):
            continue
        tried += 1
        nearer, farther = (low, high) if lower > 0 else (high, low)  # from zero
        middle = logarithm(fmt, low) + logarithm(fmt, high)
        denominator = fmt.fraction_bits + 1
        # The last binary64 on zero's side of the threshold, from a guess that may be beside it.
        inner = 2.0 ** (middle / 2**denominator)
        while is_beyond(Fraction(inner), middle, denominator):
            inner = float(np.nextafter(inner, 0))
        while not is_beyond(Fraction(float(np.nextafter(inner, np.inf))), middle, denominator):
            inner = float(np.nextafter(inner, np.inf))
        x = np.array([inner, np.nextafter(inner, np.inf)]) * np.sign(upper + lower)
        assert fmt.encode(x).tolist() == [nearer, farther]
    assert tried >= 2 ** (fmt.bits - 1) - 4


def test_values_are_the_nearest_binary32_of_the_powers() -> None:
    fmt = get("lns:10,5")
    assert isinstance(fmt, Lns)
    for code in range(1, 1 << 9):
        exponent = logarithm(fmt, code)
        if exponent == -256:
            assert fmt.values[code] == 0
            continue
        value = np.float32(fmt.values[code])
        assert value == fmt.values[code]
        below, above = (
            (Fraction(float(value)) + Fraction(float(np.nextafter(value, toward)))) / 2
            for toward in (np.float32(0), np.float32(np.inf))
        )
        assert is_beyond(above, exponent, 5)
        assert exponent % 32 == 0 or not is_beyond(below, exponent, 5)
