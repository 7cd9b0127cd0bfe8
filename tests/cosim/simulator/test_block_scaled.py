"""Block-scaled kernels in the RTL: every code and every cycle, stalls or not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systolab.cosim.simulator.model import Model
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.errors import SystolabError
from systolab.rtl import Array, Kernel
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.block_gemm import block_gemm, block_gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.timing.reference import cycles as reference_cycles
from systolab.rtl.timing.timing import cycles
from systolab.rtl.timing.traffic import traffic
from systolab.rtl.values import run
from tests.block_scaled import brute_force, outputs, random_memories, revealing_parameters, size_of
from tests.kernels import block_scaled_kernels

OUT = get("float:5,5")
INFINITY = np.float32(np.inf)


def _array(rows: int, cols: int, act: str, weight: str, line: int = 0, acc_rows: int = 64) -> Array:
    return Array(rows, cols, get(act), get(weight), OUT, Exact(), line, acc_rows, block_scaled=True)


ARRAYS = {
    "4x4 mxfp8": _array(4, 4, "mxfp8", "mxfp8"),
    "5x3 mxint8 mxfp4": _array(5, 3, "mxint8", "mxfp4", acc_rows=40),
    "1x5 nvfp4": _array(1, 5, "nvfp4", "nvfp4"),
    "3x1 bfp mxfp6": _array(3, 1, "bfp:6,8", "mxfp6", line=8),
}


@cache
def model(name: str) -> Model:
    return Model(ARRAYS[name], random_registers=1)


def disagrees(
    machine: Model, kernel: Kernel, seed: int, stall_seed: int | None
) -> tuple[bool, bool]:
    """Whether codes and whether cycles or traffic are not those of model and brute force."""
    array = machine.array
    rng = np.random.default_rng(seed)
    memories = random_memories(kernel, array, rng)
    acc = brute_force(kernel, array, memories)
    scale, bias = revealing_parameters(kernel, acc, rng)
    before = rng.integers(0, 1 << OUT.bits, size_of(kernel.o)).astype(np.uint16)
    scales = memories.a_scale, memories.w_scale
    job = Job(kernel, memories.a, memories.w, scale, bias, -INFINITY, INFINITY, before, *scales)
    expected = run(array, job).o_mem
    np.testing.assert_array_equal(expected, outputs(kernel, array, acc, scale, bias, before))
    assert cycles(kernel, array) == reference_cycles(kernel, array)
    found = machine.run(job, stall_seed, max_cycles=200_000)
    timed = (found.cycles, found.traffic) == (cycles(kernel, array), traffic(kernel, array))
    return not np.array_equal(found.o, expected), not timed or bool(found.misconduct)


@pytest.mark.slow
def test_hand_written_processing_elements() -> None:
    log2 = Path(__file__).parents[3] / "examples" / "plugin_log2" / "systolab_log2" / "log2.py"
    array = _array(4, 3, *2 * (f"{log2}:Log2",))
    assert "log2_pe.v" in hardware(array).files
    machine = Model(array, random_registers=1)
    for seed in range(20):
        kernel = block_gemm_kernel(array, 3 + seed % 7, 16, 5, 4)
        stall_seed = seed if seed % 2 else None
        assert disagrees(machine, kernel, seed, stall_seed) == (False, False)


def _kernels(array: Array) -> st.SearchStrategy[Kernel]:
    products = st.builds(
        block_gemm_kernel,
        st.just(array),
        st.integers(1, 12),
        st.integers(1, 24),
        st.integers(1, 9),
        st.sampled_from([1, 4, 6, 16]),
    )
    anything = block_scaled_kernels(array.rows, array.cols, array.acc_rows, vectors=150)
    return st.one_of(anything, anything, products)


QUICK = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
CASES = given(
    st.sampled_from(list(ARRAYS)).flatmap(
        lambda name: st.tuples(st.just(name), _kernels(ARRAYS[name]))
    ),
    st.integers(0, 1 << 30),
    st.one_of(st.none(), st.integers(1, 1 << 30)),
)


@QUICK
@CASES
def test_random_kernels(case: tuple[str, Kernel], seed: int, stall_seed: int | None) -> None:
    name, kernel = case
    assert disagrees(model(name), kernel, seed, stall_seed) == (False, False)


@pytest.mark.slow
@settings(QUICK, max_examples=2000)
@CASES
def test_many_random_kernels(case: tuple[str, Kernel], seed: int, stall_seed: int | None) -> None:
    name, kernel = case
    assert disagrees(model(name), kernel, seed, stall_seed) == (False, False)


def test_a_quantised_product() -> None:
    array = ARRAYS["4x4 mxfp8"]
    rng = np.random.default_rng(0)
    m, k, n = 9, 70, 6
    a = array.act.quantize(rng.normal(size=(m, k)).astype(np.float32), axis=1)
    w = array.weight.quantize(rng.normal(size=(k, n)).astype(np.float32), axis=0)
    product = block_gemm(array, a, w)
    job = Job(
        product.kernel,
        product.a,
        product.w,
        np.ones(n, np.float32),
        np.zeros(n, np.float32),
        -INFINITY,
        INFINITY,
        np.zeros(m * n, np.uint16),
        product.a_scale,
        product.w_scale,
    )
    found = model("4x4 mxfp8").run(job)
    real = a.dequantize().astype(np.float64) @ w.dequantize()
    np.testing.assert_allclose(OUT.values[found.o].reshape(m, n), real, rtol=2.0**-6, atol=2.0**-12)


def test_the_least_scale_of_e8m0() -> None:
    """2^-127 is a subnormal binary32: kept by the model and by the hardware."""
    array = ARRAYS["4x4 mxfp8"]
    rng = np.random.default_rng(1)
    m, k, n = 5, 40, 6
    tiny = np.ldexp(rng.uniform(-1, 1, (m, k)), -118).astype(np.float32)
    tiny[:, 0] = 2.0**-119  # the scale's floor, times 2^8
    tiny[:, 32] = -(2.0**-119)
    w = array.weight.quantize(rng.normal(size=(k, n)).astype(np.float32), axis=0)
    a = array.act.quantize(np.clip(tiny, -(2.0**-119), 2.0**-119), axis=1)
    assert (a.scale == np.float32(2.0**-127)).all()
    product = block_gemm(array, a, w)
    scale = np.full(n, 2.0**118, np.float32)
    job = Job(
        product.kernel,
        product.a,
        product.w,
        scale,
        np.zeros(n, np.float32),
        -INFINITY,
        INFINITY,
        np.zeros(m * n, np.uint16),
        product.a_scale,
        product.w_scale,
    )
    found = model("4x4 mxfp8").run(job).o
    np.testing.assert_array_equal(found, run(array, job).o_mem)
    np.testing.assert_array_equal(found, run(array, job, "softfloat").o_mem)
    real = a.dequantize().astype(np.float64) @ w.dequantize() * 2.0**118
    assert np.abs(real).max() > 0.5
    np.testing.assert_allclose(OUT.values[found].reshape(m, n), real, rtol=2.0**-5, atol=2.0**-5)


def test_missing_scales_are_refused() -> None:
    array = ARRAYS["4x4 mxfp8"]
    kernel = block_gemm_kernel(array, 1, 4, 1, 4)
    one, code = np.ones(1, np.float32), np.zeros(4, np.uint8)
    with pytest.raises(SystolabError) as caught:
        Job(kernel, code, code, one, one, -INFINITY, INFINITY, code)
    assert str(caught.value) == "Block scales of A and W must be given to a block-scaled kernel"


def test_block_scales_beside_their_memory_are_refused_by_both_sides() -> None:
    array = ARRAYS["4x4 mxfp8"]
    kernel = block_gemm_kernel(array, 2, 8, 3, 4)
    a, w, o = np.zeros(16, np.uint8), np.zeros(24, np.uint8), np.zeros(8, np.uint16)
    scale, bias = np.ones(4, np.float32), np.zeros(4, np.float32)
    for few, message in (
        ((3, 6), "Active lanes of stream SA must stay within addresses 0 to 2, not reach 3"),
        ((4, 5), "Active lanes of stream SW must stay within addresses 0 to 4, not reach 5"),
    ):
        scales = (np.ones(count, np.float32) for count in few)
        job = Job(kernel, a, w, scale, bias, -INFINITY, INFINITY, o, *scales)
        with pytest.raises(SystolabError) as caught:
            model("4x4 mxfp8").run(job)
        assert str(caught.value) == message
        with pytest.raises(SystolabError) as caught:
            run(array, job)
        assert str(caught.value) == message


# Each fault must show in the random kernels: (file, right, wrong, what shows it).
FAULTS = [
    ("column_scale", "first_i ? shadow_q : weight_q", "weight_q", "codes"),
    ("column_scale", "valid_q && sum_q[30:0] != 31'd0", "valid_q", "codes"),
    ("column_scale", ".b_i      (factor_q)", ".b_i      (factor)", "codes"),
    ("weight_scale", "Depth = Rows + 1", "Depth = Rows", "codes"),
    ("weight_scale", "if (swap_i) done_q <= 1'b0;", "done_q <= 1'b0;", "cycles"),
    ("act_scale", "Depth = Rows + 2", "Depth = Rows + 3", "codes"),
    ("controller", "loaded_q && w_scales_i && ", "loaded_q && ", "cycles"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "what"), FAULTS)
def test_a_fault_is_seen(file: str, right: str, wrong: str, what: str) -> None:
    array = ARRAYS["5x3 mxint8 mxfp4"]
    sources = hardware(array)
    name = f"systolab_{file}.sv"
    text = sources.files[name]
    assert text.count(right) == 1
    files = {**sources.files, name: text.replace(right, wrong)}
    machine = Model(array, random_registers=1, sources=replace(sources, files=files))
    seen = set()
    shapes = [(1, 9, 4, 1), (5, 24, 7, 4), (2, 30, 3, 5), (40, 10, 6, 5)]
    for seed, (m, k, n, block) in enumerate(shapes * 8):
        kernel = block_gemm_kernel(array, m, k, n, block)
        try:
            codes, counts = disagrees(machine, kernel, seed, None)
        except SystolabError:  # the array does not finish
            machine.renew()
            codes, counts = False, True
        seen |= {"codes"} if codes else set()
        seen |= {"cycles"} if counts else set()
    assert what in seen
