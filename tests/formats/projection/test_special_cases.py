"""Every special case that docs/numbers.md decides."""

import numpy as np
import pytest

from systolab.formats import SystolabError, families, get
from systolab.formats.describe.decompose import decompose
from systolab.formats.registry.validation import validate

MORE = [
    "mxfp8:e5m2",
    "mxfp6:e3m2",
    "posit:8,0",
    "posit:16,1",
    "lns:6,1",
    "lns:8,0",
    "binary8p1ue",
    "binary8p4sf",
    "int:8,symmetric=yes",
    "adaptivfloat:16,5",
    "adaptivfloat2022:6,2",
    "float:4,3,subnormals=no",
    "float:4,3,specials=fn,signed=no",
    "float:5,0,specials=p3109",
    "uint:1",
    "int:16",
]
NAMES = [family.example for family in families() if family.name != "codebook"] + MORE


@pytest.mark.parametrize("name", NAMES)
def test_all_codes_agree(name: str) -> None:
    validate(get(name))


@pytest.mark.parametrize("name", NAMES)
def test_name_round_trips(name: str) -> None:
    fmt = get(name)
    assert get(fmt.name) == fmt
    assert get(fmt.name).name == fmt.name
    assert repr(fmt) == f"systolab.format({fmt.name!r})"


def test_equal_spellings_share_their_tables() -> None:
    assert get("posit:16,1") is get(" posit:16,1 ")
    assert get("posit:16,1") == get("posit:16,1,rounding=nearest-even")
    assert get("posit:16,1") != get("posit:16,2")
    with pytest.raises(ValueError, match="read-only"):
        get("int:8").values[0] = 1


@pytest.mark.parametrize("name", NAMES)
def test_table_properties(name: str) -> None:
    """quantum, ratio and decomposition against plain arithmetic on the table."""
    fmt = get(name)
    finite = fmt.values[np.isfinite(fmt.values)]
    multiples = np.ldexp(finite, -int(np.log2(fmt.quantum)))
    assert (multiples == np.rint(multiples)).all()
    assert (multiples / 2 != np.rint(multiples / 2)).any()
    assert fmt.ratio == int(np.abs(multiples).max())
    parts = decompose(fmt)
    value = np.ldexp(parts.significand.astype(float), parts.exponent) * fmt.quantum
    value = np.where(parts.sign == 1, -value, value)
    np.testing.assert_array_equal(value, np.where(np.isfinite(fmt.values), fmt.values, 0))
    assert parts.significand.max() < 2**parts.sig_bits
    odd = parts.significand[parts.significand > 0]
    assert (odd // (odd & -odd)).max() >= 2 ** (parts.sig_bits - 1)


@pytest.mark.parametrize(
    ("name", "nan", "inf", "negative_inf", "negative_zero", "tiny"),
    [
        ("adaptivfloat:8,3", 0, 0x7F, 0xFF, 0, 0),
        ("e4m3fn", 0x7F, 0x7E, 0xFE, 0x80, 0),
        ("e4m3fn:saturation=none", 0x7F, 0x7F, 0x7F, 0x80, 0),
        ("e4m3fn:saturation=propagate", 0x7F, 0x7F, 0x7F, 0x80, 0),
        ("e5m2", 0x7E, 0x7B, 0xFB, 0x80, 0),
        ("e5m2:saturation=propagate", 0x7E, 0x7C, 0xFC, 0x80, 0),
        ("bfloat16", 0x7FC0, 0x7F80, 0xFF80, 0x8000, 0),
        ("binary8p4se", 0x80, 0x7E, 0xFE, 0, 0),
        ("e2m1", 0, 0x7, 0xF, 0x8, 0),
        ("int:8", 0, 0x7F, 0x80, 0, 0),
        ("int:8,symmetric=yes", 0, 0x7F, 0x81, 0, 0),
        ("uint:8", 0, 0xFF, 0, 0, 0),
        ("posit:8,2", 0x80, 0x80, 0x80, 0, 1),
        ("nf4", 7, 15, 0, 7, 7),
        ("lns:8,3", 0x40, 0x3F, 0xBF, 0x40, 0x40),
    ],
)
def test_specials(
    name: str, nan: int, inf: int, negative_inf: int, negative_zero: int, tiny: int
) -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42], np.float32)
    assert get(name).encode(x).tolist() == [nan, inf, negative_inf, negative_zero, tiny]


def test_overflow_is_a_visible_switch() -> None:
    x = np.array([464, 465, 1e9], np.float32)  # 464 ties between 448 and the missing 480
    assert get("e4m3fn").encode(x).tolist() == [0x7E] * 3
    assert get("e4m3fn:saturation=none").encode(x).tolist() == [0x7E, 0x7F, 0x7F]
    y = np.array([61439, 61440, 1e9], np.float32)
    assert get("e5m2").encode(y).tolist() == [0x7B] * 3
    assert get("e5m2:saturation=none").encode(y).tolist() == [0x7B, 0x7C, 0x7C]
    with pytest.raises(
        SystolabError, match="Saturation of int:8,saturation=none must be finite or propagate"
    ):
        get("int:8,saturation=none")


def test_flexasr_sends_more_to_zero_than_the_paper() -> None:
    x = np.array([0.6, 1.0, 1.03125, -1.03125, -1.04, 1.04], np.float32)
    assert get("flexasr").encode(x).tolist() == [0, 0, 1, 0, 0x81, 1]
    assert get("adaptivfloat:8,3").encode(x).tolist() == [1, 1, 1, 0x81, 0x81, 1]
    ties = np.array([1.09375, -1.09375], np.float32)  # towards +infinity, not to even
    assert get("flexasr").encode(ties).tolist() == [2, 0x81]
    assert get("adaptivfloat:8,3").encode(ties).tolist() == [2, 0x82]


def test_adaptivfloat2022_flushes_and_has_two_binades_fewer() -> None:
    fmt = get("adaptivfloat2022:8,3")
    assert fmt.max == 62
    x = np.array([0.999, 1.0, -0.999, -1.0], np.float32)
    assert fmt.values[fmt.encode(x)].tolist() == [0, 1, 0, -1]


def test_lns_values_and_boundaries() -> None:
    fmt = get("lns:8,3")
    assert fmt.decode(0) == 1
    assert fmt.decode(8) == 2
    assert fmt.decode(4) == float(np.float32(np.sqrt(2)))
    middle = 2.0 ** (1 / 16)
    x = np.array([np.nextafter(middle, 0), np.nextafter(middle, 2)])
    assert fmt.encode(x).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("int:1", "Integer's width must be 2 to 16 bits, not 1"),
        ("int:8,9", "Parameters of 'int:8,9' must be n, not '8,9'"),
        ("int:x", "Parameter n of 'int:x' must be an integer, not 'x'"),
        ("int:8,rounding=best", "Option rounding of 'int:8,rounding=best' must be one of nearest"),
        ("int:8,colour=red", "Option of 'int:8,colour=red' must be one of block, .*, not 'colour'"),
        ("int:8,sacle=pow2", "must be one of .*, not 'sacle'; did you mean 'scale'\\?"),
        ("int:8,scale=pow", "must be one of none, .*, not 'pow'; did you mean 'pow2'\\?"),
        ("int:8,seed=1,seed=2", "Option 'seed' of .* must be given once, not twice"),
        ("int:seed=1,8", "Parameters of 'int:seed=1,8' must come before its options"),
        ("e4m3fn:1", "Parameters of 'e4m3fn:1' must be nothing, not '1'"),
        ("float:9,3", "Float's exponent must be 0 to 8 bits, not 9"),
        ("float:8,3,specials=finite", "must be a binary32 value, not 3.40"),
        ("posit:8,6", r"must keep 2\^\(\(n-2\)\*2\^es\) below 2\^128, not be 6"),
        ("lns:10,0", "LNS fraction must be 1 to 8 bits, not 0"),
        ("binary8p9se", "Precision of 'binary8p9se' must be 1 to 7, not 9"),
        ("mxfp8:e2m1", "Element format of mxfp8 must be e4m3fn or e5m2, not 'e2m1'"),
        ("bfp:8,0", "Block size must be from 1 to 65536, not 0"),
        (
            "codebook:/no/such.csv",
            "Codebook file '/no/such.csv' must be a readable file: No such file or dir",
        ),
        ("fixed:8,200", "Fixed point's fraction must be -100 to 100 bits, not 200"),
        ("adaptivfloat2022:8,1", "Exponent of adaptivfloat2022 must be at least 2 bits, not 1"),
    ],
)
def test_errors(spec: str, message: str) -> None:
    with pytest.raises(SystolabError, match=message):
        get(spec)
