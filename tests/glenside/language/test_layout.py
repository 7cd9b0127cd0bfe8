"""Layouts against NumPy's transposes and reshapes."""

from __future__ import annotations

import numpy as np
import pytest

from systolab.formats.errors import SystolabError
from systolab.glenside.language.layout import Layout


@pytest.mark.parametrize("name", ["NCHW", "NHWC", "NCHW16c", "CN", "NC4c", "OIHW16o", "HWIO",
                                  "ABCDE", "EADCB", "NC8cHW", "N2nC4cHW", "NCW"])  # fmt: skip
def test_name_parses_back(name: str) -> None:
    assert Layout.parse(name).name == name


def test_orders_are_numpy_transposes() -> None:
    x = np.arange(2 * 5 * 3 * 4).reshape(2, 5, 3, 4)
    assert (Layout.parse("NCHW").pack(x) == x.reshape(-1)).all()
    assert (Layout.parse("NHWC").pack(x) == x.transpose(0, 2, 3, 1).reshape(-1)).all()
    assert (Layout.parse("WCNH").pack(x) == x.transpose(3, 1, 0, 2).reshape(-1)).all()
    weights = np.arange(6 * 5 * 3 * 2).reshape(6, 5, 3, 2)
    assert (Layout.parse("HWIO").pack(weights) == weights.transpose(2, 3, 1, 0).reshape(-1)).all()


def test_blocks_are_padded_reshapes() -> None:
    x = np.arange(1, 1 + 2 * 5 * 3 * 4).reshape(2, 5, 3, 4)
    padded = np.pad(x, [(0, 0), (0, 3), (0, 0), (0, 0)], constant_values=7)
    blocked = padded.reshape(2, 2, 4, 3, 4)
    assert (Layout.parse("NCHW4c").pack(x, 7) == blocked.transpose(0, 1, 3, 4, 2).reshape(-1)).all()
    assert (Layout.parse("NC4cHW").pack(x, 7) == blocked.reshape(-1)).all()


@pytest.mark.parametrize("name", ["NHWC", "NCHW4c", "N2nHWC16c", "W3wC2cHN"])
def test_unpack_inverts_pack(name: str) -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 7)).astype(np.uint8)
    layout = Layout.parse(name)
    assert (layout.unpack(layout.pack(x), x.shape) == x).all()
    assert layout.pack(x).dtype == np.uint8
    for dim, strides in enumerate(layout.strides(x.shape)):
        along = layout.addresses(x.shape).swapaxes(0, dim)[:, 0, 0, 0]
        i = np.arange(x.shape[dim])
        formula = i // strides.block * strides.outer + i % strides.block * strides.inner
        assert (along == formula).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Layout must be capitals and blocks such as 'NCHW16c', not ''"),
        ("NC-HW", "Layout must be capitals and blocks such as 'NCHW16c', not 'NC-HW'"),
        ("NCHWc", "Layout must be capitals and blocks such as 'NCHW16c', not 'NCHWc'"),
        ("NCHW0c", "Layout must be capitals and blocks such as 'NCHW16c', not 'NCHW0c'"),
        ("XY", "Layout must take its capitals from one of NCDHW, OIDHW, ABCDEFGH, not 'XY'"),
        ("NCC", "Layout must name a dimension or block once, not as in 'NCC'"),
        ("NHW16c", "Layout must name the dimension of every block, not as 'NHW16c'"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        Layout.parse(name)
    assert str(caught.value) == message


def test_bad_shapes() -> None:
    layout = Layout.parse("NCHW4c")
    with pytest.raises(SystolabError, match=r"^Layout NCHW4c must be given 4 dimensions, not \(2,"):
        layout.size((2, 3))
    with pytest.raises(SystolabError, match=r"must have 16 codes, not \(15,\)$"):
        layout.unpack(np.zeros(15), (1, 3, 2, 2))
    with pytest.raises(SystolabError, match=r"^Layout must have 1 to 8 dimensions, not 9$"):
        Layout.row_major(9)
