"""Tables and projections against gfloat: OCP, IEEE 754 and IEEE P3109 formats."""

from itertools import product

import gfloat
import numpy as np
import pytest
from gfloat import formats as known

from systolab.formats import Rounding, Saturation, SystolabError, get
from tests.formats.conformance.inputs import hostile, same_values

OCP = {
    "binary16": known.format_info_binary16,
    "bfloat16": known.format_info_bfloat16,
    "e5m2": known.format_info_ocp_e5m2,
    "e4m3fn": known.format_info_ocp_e4m3,
    "e3m2": known.format_info_ocp_e3m2,
    "e2m3": known.format_info_ocp_e2m3,
    "e2m1": known.format_info_ocp_e2m1,
    "fixed:8,6": known.format_info_ocp_int8,
}


def p3109_names(widths: range) -> dict[str, gfloat.FormatInfo]:
    """All formats of these widths whose exponents binary32 holds."""
    found = {}
    for width, sign, domain in product(widths, "su", "ef"):
        for precision in range(1, width + (sign == "u")):
            exponent_bits = width - precision + (sign == "u")
            if exponent_bits <= 8:
                found[f"binary{width}p{precision}{sign}{domain}"] = known.format_info_p3109(
                    width,
                    precision,
                    gfloat.Signedness.Signed if sign == "s" else gfloat.Signedness.Unsigned,
                    gfloat.Domain.Extended if domain == "e" else gfloat.Domain.Finite,
                )
    return found


P3109 = p3109_names(range(3, 9))
MODES = {
    Rounding.NEAREST_EVEN: gfloat.RoundMode.TiesToEven,
    Rounding.NEAREST_AWAY: gfloat.RoundMode.TiesToAway,
    Rounding.TOWARD_ZERO: gfloat.RoundMode.TowardZero,
    Rounding.UP: gfloat.RoundMode.TowardPositive,
    Rounding.DOWN: gfloat.RoundMode.TowardNegative,
}


@pytest.mark.parametrize("name", [*OCP, *p3109_names(range(3, 13))])
def test_every_code(name: str) -> None:
    info = (OCP | p3109_names(range(3, 13)))[name]
    expected = gfloat.decode_ndarray(info, np.arange(1 << info.k))
    assert same_values(get(name).values, np.asarray(expected, np.float64)).all()


def compare(name: str, info: gfloat.FormatInfo, rounding: Rounding, count: int) -> None:
    compared = 0
    for saturation in (Saturation.FINITE, Saturation.NONE):
        fmt = get(name).replace(rounding=rounding, saturation=saturation)
        try:
            x = hostile(fmt, count).astype(np.float64)
            got = fmt.values[fmt.encode(x)]
        except SystolabError:
            assert info.num_nans == 0  # overflow has nowhere to go
            continue
        usable = (~np.isnan(x) | (info.num_nans > 0)) & (~np.signbit(x) | info.is_signed)
        saturate = saturation is Saturation.FINITE
        expected = gfloat.round_ndarray(info, x[usable], MODES[rounding], sat=saturate)
        wrong = ~same_values(got[usable], np.asarray(expected, np.float64))
        assert not wrong.any(), (x[usable][wrong][:5], expected[wrong][:5])
        compared += 1
    assert compared


@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize("name", [name for name in OCP if name != "fixed:8,6"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ocp_projection(name: str, rounding: Rounding) -> None:
    compare(name, OCP[name], rounding, 120_000)


@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_p3109_projection(rounding: Rounding) -> None:
    for name, info in P3109.items():
        compare(name, info, rounding, 6_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["e4m3fn", "binary8p4se", "binary8p3sf", "binary8p1ue"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_projection_of_a_million_values(name: str) -> None:
    compare(name, (OCP | P3109)[name], Rounding.NEAREST_EVEN, 1_000_000)


def test_gfloat_leaves_adaptivfloats_value_set() -> None:
    """Gfloat 0.5.2 decodes AdaptivFloat's layout, but rounds and encodes outside of it."""
    bits, exponent, bias = 8, 3, 7  # exponent field 7 is binade 0: scale 2^-7
    info = gfloat.FormatInfo(
        name="adaptivfloat",
        k=bits,
        precision=bits - exponent,
        bias=bias,
        has_nz=True,
        domain=gfloat.Domain.Finite,
        num_high_nans=0,
        has_subnormals=False,
        is_signed=True,
        is_twos_complement=False,
    )
    fmt = get("adaptivfloat:8,3")
    theirs = np.asarray(gfloat.decode_ndarray(info, np.arange(256)), np.float64)
    np.testing.assert_array_equal(theirs, fmt.values * 2.0**-7)
    x = 1.0625 * 2.0**-7 * 0.6
    assert gfloat.round_float(info, x) not in theirs
    assert gfloat.encode_float(info, gfloat.round_float(info, x)) < 0
    assert fmt.values[fmt.encode(np.array([x * 2.0**7]))].tolist() == [1.0625]
