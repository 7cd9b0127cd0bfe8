"""Facts read off a table, against plain arithmetic."""

import numpy as np
import pytest

from systolab.formats import get
from systolab.formats.describe.properties import loss, properties, worst_errors


def test_properties_of_binary16() -> None:
    facts = properties(get("binary16"))
    info = np.finfo(np.float16)
    assert facts.largest == info.max
    assert facts.smallest == info.smallest_subnormal
    assert facts.values == 2 * 31 * 1024
    assert facts.unused == 2 * 1023 - 1
    assert (facts.plus_inf, facts.minus_inf, facts.nan) == (0x7C00, 0xFC00, 0x7E00)
    assert facts.negative_zero == 0x8000
    assert facts.dynamic_range_db == pytest.approx(20 * np.log10(65504 * 2**24))
    assert facts.log2_ratio == pytest.approx(np.log2(65504 * 2**24))


def test_decimal_accuracy() -> None:
    """Of 1, 2, 3: between 1 and 2, and between 2 and 3 (the zero interval does not count)."""
    low, high = properties(get("uint:2")).decimals or (0, 0)
    assert low == pytest.approx(-np.log10(np.log10(1.5)))
    assert high == pytest.approx(-np.log10(np.log10(1.25)))
    assert properties(get("uint:1")).decimals is None


@pytest.mark.parametrize("name", ["e4m3fn", "posit:8,1", "adaptivfloat:8,3", "int:8", "lns:8,3"])
def test_worst_errors_are_the_largest_found(name: str) -> None:
    fmt = get(name)
    where, error = worst_errors(fmt)
    positive = fmt.codebook.points[fmt.codebook.points > 0]
    assert len(where) == len(positive) - 1
    for low, high, worst in zip(positive[:-1], positive[1:], error, strict=True):
        x = np.linspace(low, high, 2001)
        found = (np.abs(fmt.values[fmt.encode(x)] - x) / x).max()
        assert 0.99 * worst <= found <= worst * (1 + 1e-9)


def test_loss_by_hand() -> None:
    fmt = get("int:4,scale=none")
    x = np.array([0.3, 1.0, 2.25, 20.0, -9.0, np.nan, np.inf])
    result = loss(x, fmt.quantize(x))
    error = np.array([0.3, 0, 0.25, 13, 1])
    signal = np.array([0.3, 1, 2.25, 20, 9])
    assert result.sqnr_db == pytest.approx(10 * np.log10((signal**2).sum() / (error**2).sum()))
    assert result.max_error == 13
    assert result.clipped == 2 / 5
    assert result.flushed == 1 / 5
    assert result.nonfinite == 2
    assert result.codes_used == 5
    exact = np.array([1.0, 2.0])
    assert loss(exact, fmt.quantize(exact)).sqnr_db is None
    huge = np.array([1e300, 2e300])
    assert loss(huge, fmt.quantize(huge)).sqnr_db == pytest.approx(0, abs=1e-12)
    tiny = np.array([1e-300, 2e-300])
    assert loss(tiny, get("posit:8,1").quantize(tiny)).sqnr_db == pytest.approx(
        20 * np.log10(np.hypot(1e-300, 2e-300) / np.hypot(2.0**-12, 2.0**-12))
    )
    overflown = np.array([1e300, 1.0])
    found = loss(overflown, get("bfloat16").quantize(overflown))
    assert (found.nonfinite, found.max_error, found.sqnr_db) == (1, 0, None)
