"""The projection against its definition, by brute force over exact rationals."""

from bisect import bisect_left
from fractions import Fraction
from functools import cache
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from systolab.formats import Format, Rounding, SystolabError, binary32_key, get
from systolab.formats.families.tables import TableFormat

FORMATS = [
    "int:4",
    "uint:3",
    "fixed:5,7",
    "nf4",
    "e2m1",
    "e4m3fn",
    "binary6p3se",
    "binary5p1sf",
    "adaptivfloat:5,2",
    "float:3,2,subnormals=no,specials=finite",
]
DETERMINISTIC = [mode for mode in Rounding if mode is not Rounding.STOCHASTIC]


@cache
def table(name: str) -> tuple[list[Fraction], dict[Fraction, int], int | None]:
    """Distinct values ascending, their lowest codes, and the code of -0."""
    values = get(name).values
    finite = [(Fraction(float(v)), code) for code, v in enumerate(values) if np.isfinite(v)]
    codes = dict(reversed(finite))
    negative_zero = np.flatnonzero((values == 0) & np.signbit(values))
    return sorted(codes), codes, int(negative_zero[0]) if len(negative_zero) else None


def brute_force(fmt: Format, x: float) -> int:
    """Choose between the two neighbours of ``x`` by the words of ``Rounding``; saturate."""
    points, codes, negative_zero = table(fmt.name.partition(",rounding")[0].partition(":r")[0])
    exact = min(max(Fraction(x), points[0]), points[-1])
    above = bisect_left(points, exact)
    chosen = points[above]
    if chosen != exact:
        chosen = choose(fmt, exact, points[above - 1], points[above], codes)
    if chosen == 0 and negative_zero is not None and np.signbit(x):
        return negative_zero
    return codes[chosen]


def choose(
    fmt: Format, x: Fraction, low: Fraction, high: Fraction, points: dict[Fraction, int]
) -> Fraction:
    smaller, larger = sorted((low, high), key=abs)
    odd = {v: points[v] % 2 == 1 for v in (low, high)}
    even_one = next((v for v in (smaller, larger) if not odd[v]), smaller)
    if odd[low] == odd[high]:
        even_one = smaller
    match fmt.rounding:
        case Rounding.TOWARD_ZERO:
            return smaller
        case Rounding.UP:
            return high
        case Rounding.DOWN:
            return low
        case Rounding.ODD:
            return high if even_one == low else low
        case _:
            if x - low != high - x:
                return low if x - low < high - x else high
            away = fmt.rounding is Rounding.NEAREST_AWAY
            away |= fmt.name.startswith("adaptivfloat") and smaller == 0
            return larger if away else even_one


def interesting(fmt: Format) -> NDArray[np.float64]:
    points = fmt.codebook.points
    edges = np.concatenate([points, (points[1:] + points[:-1]) / 2, points * 1.01, points * 3])
    return np.concatenate([edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])


@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize("name", FORMATS)
def test_equals_its_definition(name: str, rounding: Rounding) -> None:
    fmt = get(name).replace(rounding=rounding)
    wide = interesting(fmt)
    narrow = wide.astype(np.float32)
    for x in (wide, narrow):
        expected = [brute_force(fmt, float(value)) for value in x]
        wrong = fmt.encode(x) != expected
        assert not wrong.any(), (x[wrong][:5], np.array(expected)[wrong][:5])


def test_midpoints_that_binary64_cannot_hold() -> None:
    """Neighbours forty binades apart: the decision is about the exact midpoint all the same."""
    tiny = float(np.float32(2.0**-40 * (1 + 2.0**-23)))
    large = 1 + 2.0**-23
    fmt = TableFormat([-large, -tiny, 0.0, tiny, large, 2.0, 3.0, 4.0], "far-apart")
    middle = (Fraction(tiny) + Fraction(large)) / 2
    near = float(middle)
    x = [near, float(np.nextafter(near, 0)), float(np.nextafter(near, 1))]
    assert len({Fraction(value) > middle for value in x}) == 2
    assert fmt.encode(np.array(x)).tolist() == [4 if Fraction(v) > middle else 3 for v in x]
    assert fmt.encode(-np.array(x)).tolist() == [0 if Fraction(v) > middle else 1 for v in x]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(FORMATS))
def test_any_binary32(x: float, name: str) -> None:
    fmt = get(name)
    assert fmt.encode(np.array([x], np.float32))[0] == brute_force(fmt, x)


@pytest.mark.parametrize("name", [*FORMATS, "posit:8,1", "lns:8,3", "flexasr", "binary16"])
def test_encoder_table_is_the_projection(name: str) -> None:
    """The published table gives the same codes as ``encode``, by the definition of its search."""
    fmt = get(name)
    steps = fmt.encoder()
    assert (steps.keys[1:] > steps.keys[:-1]).all()
    assert len(steps.codes) == len(steps.keys) + 1
    rng = np.random.default_rng(1)
    x = rng.integers(0, 1 << 32, 20_000, dtype=np.uint32).view(np.float32)
    codes = steps.codes[np.searchsorted(steps.keys, binary32_key(x), side="right")]
    codes[np.isnan(x)] = steps.nan_code
    np.testing.assert_array_equal(fmt.encode(x), codes)


@pytest.mark.parametrize("name", [*FORMATS, "posit:8,1", "lns:8,3", "bfloat16", "e5m2:rounding=up"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fast_ways_of_binary64_give_the_same_codes(name: str) -> None:
    """At every step, beside it by one bit, and at the specials, against the plain search."""
    projection = get(name).projection
    bounds = projection.bounds[np.isfinite(projection.bounds)]
    near = [bounds, np.nextafter(bounds, np.inf), np.nextafter(bounds, -np.inf)]
    specials = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-320, 1e308, 3.4028235677973366e38]
    x = np.concatenate([*near, bounds.astype(np.float32), specials])
    np.testing.assert_array_equal(get(name).encode(x), projection.encode64(x))


def test_keys_keep_the_order() -> None:
    x = np.array([-np.inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, np.inf], np.float32)
    assert (np.diff(binary32_key(x).astype(np.int64)) > 0).all()
    assert binary32_key(x)[3:5].tolist() == [0x7FFFFFFF, 0x80000000]


def test_stochastic_rounding_is_unbiased_and_replayable() -> None:
    fmt = get("int:8,rounding=stochastic,seed=5")
    x = np.full(200_000, 2.25, np.float32)
    codes = fmt.encode(x)
    assert set(codes.tolist()) == {2, 3}
    assert abs(float(codes.mean()) - 2.25) < 0.005
    np.testing.assert_array_equal(codes, fmt.encode(x))
    np.testing.assert_array_equal(codes[:1000], fmt.encode(x[:1000]))  # keyed by index only
    period = 1 << 16  # the chunk size: later chunks continue the count
    assert (codes[:period] != codes[period : 2 * period]).any()
    other = get("int:8,rounding=stochastic,seed=6").encode(x)
    assert 0.3 < float((codes != other).mean()) < 0.45  # 2 * 0.25 * 0.75
    exact = np.array([-128, 5, 127, 400, -400, np.nan, np.inf], np.float32)
    assert fmt.encode(exact).view(np.int8).tolist() == [-128, 5, 127, 127, -128, 0, 127]


def test_stochastic_words_are_splitmix64() -> None:
    """The published test vector of SplitMix64: the first outputs of state 1234567."""
    from systolab.formats.projection.stochastic import _mix

    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.uint64(1234567) + golden * np.arange(1, 4, dtype=np.uint64)
    assert _mix(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_stochastic_has_no_thresholds() -> None:
    with pytest.raises(SystolabError, match="int:8,rounding=stochastic rounds stochastically"):
        get("int:8,rounding=stochastic").encoder()


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int16, np.uint8, np.bool_, ml_dtypes.bfloat16]
)
def test_input_types(dtype: type[np.generic]) -> None:
    x = np.array([[0, 1], [1, 0]]).astype(dtype)
    codes = get("int:8").encode(x)
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[0, 1], [1, 0]]


def test_other_data_is_refused() -> None:
    with pytest.raises(SystolabError, match=r"Data must be real numbers, not \[\('a', '<f4'\)\]"):
        get("int:8").encode(np.zeros(2, dtype=[("a", "f4")]))
    with pytest.raises(SystolabError, match="Data must be real numbers, not complex128"):
        get("int:8").encode(np.array([1j]))


def test_strided_and_empty_arrays() -> None:
    fmt = get("e4m3fn")
    x = np.arange(60, dtype=np.float32).reshape(6, 10)
    np.testing.assert_array_equal(fmt.encode(x.T[::2]), fmt.encode(x).T[::2])
    assert fmt.encode(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert fmt.encode(np.float32(1)).shape == ()


def test_thresholds_of_far_apart_and_rounded_values_are_the_first_binary64_beyond() -> None:
    """Means of binary32 values of any distance: some are no binary64, none is rounded."""
    values = [0.0, 2.0**-149, np.sqrt(2), 1.1, 2.0**60, 1.1 * 2.0**60, 2.0**127, -(2.0**-100)]
    fmt = TableFormat(np.array(values), "far")
    points, codes = fmt.codebook.points.tolist(), fmt.codebook.codes.tolist()
    for (low, a), (high, b) in pairwise(zip(points, codes, strict=True)):
        middle = (Fraction(low) + Fraction(high)) / 2
        near = np.nextafter(np.full(3, float(middle)), [-np.inf, 0, np.inf])
        near[1] = float(middle)
        tie = min(a, b, key=lambda code: (code % 2, abs(values[code])))
        expected = [
            tie if Fraction(x) == middle else a if Fraction(x) < middle else b
            for x in near.tolist()
        ]
        assert fmt.encode(near).tolist() == expected
