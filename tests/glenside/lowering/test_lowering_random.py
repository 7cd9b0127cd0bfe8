"""Random convolutions and products through every kernel; other formats; pruning."""

from __future__ import annotations

import numpy as np
import pytest

from systolab import formats
from systolab.formats.arithmetic.accumulator import Exact
from systolab.glenside.affine.contraction import NotAffineError
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.kernels import lower
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.timing import cycles
from systolab.rtl.values import run
from tests.glenside.lowering.lowered import check, codes, integers, machine
from tests.glenside.lowering.test_lowering import direct_convolution
from tests.glenside.shapes import convolution, product

LAYOUTS = ("NCHW", "NHWC", "NCHW2c", "NCHW4c", "NC8cHW", "HWCN", "N2nCHW")


def random_convolution(
    rng: np.random.Generator,
) -> tuple[
    tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int
]:
    groups = int(rng.choice([1, 1, 1, 2, 4]))
    channels, filters = groups * int(rng.integers(1, 7)), groups * int(rng.integers(1, 7))
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    dilation, pads = rng.integers(1, 3, 2), rng.integers(0, 3, 4)
    span = dilation * (kernel - 1) + 1
    sizes = np.maximum(span - pads[:2] - pads[2:], 1) + rng.integers(0, 7, 2)
    x = (int(rng.integers(1, 4)), channels, *map(int, sizes))
    w = (filters, channels // groups, *map(int, kernel))
    strides, padding, dilations = (tuple(map(int, values)) for values in (stride, pads, dilation))
    return x, w, strides, padding, dilations, groups


@pytest.mark.parametrize("seed", range(60))
def test_random_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x_shape, w_shape, strides, pads, dilations, groups = random_convolution(rng)
    x, w = codes(rng, x_shape), codes(rng, w_shape)
    contraction = convolution(x_shape, w_shape, strides, pads, dilations, groups)
    expected = direct_convolution(integers(x), integers(w), strides, pads, dilations, groups)
    rows, cols = (int(v) for v in rng.integers(1, 10, 2))
    array = machine(rows, cols, acc_rows=int(rng.integers(rows, rows + 40)))
    layouts = tuple(str(name) for name in rng.choice(LAYOUTS, 2))
    try:
        check(contraction, x, w, expected, array, (layouts[0], None, layouts[1]))
    except NotAffineError:
        assert groups > 1  # groups may straddle blocks


@pytest.mark.parametrize("seed", range(20))
def test_random_product(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch, m, n, k = (int(v) for v in rng.integers(1, 14, 4))
    transposed = bool(rng.integers(2))
    a, w = codes(rng, (batch, m, k)), codes(rng, (batch, n, k) if transposed else (batch, k, n))
    right = integers(w).transpose(0, 2, 1) if transposed else integers(w)
    contraction = product(a.shape, w.shape, transposed)
    names = tuple(str(name) for name in rng.choice(["ABC", "ACB", "ABC4c", "CAB", "A3aBC"], 3))
    array = machine(*(int(v) for v in rng.integers(1, 10, 2)))
    check(contraction, a, w, integers(a) @ right, array, (names[0], names[1], names[2]))


@pytest.mark.parametrize("spec", ["adaptivfloat:8,3", "adaptivfloat:4,2", "posit:8,1"])
@pytest.mark.parametrize("mode", Mode)
def test_kernels_agree_for_any_format(spec: str, mode: Mode) -> None:
    """With an exact accumulator the order of summation does not matter: all give one result."""
    rng = np.random.default_rng(1)
    fmt = formats.get(spec)
    contraction = convolution((1, 5, 7, 6), (6, 5, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    x = fmt.encode(rng.standard_normal((1, 5, 7, 6)).astype(np.float32))
    w = fmt.encode(rng.standard_normal((6, 5, 3, 3)).astype(np.float32))
    sums = np.zeros((1, 6, 7, 6))
    values, weights = np.pad(fmt.values[x], [(0, 0), (0, 0), (1, 1), (1, 1)]), fmt.values[w]
    for i in range(3):
        for j in range(3):
            part = values[:, :, i : i + 7, j : j + 6]
            sums += np.einsum("nchw,mc->nmhw", part, weights[:, :, i, j])
    expected = fmt.encode(sums.astype(np.float32))  # exact in binary64, rounded once
    array = Array(8, 4, fmt, fmt, fmt, Exact())
    layout = Layout.parse("NHWC")
    ones, zeros = np.ones(6, np.float32), np.zeros(6, np.float32)
    for candidate in lower(contraction.nest(layout, None, layout), array, True, (mode,), np.inf):
        assert candidate.w_layout is not None
        packed = layout.pack(x, fmt.zero_code), candidate.w_layout.pack(w, fmt.zero_code)
        before = np.zeros_like(layout.pack(expected))
        job = Job(candidate.kernel, *packed, ones, zeros, -np.inf, np.inf, before)
        result = run(array, job)
        assert (layout.unpack(result.o_mem, expected.shape) == expected).all()


@pytest.mark.parametrize("name", ["NCHW", "NHWC", "NCHW16c"])
def test_pruning_keeps_the_best(name: str) -> None:
    array, layout = machine(16, 16), Layout.parse(name)
    for x, w, stride, pad in (
        ((1, 3, 32, 32), (16, 3, 7, 7), 2, 3), ((1, 32, 14, 14), (48, 32, 3, 3), 1, 1),
        ((1, 64, 14, 14), (32, 64, 1, 1), 1, 0), ((1, 20, 9, 9), (20, 20, 5, 5), 2, 2),
    ):  # fmt: skip
        nest = convolution(x, w, (stride,) * 2, (pad,) * 4, (1, 1)).nest(layout, None, layout)
        best = min(cycles(c.kernel, array) for c in lower(nest, array, True))
        every = lower(nest, array, True, prune=np.inf)
        assert best == min(cycles(c.kernel, array) for c in every)
        assert [c.estimate for c in every] == sorted(c.estimate for c in every)
