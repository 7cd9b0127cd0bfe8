"""binary16 and bfloat16 in five rounding modes against Berkeley SoftFloat's conversions."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import softfloatpy

from systolab.formats import Rounding, get
from tests.formats.conformance.inputs import hostile, same_values

MODES = {
    Rounding.NEAREST_EVEN: 0,
    Rounding.TOWARD_ZERO: 1,
    Rounding.DOWN: 2,
    Rounding.UP: 3,
    Rounding.NEAREST_AWAY: 4,
}
LIBRARY = ctypes.CDLL(softfloatpy._core.__file__)


@contextmanager
def rounding_mode(mode: int) -> Iterator[None]:
    variable = ctypes.c_uint8.in_dll(LIBRARY, "softfloat_roundingMode")
    before = variable.value
    variable.value = mode
    try:
        yield
    finally:
        variable.value = before


def convert(
    symbol: str, bits: list[int], argument: type[ctypes.c_uint32 | ctypes.c_uint64]
) -> list[int]:
    function = getattr(LIBRARY, symbol)
    function.argtypes, function.restype = [argument], ctypes.c_uint16
    return [function(word) for word in bits]


@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize(
    ("name", "symbol"), [("binary16", "f32_to_f16"), ("bfloat16", "f32_to_bf16")]
)
def test_from_binary32(name: str, symbol: str, rounding: Rounding) -> None:
    fmt = get(name).replace(rounding=rounding)
    x = hostile(fmt, 200_000)
    with rounding_mode(MODES[rounding]):
        theirs = convert(symbol, x.view(np.uint32).tolist(), ctypes.c_uint32)
    expected = fmt.values[np.array(theirs)]
    wrong = ~same_values(fmt.values[fmt.encode(x)], expected)
    assert not wrong.any(), (x[wrong][:5], expected[wrong][:5])


@pytest.mark.parametrize("rounding", MODES)
def test_binary64_to_binary16(rounding: Rounding) -> None:
    """Both sides round once; the low bits make every binary32 tie a near tie."""
    fmt = get("binary16").replace(rounding=rounding)
    rng = np.random.default_rng(3)
    x = hostile(fmt, 60_000)
    x = x[~np.isnan(x)].astype(np.float64)
    x = (x.view(np.uint64) ^ rng.integers(0, 3, len(x), dtype=np.uint64)).view(np.float64)
    with rounding_mode(MODES[rounding]):
        theirs = convert("f64_to_f16", x.view(np.uint64).tolist(), ctypes.c_uint64)
    expected = fmt.values[np.array(theirs)]
    wrong = ~same_values(fmt.values[fmt.encode(x)], expected)
    assert not wrong.any(), (x[wrong][:5], expected[wrong][:5])
