"""Random kernels through the Verilated RTL: every code and every cycle, stalls or not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from systolab.cosim.simulator.model import Model
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from systolab.formats.codes import Codes
from systolab.formats.format import Format
from systolab.rtl import AccessPattern, Array, Kernel, Mode
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.timing.timing import cycles, timing
from systolab.rtl.timing.traffic import traffic
from systolab.rtl.values import run
from tests.kernels import Convolution, convolutions, random_kernels


def _array(
    rows: int,
    cols: int,
    formats: tuple[str, str, str],
    accumulator: Accumulator,
    line: int = 0,
    acc_rows: int = 64,
) -> Array:
    act, weight, out = (get(name) for name in formats)
    return Array(rows, cols, act, weight, out, accumulator, line, acc_rows)


AF8 = "adaptivfloat:8,3"
ARRAYS = {
    "4x4 adaptivfloat exact": _array(4, 4, (AF8, AF8, AF8), Exact()),
    "5x3 mixed wrap": _array(5, 3, ("adaptivfloat:6,3", "adaptivfloat:4,2", AF8), Wrap(20)),
    "3x5 e5m2 float32": _array(3, 5, ("e5m2", "e4m3fn", "float:5,5"), Float32(), acc_rows=40),
    "4x1 int8 saturate": _array(4, 1, ("int:8", "int:8", "int:8"), Saturate(16), line=16),
    "1x16 int4 wrap": _array(1, 16, ("int:4", "int:4", "int:8"), Wrap(9)),
    "1x4 wide codes exact": _array(1, 4, ("fixed:10,6", "int:8", "fixed:12,4"), Exact(), line=8),
    "1x1 posit exact": _array(1, 1, ("posit:8,1",) * 3, Exact()),
}


FLOAT32 = "3x5 e5m2 float32"  # drawn more often: orders of summation and NaN show there only


@cache
def model(name: str) -> Model:
    return Model(ARRAYS[name], random_registers=1)


@st.composite
def kernels(draw: st.DrawFn, array: Array) -> Kernel:
    """Arbitrary access patterns, convolutions, matrix products."""
    rows, cols = array.rows, array.cols
    kind = draw(st.sampled_from(["random", "random", "convolution", "gemm"]))
    if kind == "random":
        return draw(random_kernels(rows, cols, array.acc_rows, vectors=800))
    mode = draw(st.sampled_from(list(Mode)))
    if kind == "convolution":
        return draw(convolutions(largest=7)).lower(mode, rows, cols, array.acc_rows)
    m, k, n = (draw(st.integers(1, 20)) for _ in range(3))
    turned = [draw(st.booleans()) for _ in range(3)]
    shapes = [(m, k), (k, n), (m, n)]
    strides = [(1, r) if t else (c, 1) for t, (r, c) in zip(turned, shapes, strict=True)]
    return gemm_kernel(array, m, k, n, mode, *strides)


def _memory(pattern: AccessPattern, fmt: Format, specials: bool, rng: np.random.Generator) -> Codes:
    """Random codes, with a NaN or infinity now and then where ``specials``.

    Most memories hold few different magnitudes: sums cancel and saturate, so that the order
    of additions shows.
    """
    reached = pattern.addresses()[pattern.active()]
    size = int(reached.max()) + 1 if reached.size else 1
    drawn = rng.integers(0, 1 << fmt.bits, size)
    codes: Codes = drawn.astype(np.uint8) if fmt.bits <= 8 else drawn.astype(np.uint16)
    if rng.random() < 0.7:
        magnitudes = np.append(np.abs(fmt.values[rng.choice(codes, 2)]), fmt.max)
        palette = fmt.encode(np.concatenate([magnitudes, -magnitudes]))
        codes = rng.choice(palette, size)
    special = ~np.isfinite(fmt.values[codes])
    codes[special & (rng.random(size) < (0.9 if specials else 1))] = fmt.zero_code
    return codes


def _parameters(
    count: int, rng: np.random.Generator, unit: float, binades: int
) -> NDArray[np.float32]:
    """Positive numbers, together in one of many binades around a unit."""
    scale = unit * 2.0 ** float(rng.uniform(-12, binades))
    return np.asarray(scale * rng.uniform(0.5, 1, count), np.float32)


def compare(data: st.DataObject) -> None:
    """Draw a case, run it on both sides and compare."""
    name = data.draw(st.sampled_from([*ARRAYS, FLOAT32, FLOAT32]))
    array = ARRAYS[name]
    kernel = data.draw(kernels(array))
    stall_seed = data.draw(st.one_of(st.none(), st.integers(1, 1 << 30)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    specials = isinstance(array.accumulator, Float32)
    a_mem = _memory(kernel.a, array.act, specials, rng)
    w_mem = _memory(kernel.w, array.weight, specials, rng)
    o_mem = _memory(kernel.o, array.out, specials, rng)
    count = int(kernel.p.addresses().max()) + 1
    # Results of a size that the output format resolves, whatever the formats and the reduction.
    # In floating point even what is left of cancelled sums must show.
    binades = 30 if specials else 2
    scales = _parameters(count, rng, array.out.max / array.act.max / array.weight.max, binades)
    biases = _parameters(count, rng, array.out.max, 0) * rng.choice([-1, 0, 1], count)
    lo, hi = data.draw(st.sampled_from([(-np.inf, np.inf), (0.0, np.inf), (-1.0, 3.0)]))
    job = Job(kernel, a_mem, w_mem, scales, biases.astype(np.float32), lo, hi, o_mem)
    expected = run(array, job).o_mem
    found = model(name).run(job, stall_seed)
    np.testing.assert_array_equal(found.o, expected)
    assert found.cycles == cycles(kernel, array)  # stalled cycles do not count
    assert found.traffic == traffic(kernel, array)
    assert found.misconduct == ""


QUICK = settings(deadline=None, max_examples=800, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.data())
def test_random_kernels(data: st.DataObject) -> None:
    compare(data)


@pytest.mark.slow
@settings(QUICK, max_examples=2500)
@given(st.data())
def test_many_random_kernels(data: st.DataObject) -> None:
    compare(data)


@pytest.mark.parametrize("reduction", [1, 7])
def test_parameters_arrive_last(reduction: int) -> None:
    # One column sum an iteration leaves nothing to hide the parameters of sixteen columns behind.
    name = "1x16 int4 wrap"
    array = ARRAYS[name]
    n = 10 * array.cols
    kernel = gemm_kernel(array, 1, reduction, n)
    ones = np.ones(n, np.float32)
    a_mem, w_mem, o_mem = (np.ones(size, np.uint8) for size in (reduction, reduction * n, n))
    found = model(name).run(Job(kernel, a_mem, w_mem, ones, ones, -np.inf, np.inf, o_mem))
    np.testing.assert_array_equal(found.o, reduction + 1)
    assert found.cycles == cycles(kernel, array)
    assert (timing(kernel, array).breakdown.idle > 1) == (reduction == 1)


@pytest.mark.parametrize("mode", list(Mode))
def test_padding_hides_a_nan(mode: Mode) -> None:
    array = ARRAYS[FLOAT32]
    convolution = Convolution(1, 4, 6, 1, (3, 3), padding=1)
    kernel = convolution.lower(mode, array.rows, array.cols, array.acc_rows)
    image, output = np.full(24, array.act.encode(1.0)), np.zeros(24, np.uint16)
    weights = np.full(9, array.weight.encode(1.0))
    weights[0] = array.weight.nan_code  # meets padding in the first row and the first column
    one = np.ones(1, np.float32)
    job = Job(kernel, image, weights, one, one, -np.inf, np.inf, output)
    found = model(FLOAT32).run(job)
    np.testing.assert_array_equal(found.o, run(array, job).o_mem)
    nan = np.isnan(array.out.values[found.o]).reshape(4, 6)
    assert nan[1:, 1:].all()
    assert not nan[0].any()
    assert not nan[:, 0].any()
    assert found.cycles == cycles(kernel, array)
