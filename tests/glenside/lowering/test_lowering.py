"""Every kernel of random layers against plain loops over the same codes."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.glenside.affine.contraction import Contraction, NotAffineError
from systolab.glenside.affine.nest import Loop, Nest, Role
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.kernels import lower
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.timing import cycles
from tests.glenside.lowering.lowered import check, codes, integers, machine
from tests.glenside.shapes import convolution, product


def direct_convolution(
    x: NDArray[np.int64], w: NDArray[np.int64], strides: tuple[int, ...], pads: tuple[int, ...],
    dilations: tuple[int, ...], groups: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Two-dimensional convolution by its definition."""
    padded = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
    kh, kw = w.shape[2:]
    height = (padded.shape[2] - dilations[0] * (kh - 1) - 1) // strides[0] + 1
    width = (padded.shape[3] - dilations[1] * (kw - 1) - 1) // strides[1] + 1
    y = np.zeros((x.shape[0], w.shape[0], height, width), dtype=np.int64)
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for i, j, m in itertools.product(range(kh), range(kw), range(w.shape[0])):
        rows = slice(i * dilations[0], i * dilations[0] + (height - 1) * strides[0] + 1, strides[0])
        cols = slice(j * dilations[1], j * dilations[1] + (width - 1) * strides[1] + 1, strides[1])
        first = m // outputs * inputs
        part = padded[:, first : first + inputs, rows, cols]
        y[:, m] += np.einsum("nchw,c->nhw", part, w[m, :, i, j])
    return y


# x, w, strides, pads, dilations, groups
CONVOLUTIONS = {
    "3x3 padded": ((1, 3, 6, 7), (5, 3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "1x1": ((2, 6, 4, 5), (7, 6, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "strided": ((1, 4, 9, 8), (4, 4, 3, 2), (2, 3), (1, 0, 1, 2), (1, 1), 1),
    "dilated": ((1, 2, 9, 10), (3, 2, 2, 3), (1, 1), (2, 1, 0, 2), (2, 3), 1),
    "grouped": ((1, 8, 5, 5), (16, 2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 4),
    "depthwise": ((1, 5, 6, 6), (5, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 5),
    "multiplier": ((1, 3, 5, 6), (6, 1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 3),
    "batch": ((3, 5, 4, 4), (4, 5, 2, 2), (1, 1), (0, 1, 1, 0), (1, 1), 1),
    "one output": ((1, 3, 3, 3), (2, 3, 3, 3), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "wide": ((1, 20, 3, 3), (18, 20, 1, 3), (1, 1), (0, 1, 0, 1), (1, 1), 1),
}
ARRAYS = {"4x4": (4, 4), "5x3": (5, 3), "16x16": (16, 16)}
LAYOUTS = [("NCHW", "NCHW"), ("NHWC", "NHWC"), ("NCHW4c", "NCHW4c"), ("NHWC", "NCHW"),
           ("NCHW", "NCHW8c"), ("CHWN", "NWHC")]  # fmt: skip


@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
@pytest.mark.parametrize("size", ARRAYS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name: str, size: str, layouts: tuple[str, str]) -> None:
    x_shape, w_shape, strides, pads, dilations, groups = CONVOLUTIONS[name]
    rng = np.random.default_rng(len(name))
    x, w = codes(rng, x_shape), codes(rng, w_shape)
    contraction = convolution(x_shape, w_shape, strides, pads, dilations, groups)
    expected = direct_convolution(integers(x), integers(w), strides, pads, dilations, groups)
    array = machine(*ARRAYS[size], acc_rows=max(16, ARRAYS[size][0]))
    candidates = check(contraction, x, w, expected, array, (layouts[0], None, layouts[1]))
    assert {c.kernel.mode for c in candidates} == set(Mode)


@pytest.mark.parametrize("layouts", [("ABC", "ABC"), ("ABC", "ACB"), ("ABC4c", "ABC4b"),
                                     ("BAC", "ABC")], ids="-".join)  # fmt: skip
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("size", ARRAYS)
def test_batched_product_of_activations(
    size: str, transposed: bool, layouts: tuple[str, str]
) -> None:
    rng = np.random.default_rng(3)
    a_shape, w_shape = (3, 7, 10), (3, 6, 10) if transposed else (3, 10, 6)
    a, w = codes(rng, a_shape, -2, 3), codes(rng, w_shape, -2, 3)
    right = integers(w).transpose(0, 2, 1) if transposed else integers(w)
    contraction = product(a_shape, w_shape, transposed)
    check(contraction, a, w, integers(a) @ right, machine(*ARRAYS[size]), (*layouts, "ABC"))


@pytest.mark.parametrize("shape", [(1, 33), (20, 7), (4, 5, 9)])
@pytest.mark.parametrize("size", ARRAYS)
def test_dense(size: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    a, w = codes(rng, shape), codes(rng, (11, shape[-1]))
    contraction = product(shape, w.shape, transposed_w=True, shared_w=True)
    layout = Layout.row_major(len(shape)).name
    expected = integers(a) @ integers(w).T
    check(contraction, a, w, expected, machine(*ARRAYS[size]), (layout, None, layout))


def test_channels_fuse_with_the_kernel_width() -> None:
    """NHWC: the row kw*c is one contiguous run, padding included; so lanes are full."""
    contraction = convolution((1, 3, 8, 8), (8, 3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    nhwc = Layout.parse("NHWC")
    candidates = lower(contraction.nest(nhwc, None, nhwc), machine(16, 16), True)
    fused = [c for c in candidates if "k1*c" in c.label and c.kernel.mode is Mode.WEIGHT_STATIONARY]
    assert [c.kernel.a.lane for c in fused] == [(9, 1)]
    assert fused[0].kernel.reduction == (3,)


@pytest.mark.parametrize("width", [20, 21])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pad", [0, 1])
def test_sliding_depthwise(stride: int, pad: int, width: int) -> None:
    """Neighbouring outputs share the lanes: several columns although there is one filter."""
    rng = np.random.default_rng(stride)
    x, w = codes(rng, (2, 3, 7, width)), codes(rng, (3, 1, 3, 3))
    pads, strides = (pad,) * 4, (stride, stride)
    contraction = convolution(x.shape, w.shape, strides, pads, (1, 1), 3)
    expected = direct_convolution(integers(x), integers(w), strides, pads, (1, 1), 3)
    candidates = check(contraction, x, w, expected, machine(8, 8), ("NCHW", None, "NCHW"))
    slid = next(c for c in candidates if "y1+k1" in c.label)
    assert 1 < slid.kernel.w.lanes <= {1: 6, 2: 3, 3: 2}[stride]
    assert slid.kernel.a.lanes == stride * (slid.kernel.w.lanes - 1) + 3
    assert slid is candidates[0]  # and it is the fastest


def test_sliding_beats_one_column_by_far() -> None:
    contraction = convolution((1, 32, 28, 28), (32, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 32)
    array, layout = machine(16, 16), Layout.parse("NCHW")
    candidates = lower(contraction.nest(layout, None, layout), array, True, prune=np.inf)
    slid, plain = (
        min(cycles(c.kernel, array) for c in candidates if ("+" in c.label) is found)
        for found in (True, False)
    )
    assert slid < plain / 10


def swapped(contraction: Contraction) -> Contraction:
    """The operands exchanged, rows and columns with them."""
    other = {Role.ROW: Role.COLUMN, Role.COLUMN: Role.ROW}
    axes = tuple(replace(axis, role=other.get(axis.role, axis.role)) for axis in contraction.axes)
    return replace(contraction, axes=axes, a=contraction.w, w=contraction.a)


def test_rows_with_a_bias_each_do_not_slide() -> None:
    """Filters as rows step over their taps like a window, but each has its own bias."""
    rng = np.random.default_rng(8)
    x, w = codes(rng, (1, 1, 1, 4)), codes(rng, (6, 1, 1, 3))
    contraction = convolution(x.shape, w.shape, (1, 1), (0, 0, 0, 0), (1, 1))
    expected = direct_convolution(integers(x), integers(w), (1, 1), (0, 0, 0, 0), (1, 1), 1)
    check(swapped(contraction), w, x, expected, machine(16, 16), ("OIHW", None, "NCHW"))


def test_dilated_windows_do_not_slide() -> None:
    contraction = convolution((1, 3, 9, 9), (3, 1, 3, 3), (1, 1), (0, 0, 0, 0), (2, 2), 3)
    layout = Layout.parse("NCHW")
    candidates = lower(contraction.nest(layout, None, layout), machine(8, 8), True, prune=np.inf)
    assert not [c for c in candidates if "+" in c.label]


def test_swapped_operands() -> None:
    rng = np.random.default_rng(6)
    a, w = codes(rng, (7, 9)), codes(rng, (5, 9))
    contraction = swapped(product(a.shape, w.shape, True, True))
    layouts = ("NC", "NC", "NC")
    candidates = check(contraction, w, a, integers(a) @ integers(w).T, machine(4, 4), layouts)
    assert {c.kernel.mode for c in candidates} == set(Mode)  # although every row has its own bias


def test_nest_of_too_many_conditions_is_refused() -> None:
    contraction = convolution((1, 2, 5, 5), (2, 2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    layout = Layout.parse("NCHW")
    nest = contraction.nest(layout, None, layout)
    crowded = Nest(nest.loops, nest.bases, nest.conditions * 3)
    with pytest.raises(SystolabError, match=r"^Nest must fit 12 loops and 4 guards a stream"):
        lower(crowded, machine(4, 4), True)


def test_groups_that_straddle_blocks_are_refused() -> None:
    contraction = convolution((1, 8, 5, 5), (12, 2, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 4)
    layout = Layout.parse("NCHW4c")
    with pytest.raises(NotAffineError) as caught:
        contraction.nest(layout, None, layout)
    assert str(caught.value) == "Axis 'g' must step through blocks of 4 evenly, not by 3"


@pytest.mark.parametrize("width", [9, 5])
def test_windows_over_a_blocked_dimension_are_refused(width: int) -> None:
    contraction = convolution((1, 2, 5, width), (2, 2, 3, 3), (1, 1), (0, 0, 0, 0), (1, 1))
    with pytest.raises(NotAffineError, match=r"must step through blocks of 4 evenly, not by 1$"):
        contraction.nest(Layout.parse("NCHW4w"), None, Layout.parse("NCHW"))


def test_reduction_loop_must_not_move_the_output() -> None:
    message = "Loop 'k' must move only what a reduction loop may, not have strides (1, 1, 1, 0)"
    with pytest.raises(SystolabError, match=f"^{re.escape(message)}$"):
        Nest((Loop("k", Role.REDUCTION, 3, (1, 1, 1, 0)),), (0, 0, 0, 0))
