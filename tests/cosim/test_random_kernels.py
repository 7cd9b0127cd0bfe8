"""Random kernels through the Verilated RTL: every code and every cycle, stalls or not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.model import Model
from formats import get
from formats.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from formats.format import Format
from formats.tensor import Codes
from rtl import AccessPattern, Array, Kernel, Mode
from rtl.gemm import gemm_kernel
from rtl.timing import cycles
from rtl.values import run
from tests.kernels import convolutions, random_kernels


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
    "3x5 e5m2 float32": _array(3, 5, ("e5m2", "e4m3fn", "e5m2"), Float32(), acc_rows=40),
    # Wide enough for the parameters of twelve columns to arrive last.
    "2x12 int8 saturate": _array(2, 12, ("int:8", "int:8", "int:8"), Saturate(18)),
    "1x4 wide codes exact": _array(1, 4, ("fixed:10,6", "int:8", "fixed:12,4"), Exact(), line=8),
    "4x1 adaptivfloat float32": _array(4, 1, (AF8, AF8, AF8), Float32(), line=16),
    "1x1 posit exact": _array(1, 1, ("posit:8,1",) * 3, Exact()),
}


@cache
def model(name: str) -> Model:
    return Model(ARRAYS[name])


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
    """Random codes, with a NaN or infinity now and then where ``specials``."""
    reached = pattern.addresses()[pattern.active()]
    size = int(reached.max()) + 1 if reached.size else 1
    codes = rng.integers(0, 1 << fmt.bits, size).astype(np.uint8 if fmt.bits <= 8 else np.uint16)
    special = ~np.isfinite(fmt.values[codes])
    codes[special & (rng.random(size) < (0.9 if specials else 1))] = fmt.zero_code
    return codes


def _typical(fmt: Format) -> float:
    return float(np.abs(fmt.values[np.isfinite(fmt.values)]).mean())


def compare(data: st.DataObject) -> None:
    """Draw a case, run it on both sides and compare."""
    name = data.draw(st.sampled_from(sorted(ARRAYS)))
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
    scale = array.out.max / 4 / (_typical(array.act) * _typical(array.weight))
    scales = (scale * rng.uniform(0.2, 1, count) / kernel.length**0.5).astype(np.float32)
    biases = (rng.normal(size=count) * array.out.max / 8).astype(np.float32)
    lo, hi = data.draw(st.sampled_from([(-np.inf, np.inf), (0.0, np.inf), (-1.0, 3.0)]))
    memories = (a_mem, w_mem, scales, biases, np.float32(lo), np.float32(hi), o_mem)
    expected = run(kernel, array, *memories).o_mem
    found, counted = model(name).run(kernel, *memories, stall_seed=stall_seed)
    np.testing.assert_array_equal(found, expected)
    assert counted == cycles(kernel, array)  # stalled cycles do not count


QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.data())
def test_random_kernels(data: st.DataObject) -> None:
    compare(data)


@pytest.mark.slow
@settings(QUICK, max_examples=2500)
@given(st.data())
def test_many_random_kernels(data: st.DataObject) -> None:
    compare(data)
