"""Every code and over a million binary32 values per format against ml_dtypes and NumPy."""

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import DTypeLike

from systolab.formats import Saturation, get
from tests.formats.conformance.inputs import hostile, same_values

FLOATS: dict[str, DTypeLike] = {
    "binary16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "e5m2": ml_dtypes.float8_e5m2,
    "e4m3": ml_dtypes.float8_e4m3,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e2m1": ml_dtypes.float4_e2m1fn,
}
WITHOUT_SPECIALS = ("e3m2", "e2m3", "e2m1")


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.filterwarnings("ignore:.*encountered in cast:RuntimeWarning")
def test_every_code(name: str) -> None:
    fmt = get(name)
    codes = np.arange(1 << fmt.bits, dtype=np.uint8 if fmt.bits <= 8 else np.uint16)
    expected = codes.view(FLOATS[name]).astype(np.float64)
    assert same_values(fmt.values, expected).all()


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.filterwarnings("ignore:.*encountered in cast:RuntimeWarning")
def test_projection(name: str) -> None:
    saturation = Saturation.FINITE if name in WITHOUT_SPECIALS else Saturation.NONE
    fmt = get(name).replace(saturation=saturation)
    x = hostile(fmt)
    assert len(x) >= 1_000_000
    if name in WITHOUT_SPECIALS:
        x = x[~np.isnan(x)]  # see test_nan_without_nan
    expected = x.astype(FLOATS[name]).astype(np.float64)
    wrong = ~same_values(fmt.values[fmt.encode(x)], expected)
    assert not wrong.any(), (x[wrong][:5], expected[wrong][:5])


@pytest.mark.parametrize("name", WITHOUT_SPECIALS)
def test_nan_without_nan(name: str) -> None:
    """Formats without NaN: ml_dtypes makes it -0, we make it the canonical zero, which is +0."""
    nan = np.array([np.nan], np.float32)
    assert get(name).encode(nan).tolist() == [0]
    theirs = nan.astype(FLOATS[name]).astype(np.float32)
    assert theirs[0] == 0
    assert np.signbit(theirs[0])


def test_binary64_is_rounded_once_here_and_twice_by_ml_dtypes() -> None:
    """1.0625 + 2^-40 is above the tie of 1.0 and 1.125; its binary32 rounding is the tie."""
    x = np.array([1.0625 + 2.0**-40])
    fmt = get("e4m3fn")
    assert fmt.values[fmt.encode(x)].tolist() == [1.125]
    assert x.astype(ml_dtypes.float8_e4m3fn).astype(np.float64).tolist() == [1.0]


def test_nan_has_one_code_here_and_a_sign_there() -> None:
    x = np.array([-1000.0], np.float32)
    assert get("e4m3fn:saturation=none").encode(x).tolist() == [0x7F]
    assert x.astype(ml_dtypes.float8_e4m3fn).view(np.uint8).tolist() == [0xFF]
