"""Post-processing against SoftFloat and exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact, Float32
from systolab.formats.dot.postprocess import postprocess, to_binary32
from systolab.formats.dot.product import DotResult, dot
from systolab.formats.engines.rational import round_binary32
from systolab.formats.errors import SystolabError

INTEGERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**25), 2**25),
    st.builds(
        lambda e, d: max(-(2**63), min(2**63 - 1, 2**e + d)),
        st.integers(20, 63),
        st.integers(-3, 3),
    ),
)


def rounded(value: int, lsb: int) -> np.float32:
    exact = round_binary32(Fraction(value) * Fraction(2) ** lsb)
    return np.float32(np.copysign(np.float32(float(exact)), np.float32(value < 0) * -2 + 1))


def bits(x: np.ndarray) -> list[int]:
    return np.ascontiguousarray(x, dtype=np.float32).view(np.uint32).reshape(-1).tolist()


@settings(max_examples=300, deadline=None)
@given(st.lists(INTEGERS, min_size=1, max_size=8), st.integers(-215, 110))
def test_integers_are_rounded_once(values: list[int], lsb: int) -> None:
    acc = np.array([values], dtype=np.int64)
    expected = bits(np.array([rounded(v, lsb) for v in values]))
    assert bits(to_binary32(acc, lsb)) == expected
    assert bits(to_binary32(acc, lsb, softfloat=True)) == expected
    assert bits(to_binary32(acc.astype(np.object_), lsb)) == expected
    one, zero = np.ones(len(values), np.float32), np.full(len(values), -0.0, np.float32)
    assert bits(postprocess(DotResult(acc, lsb, ""), one, zero, -np.inf, np.inf)) == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(-(2**600), 2**600), st.integers(-700, -400))
def test_wide_integers_are_rounded_once(value: int, lsb: int) -> None:
    acc = np.array([[value]], dtype=np.object_)
    assert bits(to_binary32(acc, lsb)) == bits(np.array([rounded(value, lsb)]))


def test_all_tie_and_sticky_patterns() -> None:
    """Half a unit in the last place, one more and one less, at every width of the integer."""
    for width in range(24, 63):
        for leading in (2**23, 2**23 + 1, 2**24 - 1):
            base = leading << (width - 23)
            half = 1 << (width - 24)
            acc = np.array([[base + half - 1, base + half, base + half + 1, -base - half - 1]])
            expected = bits(np.array([rounded(int(v), -30) for v in acc[0]]))
            for values in (acc, acc.astype(np.object_)):
                assert bits(to_binary32(values, -30)) == expected
                assert bits(to_binary32(values, -30, softfloat=True)) == expected
            one, zero = np.ones(4, np.float32), np.full(4, -0.0, np.float32)
            result = DotResult(acc, -30, "")
            assert bits(postprocess(result, one, zero, -np.inf, np.inf)) == expected


def test_native_processor_and_softfloat_agree() -> None:
    rng = np.random.default_rng(5)
    n = 37
    patterns = rng.integers(0, 2**32, (40, n), dtype=np.uint32).view(np.float32)
    scale = rng.integers(0, 2**32, n, dtype=np.uint32).view(np.float32)
    bias = rng.integers(0, 2**32, n, dtype=np.uint32).view(np.float32)
    integers = rng.integers(-(2**62), 2**62, (40, n))
    for acc, lsb in ((patterns, 0), (integers, -100), (integers >> 30, -20), (integers, -40)):
        for factors in ((scale, bias), (np.ones(n, np.float32), np.zeros(n, np.float32))):
            for lo, hi in ((-np.inf, np.inf), (0.0, np.inf), (0.0, 6.0), (-1e-40, 1e-40)):
                result = DotResult(acc, lsb, "")
                fast = postprocess(result, *factors, lo, hi)
                assert bits(fast) == bits(postprocess(result, *factors, lo, hi, softfloat=True))
                wide = DotResult(acc.astype(np.object_), lsb, "") if lsb else result
                assert bits(fast) == bits(postprocess(wide, *factors, lo, hi))


def test_clamp_compares() -> None:
    acc = np.array([[-0.0, np.nan, np.inf, -np.inf, 5.0, -5.0]], dtype=np.float32)
    one, zero = np.ones(6, np.float32), np.full(6, -0.0, np.float32)
    y = postprocess(DotResult(acc, 0, ""), one, zero, 0.0, 4.0)
    assert bits(y) == [0x80000000, 0x7FC00000, *bits(np.array([4.0, 0.0, 4.0, 0.0]))]


def test_end_to_end_from_codes() -> None:
    fmt = get("adaptivfloat:8,3")
    rng = np.random.default_rng(0)
    a, w = (
        rng.integers(0, 256, (9, 30), dtype=np.uint8),
        rng.integers(0, 256, (30, 5), dtype=np.uint8),
    )
    scale, bias = np.full(5, 0.1, np.float32), np.arange(5, dtype=np.float32)
    exact = postprocess(dot(a, w, fmt, fmt, Exact(), 4), scale, bias, -np.inf, np.inf)
    x = (fmt.values[a] @ fmt.values[w]).astype(np.float32)
    assert np.array_equal(exact, x * scale + bias)
    sequential = dot(a, w, fmt, fmt, Float32(), 4)
    assert to_binary32(sequential.acc, 0) is sequential.acc


def test_wrong_parameters_are_refused() -> None:
    result = DotResult(np.zeros((2, 3), np.int64), 0, "")
    good, short = np.zeros(3, np.float32), np.zeros(2, np.float32)
    with pytest.raises(
        SystolabError, match=r"^Scale must be 3 float32 values, not float32 \(2,\)$"
    ):
        postprocess(result, short, good, 0, 1)
    with pytest.raises(SystolabError, match=r"^Bias must be 3 float32 values, not float64 \(3,\)$"):
        postprocess(result, good, good.astype(np.float64), 0, 1)
    with pytest.raises(SystolabError, match=r"^Clamp must have lo <= hi, not 1.0 and 0.0$"):
        postprocess(result, good, good, 1, 0)
    with pytest.raises(SystolabError, match=r"^Clamp must have lo <= hi, not nan and 0.0$"):
        postprocess(result, good, good, np.nan, 0)
