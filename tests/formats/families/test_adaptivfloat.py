"""AdaptivFloat against the paper's algorithm, restated here step by step."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab.formats import SystolabError, get
from systolab.formats.describe.decompose import decompose

WIDTHS = ["8,3", "8,4", "8,5", "6,3", "5,3", "4,2", "7,3", "16,5", "4,3"]
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "normal": lambda rng: rng.normal(0, 0.3, 150_000),
    "laplace": lambda rng: rng.laplace(0, 2.0, 150_000),
    "student": lambda rng: rng.standard_t(3, 150_000),
}


def paper(x: NDArray[np.float64], bits: int, exponent_bits: int) -> NDArray[np.float64]:
    """Section 3 of the paper with the exponent bias taken from the largest magnitude."""
    m = bits - 1 - exponent_bits
    bias = int(np.floor(np.log2(np.abs(x).max()))) - (2**exponent_bits - 1)
    low = 2.0**bias * (1 + 2.0**-m)
    high = 2.0 ** (bias + 2**exponent_bits - 1) * (2 - 2.0**-m)
    a = np.abs(x)
    a = np.where(a < low / 2, 0, np.where(a < low, low, np.minimum(a, high)))
    binade = 2.0 ** np.floor(np.log2(np.where(a == 0, 1, a)))
    result: NDArray[np.float64] = np.sign(x) * np.rint(a / binade * 2**m) / 2**m * binade
    return result


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("distribution", list(DISTRIBUTIONS))
def test_equals_the_papers_algorithm(widths: str, distribution: str) -> None:
    rng = np.random.default_rng(7)
    x = DISTRIBUTIONS[distribution](rng).astype(np.float32)
    n, e = map(int, widths.split(","))
    got = get(f"adaptivfloat:{widths}").quantize(x).dequantize()
    np.testing.assert_array_equal(got, paper(x.astype(np.float64), n, e).astype(np.float32))


def later(x: NDArray[np.float64], bits: int, exponent_bits: int) -> NDArray[np.float64]:
    """The 2022 code: 2^e - 2 binades under the largest, zero below them, mantissa rounded."""
    m = bits - 1 - exponent_bits
    top = int(np.floor(np.log2(np.abs(x).max())))
    a = np.minimum(np.abs(x), 2.0**top * (2 - 2.0**-m))
    binade = 2.0 ** np.floor(np.log2(np.where(a == 0, 1, a)))
    rounded = np.sign(x) * np.rint(a / binade * 2**m) / 2**m * binade
    return np.where(a < 2.0 ** (top - 2**exponent_bits + 3), 0, rounded)


@pytest.mark.parametrize("widths", ["8,3", "8,4", "6,2", "4,2", "16,5"])
@pytest.mark.parametrize("distribution", list(DISTRIBUTIONS))
def test_2022_equals_the_later_code(widths: str, distribution: str) -> None:
    x = DISTRIBUTIONS[distribution](np.random.default_rng(11)).astype(np.float32)
    n, e = map(int, widths.split(","))
    got = get(f"adaptivfloat2022:{widths}").quantize(x).dequantize()
    np.testing.assert_array_equal(got, later(x.astype(np.float64), n, e).astype(np.float32))


def flexasr_value(fixed: int) -> float:
    """FlexASR's ``set_value_fixed`` in integers, fraction bits and bias such that 128 means 1.0.

    A two's complement mantissa with 4 fraction bits, 1 <= m < 2 or -2 <= m < -1, rounded half
    towards +infinity; exponent below 0 or code {0, 0}: zero; exponent above 7: largest.
    """
    if fixed == 0:
        return 0.0
    exponent = (fixed if fixed > 0 else -fixed - 1).bit_length() - 1  # fixed = m * 2^exponent
    if exponent >= 4:
        mantissa = (fixed + (1 << (exponent - 4) >> 1)) >> (exponent - 4)
    else:
        mantissa = fixed << (4 - exponent)
    sign, magnitude, field = fixed < 0, abs(mantissa), exponent - 7
    if magnitude == 32:
        magnitude, field = 16, field + 1
    if field < 0 or (field == 0 and magnitude == 16):
        return 0.0
    if field > 7:
        field, magnitude = 7, 31
    return (-1.0 if sign else 1.0) * magnitude / 16 * 2.0**field


def test_flexasr_equals_its_integer_conversion() -> None:
    """All fixed-point inputs with seven fraction bits, some beyond the range."""
    fixed = np.arange(-35_000, 35_000)
    expected = [flexasr_value(int(value)) for value in fixed]
    fmt = get("flexasr")
    got = fmt.values[fmt.encode(fixed / 128)]
    np.testing.assert_array_equal(got, expected)


def test_special_cases() -> None:
    fmt = get("adaptivfloat:8,3")
    assert fmt.max == 248.0
    assert fmt.quantum == 2.0**-4
    assert fmt.ratio == 3968
    smallest = 1 + 1 / 16
    below = np.nextafter(np.float32(smallest / 2), np.float32(0))
    codes = fmt.encode(
        np.array([smallest / 2, -smallest / 2, below, -below, np.nan, -0.0], np.float32)
    )
    assert codes.tolist() == [0x01, 0x81, 0, 0, 0, 0]
    assert fmt.encode(np.array([np.inf, -np.inf, 1e30], np.float32)).tolist() == [0x7F, 0xFF, 0x7F]
    assert fmt.decode(0x80) == 0.0
    assert fmt.quantize(np.zeros(3, np.float32)).scale == 1.0
    assert fmt.quantize(np.array([np.inf, 1.0, np.nan], np.float32)).scale == 2.0**-7


def test_decomposition_matches_the_datapath() -> None:
    fmt = get("adaptivfloat:8,3")
    parts = decompose(fmt)
    assert (parts.sig_bits, parts.exp_max) == (5, 7)
    sign = np.where(parts.sign == 1, -1.0, 1.0)
    value = sign * parts.significand * 2.0**parts.exponent * fmt.quantum
    np.testing.assert_array_equal(value, fmt.values)


def test_errors() -> None:
    with pytest.raises(SystolabError, match="width must be 2 to 16 bits, not 20"):
        get("adaptivfloat:20,3")
    with pytest.raises(SystolabError, match="exponent must be 0 to 6 bits, not 7"):
        get("adaptivfloat:8,7")
    with pytest.raises(SystolabError, match="must be n and e, not '8'"):
        get("adaptivfloat:8")
    with pytest.raises(SystolabError, match="known ones, not 'nope'; 'systolab formats' lists"):
        get("nope")
