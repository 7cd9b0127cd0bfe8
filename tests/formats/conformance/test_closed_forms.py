"""Over a million values per family against closed forms in NumPy."""

import numpy as np
import pytest

from systolab.formats import get
from tests.formats.conformance.inputs import hostile

# Random bit patterns contain signalling NaNs.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_integers(bits: int) -> None:
    fmt = get(f"int:{bits}")
    x = hostile(fmt)
    half = 2 ** (bits - 1)
    expected = np.nan_to_num(np.clip(np.rint(x.astype(np.float64)), -half, half - 1))
    np.testing.assert_array_equal(fmt.encode(x), expected.astype(np.int64) % (2 * half))


def test_unsigned_integers() -> None:
    fmt = get("uint:8")
    x = hostile(fmt)
    expected = np.nan_to_num(np.clip(np.rint(x), 0, 255))
    np.testing.assert_array_equal(fmt.encode(x), expected.astype(np.uint8))


@pytest.mark.parametrize(("bits", "fraction"), [(8, 4), (12, 15), (16, -3)])
def test_fixed_point(bits: int, fraction: int) -> None:
    fmt = get(f"fixed:{bits},{fraction}")
    x = hostile(fmt)
    half = 2 ** (bits - 1)
    units = np.ldexp(x.astype(np.float64), fraction)
    expected = np.nan_to_num(np.clip(np.rint(units), -half, half - 1))
    np.testing.assert_array_equal(fmt.encode(x), expected.astype(np.int64) % (2 * half))


def test_nf4_is_the_nearest_of_sixteen() -> None:
    fmt = get("nf4")
    x = hostile(fmt)
    x = x[np.isfinite(x) & (np.abs(x) < 4)].astype(np.float64)
    distance = np.abs(x[:, None] - fmt.values[None, :])
    chosen = np.take_along_axis(distance, fmt.encode(x)[:, None].astype(np.int64), axis=1)[:, 0]
    np.testing.assert_array_equal(chosen, distance.min(axis=1))


@pytest.mark.parametrize(("bits", "fraction"), [(8, 3), (6, 1), (12, 6)])
def test_logarithms_are_rounded(bits: int, fraction: int) -> None:
    """Wherever binary64's log2 can tell the two neighbours apart."""
    fmt = get(f"lns:{bits},{fraction}")
    x = hostile(fmt)
    x = x[np.isfinite(x)].astype(np.float64)
    units = np.log2(np.abs(x)) * 2**fraction
    top = 2 ** (bits - 2) - 1
    logarithm = np.clip(np.rint(units), -top, top).astype(np.int64) % (2 * (top + 1))
    negative = np.where(x < 0, 2 ** (bits - 1), 0)
    smallest = fmt.values[fmt.values > 0].min()
    expected = np.where(np.abs(x) < smallest / 2, fmt.zero_code, logarithm + negative)
    certain = np.abs(units - np.floor(units) - 0.5) > 1e-9
    np.testing.assert_array_equal(fmt.encode(x)[certain], expected[certain])
    assert certain.mean() > 0.99
