"""Data longer than binary64, and quotients, against exact rationals."""

from bisect import bisect_left
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from systolab.formats import Format, SystolabError, get
from systolab.formats.families.tables import TableFormat
from systolab.formats.projection.odd import divide_odd

NAMES = ("bfloat16", "float:8,5", "e4m3fn", "int:8", "fixed:16,-40", "adaptivfloat:8,6", "nf4")
HAS_LONG_DOUBLE = np.finfo(np.longdouble).nmant > 52
needs_long_double = pytest.mark.skipif(not HAS_LONG_DOUBLE, reason="long double is binary64 here")


@cache
def points_of(fmt: Format) -> tuple[list[Fraction], list[int]]:
    """Finite values in order, and their codes."""
    return [Fraction(point) for point in fmt.codebook.points.tolist()], fmt.codebook.codes.tolist()


def nearest(fmt: Format, x: Fraction) -> int:
    """The code of the nearest value; at a tie the even one, beside AdaptivFloat's zero the other.

    Values beyond the last one saturate.
    """
    points, codes = points_of(fmt)
    i = bisect_left(points, x)
    if i in (0, len(points)):
        return int(codes[max(i - 1, 0)])
    below, above = x - points[i - 1], points[i] - x
    if below != above:
        return int(codes[i - 1] if below < above else codes[i])
    if fmt.name.startswith("adaptivfloat") and 0 in points[i - 1 : i + 1]:
        return int(codes[i] if points[i - 1] == 0 else codes[i - 1])
    return int(codes[i - 1] if codes[i - 1] % 2 == 0 else codes[i])


def ties(fmt: Format) -> list[Fraction]:
    """All means of neighbours, the pair of zeros left out."""
    points, _ = points_of(fmt)
    return [(low + high) / 2 for low, high in pairwise(points) if low != high]


def some(values: list[int], most: int) -> list[int]:
    order = np.random.default_rng(5).permutation(len(values))[:most]
    return [values[i] for i in order]


def assert_codes(fmt: Format, x: ArrayLike, exact: list[Fraction]) -> None:
    """Codes are those of the exact numbers; the signs of zeros are not looked at."""
    found = fmt.values[fmt.encode(x)].tolist()
    expected = [float(fmt.values[nearest(fmt, value)]) for value in exact]
    wrong = [(str(v), f, e) for v, f, e in zip(exact, found, expected, strict=True) if f != e]
    assert not wrong


def test_the_known_ones() -> None:
    assert get("bfloat16").encode(np.int64(2**62 + 2**54 + 1)) == get("bfloat16").encode(
        2.0**62 + 2.0**55
    )
    e4m3fn = get("e4m3fn")
    assert e4m3fn.encode(2**300 + 1) == e4m3fn.encode(448)
    if HAS_LONG_DOUBLE:
        assert e4m3fn.encode(np.longdouble(432) - np.longdouble(2) ** -55) == e4m3fn.encode(416)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_integers_are_rounded_once(name: str, kind: type[np.int64] | type[np.uint64]) -> None:
    fmt, limits = get(name), np.iinfo(kind)
    chosen = [round(tie) + i for tie in ties(fmt) for i in (-1, 0, 1)]
    chosen = some([x for x in chosen if limits.min <= x <= limits.max], 400)
    chosen += np.random.default_rng(1).integers(limits.min, limits.max, 30, kind, True).tolist()
    chosen += [limits.min, limits.max, limits.max - 1, 0]
    exact = [Fraction(x) for x in chosen]
    assert_codes(fmt, np.array(chosen, kind), exact)
    assert_codes(fmt, np.array(chosen, object), exact)
    assert_codes(fmt, chosen, exact)
    assert_codes(fmt, [*chosen, 0.5], [*exact, Fraction(1, 2)])


def test_python_numbers_of_any_size() -> None:
    fmt = get("bfloat16")
    exact = [
        Fraction(2**100 + 2**92 + 1),
        Fraction(1, 3),
        Fraction(-(2**100)),
        1 + Fraction(1, 2**80),
    ]
    exact.append(1 + Fraction(1, 2**8) + Fraction(1, 2**90))
    assert_codes(fmt, np.array(exact, object), exact)
    assert fmt.encode([2**2000, -(2**2000)]).tolist() == fmt.encode([1e300, -1e300]).tolist()
    assert fmt.encode(np.array([np.nan, -np.inf, True], object)).tolist() == (
        fmt.encode(np.array([np.nan, -np.inf, 1.0])).tolist()
    )
    with pytest.raises(SystolabError, match="Data must be real numbers, not str"):
        fmt.encode(np.array([1, "2"], object))
    with pytest.raises(SystolabError, match="Data must be real numbers, not NoneType"):
        fmt.encode(np.array([None]))


def long_doubles(exact: list[Fraction]) -> tuple[NDArray[np.longdouble], list[Fraction]]:
    """Long doubles around rationals of at most 64 bits, and their values."""
    x, values = [], []
    for value in exact:
        near = np.longdouble(value.numerator) / np.longdouble(value.denominator)
        spacing = np.spacing(near)
        numerator, exponent = np.frexp(spacing)
        gap = Fraction(float(numerator)) * Fraction(2) ** int(exponent)
        for i in (-1, 0, 1):
            x.append(near + i * spacing)
            values.append(value + i * gap)
    return np.array(x), values


@needs_long_double
@pytest.mark.parametrize("name", [name for name in NAMES if name != "nf4"])
def test_long_doubles_are_rounded_once(name: str) -> None:
    fmt = get(name)
    chosen = ties(fmt)
    order = np.random.default_rng(2).permutation(len(chosen))[:300]
    x, exact = long_doubles([chosen[i] for i in order if chosen[i] != 0])
    assert_codes(fmt, x, exact)


@needs_long_double
def test_long_doubles_beyond_binary64() -> None:
    huge, tiny = np.longdouble("1e4000"), np.longdouble("1e-4900")
    kept = get("bfloat16:saturation=propagate")  # finite values saturate, infinities stay
    assert kept.encode(np.array([huge, -huge])).tolist() == kept.encode([1e308, -1e308]).tolist()
    posit = get("posit:8,1")  # nothing but zero becomes zero
    assert posit.encode(np.array([tiny, 0, -tiny], np.longdouble)).tolist() == [1, 0, 0xFF]
    specials = np.array([np.nan, np.inf, -np.inf, -0.0], np.longdouble)
    assert kept.encode(specials).tolist() == kept.encode(specials.astype(np.float64)).tolist()


@needs_long_double
def test_longer_numbers_beside_an_irrational_threshold_are_refused() -> None:
    fmt = get("lns:8,3")
    bound = fmt.projection.bounds[200]
    between = (np.longdouble(bound) + np.longdouble(np.nextafter(bound, 0))) / 2
    with pytest.raises(
        SystolabError,
        match=r"Data must be binary64 beside the thresholds of lns:8,3, not longer numbers next to "
        r"\d.*: round them before",
    ):
        fmt.encode(np.array([1.0, between]))
    with pytest.raises(SystolabError, match="beside the thresholds of lns:8,3"):
        fmt.quantize(np.array([between]), scale=1.0)
    third = np.longdouble(1) / 3  # far from any
    assert fmt.encode(third) == fmt.encode(1 / 3)
    assert fmt.encode(np.longdouble(bound)) == fmt.encode(bound)


@pytest.mark.parametrize("name", [*NAMES, "mxfp4:scale=binary32", "int:8,block=4"])
@pytest.mark.parametrize("kind", ["float64", "int64", "longdouble"])
def test_quotients_of_longer_data_are_exact(name: str, kind: str) -> None:
    """Data nearest to every tie times a scale: the quotient is within 2^-52 of the tie."""
    fmt = get(name)
    rng = np.random.default_rng(3)
    chosen = [tie for tie in ties(fmt) if tie != 0]
    chosen = [chosen[i] for i in rng.permutation(len(chosen))[:60]]
    for scale in rng.uniform(1, 2, 4).astype(np.float32):
        unit = 1.0
        if kind == "int64":
            unit = float(np.ldexp(1.0, 61 - int(np.frexp(float(max(map(abs, chosen))))[1])))
        factor = np.float32(scale * unit)
        if not np.isfinite(factor):
            continue
        x: list[object] = []
        exact: list[Fraction] = []
        for tie in chosen:
            product = tie * Fraction(float(factor))
            if kind == "int64":
                data: list[object] = [round(product) + i for i in (-1, 0, 1)]
                values = [Fraction(round(product) + i) for i in (-1, 0, 1)]
            elif kind == "float64":
                near = np.nextafter(np.full(3, float(product)), [-np.inf, float(product), np.inf])
                data = list(near)
                values = [Fraction(item) for item in near.tolist()]
            else:
                many, values = long_doubles([product])
                data = list(many)
            x += data
            exact += [value / Fraction(float(factor)) for value in values]
        tensor = fmt.quantize(np.array(x, kind), scale=np.full(1, factor))
        found = fmt.values[tensor.codes].tolist()
        expected = [float(fmt.values[nearest(fmt, value)]) for value in exact]
        assert found == expected


def test_quotients_that_leave_binary64_stay_finite_and_keep_their_sign() -> None:
    x = np.array([1e308, -1e308, 5e-324, -5e-324, 0.0, -0.0, np.inf, np.nan])
    small, large = (np.full(8, scale, np.float32) for scale in (1e-38, 1e38))
    assert divide_odd(x, small, 1)[:2].tolist() == [np.finfo(float).max, -np.finfo(float).max]
    assert divide_odd(x, large, 1)[2:6].tolist() == [5e-324, -5e-324, 0.0, -0.0]
    assert np.signbit(divide_odd(x, large, 1)[4:6]).tolist() == [False, True]
    assert divide_odd(x, large, 1)[6] == np.inf
    assert np.isnan(divide_odd(x, large, 1)[7])
    kept = get("e5m2:saturation=propagate")
    assert kept.quantize(x[:2], scale=2.0**-126).codes.tolist() == kept.encode([1e9, -1e9]).tolist()
    assert get("posit:8,1").quantize(x[2:4], scale=2.0**100).codes.tolist() == [1, 0xFF]


@pytest.mark.parametrize("zeros", [1, 10, 29, 52])
def test_quotients_are_on_the_side_of_the_exact_ones(zeros: int) -> None:
    rng = np.random.default_rng(4)
    divisor = rng.uniform(1, 2, 500).astype(np.float32)
    ends = np.ldexp(
        rng.integers(2 ** (52 - zeros), 2 ** (53 - zeros), 500).astype(float), zeros - 52
    )
    x = np.ldexp(ends * divisor, rng.integers(-900, 900, 500))
    x = np.nextafter(x, rng.choice([-np.inf, np.inf], 500))
    got = divide_odd(x, divisor, zeros)
    for value, by, quotient in zip(x.tolist(), divisor.tolist(), got.tolist(), strict=True):
        exact = Fraction(value) / Fraction(by)
        unit = Fraction(float(np.spacing(abs(quotient)))) * 2**zeros
        below = exact // unit * unit
        for number in (below, below + unit):
            assert (exact > number) == (Fraction(quotient) > number)
            assert (exact < number) == (Fraction(quotient) < number)


def test_a_step_far_from_its_neighbours_is_compared_exactly() -> None:
    fmt = TableFormat(np.array([0.0, 2.0**-20, 1.0 + 2.0**-22, -1.0]), "far")
    tie = (Fraction(2.0**-20) + Fraction(1.0 + 2.0**-22)) / 2
    assert_codes(fmt, np.array([float(tie)]), [tie])
