"""Converters from ml_dtypes and gfloat, and the comparison of AdaptivFloats."""

import gfloat
import ml_dtypes
import numpy as np
import pytest
from gfloat import formats as known

from systolab.formats import SystolabError, get
from systolab.formats.describe.comparison import compare_adaptivfloat
from systolab.formats.registry.converters import from_dtype, from_gfloat


def test_from_dtype() -> None:
    assert from_dtype(ml_dtypes.float8_e4m3fn) == get("e4m3fn")
    assert from_dtype(np.float16).name == "binary16"
    x = np.linspace(-9, 9, 1000, dtype=np.float32)
    for dtype in (ml_dtypes.int4, ml_dtypes.int2, np.int8):
        fmt = from_dtype(dtype)
        x = np.arange(-(2 ** (fmt.bits - 1)), 2 ** (fmt.bits - 1)).astype(np.float32)
        np.testing.assert_array_equal(fmt.values[fmt.encode(x)], x.astype(dtype).astype(float))
    with pytest.raises(SystolabError, match=r"Type must be one of float16, .* not float8_e8m0fnu"):
        from_dtype(ml_dtypes.float8_e8m0fnu)


def test_from_gfloat() -> None:
    assert from_gfloat(known.format_info_ocp_e4m3) == get("e4m3fn")
    assert from_gfloat(known.format_info_ocp_int8).name == "fixed:8,6"
    for info in known.sample_formats:
        if info.k <= 16 and info.name != "ocp_e8m0":
            fmt = from_gfloat(info)
            assert get(fmt.name) == fmt
    with pytest.raises(SystolabError, match=r"Width of binary64 must be up to 16 bits, not 64"):
        from_gfloat(known.format_info_binary64)


def test_from_gfloat_refuses_what_it_cannot_spell() -> None:
    info = gfloat.FormatInfo(
        name="odd",
        k=8,
        precision=4,
        bias=7,
        has_nz=True,
        domain=gfloat.Domain.Finite,
        num_high_nans=3,
        has_subnormals=True,
        is_signed=True,
        is_twos_complement=False,
    )
    with pytest.raises(SystolabError, match=r"Layout of odd must be one .* code 0x7d is nan there"):
        from_gfloat(info)


def test_three_adaptivfloats_differ_as_measured() -> None:
    """The figures measured on restatements of the three sources (1e6 samples, per cent)."""
    rows = {row.name: row for row in compare_adaptivfloat()}
    paper, later, hardware = rows.values()
    assert paper.differing == {"normal": 0.0, "laplace": 0.0}
    assert later.differing == pytest.approx({"normal": 8.63, "laplace": 18.9}, rel=0.01)
    assert hardware.differing == pytest.approx({"normal": 1.26, "laplace": 2.95}, rel=0.01)
    assert [row.rms_error["normal"] for row in rows.values()] == pytest.approx(
        [0.01340, 0.02635, 0.01364], rel=0.001
    )
    assert [row.rms_error["laplace"] for row in rows.values()] == pytest.approx(
        [0.00967, 0.03418, 0.01043], rel=0.001
    )
