"""Posits against SoftPosit and against rounding on an explicit bit string."""

import ctypes
from fractions import Fraction

import numpy as np
import pytest

from systolab.formats import get
from systolab.formats.families.posit import posit_value
from tests.formats.conformance.inputs import hostile

_softposit = pytest.importorskip("_softposit")
LIBRARY = ctypes.CDLL(_softposit.__file__)


def softposit_codes(x: list[float], bits: int, es: int) -> list[int]:
    """SoftPosit's conversion: posit8 and posit16 in their own functions, es = 2 in posit_2's."""
    if (bits, es) in ((8, 0), (16, 1)):
        function = LIBRARY.convertDoubleToP8 if bits == 8 else LIBRARY.convertDoubleToP16
        function.argtypes = [ctypes.c_double]
        function.restype = ctypes.c_uint8 if bits == 8 else ctypes.c_uint16
        return [function(value) for value in x]
    function = LIBRARY.convertDoubleToPX2
    function.argtypes, function.restype = [ctypes.c_double, ctypes.c_int], ctypes.c_uint32
    return [function(value, bits) >> (32 - bits) for value in x]


@pytest.mark.parametrize(("bits", "es"), [(8, 0), (16, 1), (5, 2), (8, 2), (12, 2), (16, 2)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_softposit(bits: int, es: int) -> None:
    fmt = get(f"posit:{bits},{es}")
    x = hostile(fmt, 1_000_000).astype(np.float64)
    expected = np.array(softposit_codes(x.tolist(), bits, es))
    wrong = fmt.encode(x) != expected
    assert not wrong.any(), (x[wrong][:5], expected[wrong][:5])


def bit_string_code(x: Fraction, bits: int, es: int) -> int:
    """The posit standard's rounding: write out the bits, cut after ``bits``, round to even."""
    if x == 0:
        return 0
    magnitude = abs(x)
    power = 0
    while magnitude >= 2:
        magnitude, power = magnitude / 2, power + 1
    while magnitude < 1:
        magnitude, power = magnitude * 2, power - 1
    regime, exponent = divmod(power, 1 << es)
    text = "1" * (regime + 1) + "0" if regime >= 0 else "0" * -regime + "1"
    text += format(exponent, f"0{es}b") if es else ""
    rest = magnitude - 1
    for _ in range(64):
        rest *= 2
        text += "1" if rest >= 1 else "0"
        rest -= rest >= 1
    kept, cut = text[: bits - 1], text[bits - 1 :]
    code = int(kept, 2)
    half = "1" + "0" * (len(cut) - 1)
    if cut > half or (cut == half and (rest > 0 or code % 2)):
        code += 1
    code = min(max(code, 1), (1 << (bits - 1)) - 1)
    return code if x > 0 else (1 << bits) - code


@pytest.mark.parametrize(("bits", "es"), [(8, 1), (8, 3), (6, 1), (10, 2), (3, 0), (4, 2), (13, 1)])
def test_bit_string(bits: int, es: int) -> None:
    """Widths that SoftPosit does not have, and boundaries of all of them."""
    fmt = get(f"posit:{bits},{es}")
    x = hostile(fmt, 1_500)
    x = x[np.isfinite(x) & (np.abs(x) > 1e-20) & (np.abs(x) < 1e20)]
    x = x[:: len(x) // 3_000 + 1]
    expected = np.array([bit_string_code(Fraction(float(value)), bits, es) for value in x])
    wrong = fmt.encode(x) != expected
    assert not wrong.any(), (x[wrong][:5], expected[wrong][:5])


def test_never_zero_never_overflowing_infinity_is_nar() -> None:
    fmt = get("posit:8,2")
    x = np.array([1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan, -0.0], np.float32)
    assert fmt.encode(x).tolist() == [0x01, 0xFF, 0x7F, 0x81, 0x80, 0x80, 0x80, 0]


def test_values_by_hand() -> None:
    """Sign, regime, exponent and fraction fields, from left to right."""
    assert posit_value(0b01101000, 8, 2) == 2.0**6  # 0 110 10 00: regime 1, exponent 2
    assert posit_value(0b01001100, 8, 2) == 3.0  # 0 10 01 100: regime 0, exponent 1, 1.5
    assert posit_value(0b11000000, 8, 2) == -1.0
