"""Block-scaled kernels: values against fractions, cycles against the walk, errors by their text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32
from systolab.formats.errors import SystolabError
from systolab.formats.format import QuantizedTensor
from systolab.rtl import AccessPattern, Array, Guard, Kernel, Mode
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.block_gemm import block_gemm, block_gemm_kernel
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.timing.reference import cycles as reference_cycles
from systolab.rtl.timing.timing import cycles, timing
from systolab.rtl.values import run
from tests.block_scaled import (
    Memories,
    brute_force,
    outputs,
    random_memories,
    revealing_parameters,
    size_of,
)
from tests.kernels import block_scaled_kernels

INFINITY = np.float32(np.inf)
OUT = get("float:5,5")
PAIRS = [("mxfp8", "mxfp8"), ("mxint8", "mxfp4"), ("nvfp4", "nvfp4"), ("bfp:6,8", "mxfp6")]


def make_array(act: str, weight: str, rows: int = 5, cols: int = 4, line: int = 0) -> Array:
    return Array(
        rows, cols, get(act), get(weight), OUT, Exact(), line, acc_rows=64, block_scaled=True
    )


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([(1, 4), (4, 1), (5, 3)]).flatmap(
        lambda side: block_scaled_kernels(*side, vectors=200)
    ),
    st.sampled_from(PAIRS),
    st.integers(0, 1 << 30),
    st.sampled_from(["auto", "auto", "softfloat"]),
)
def test_values_equal_brute_force(
    kernel: Kernel, formats: tuple[str, str], seed: int, engine: str
) -> None:
    array = make_array(*formats)
    rng = np.random.default_rng(seed)
    memories = random_memories(kernel, array, rng)
    expected = brute_force(kernel, array, memories)
    scale, bias = revealing_parameters(kernel, expected, rng)
    before = rng.integers(0, 2048, size_of(kernel.o)).astype(np.uint16)
    job = Job(
        kernel,
        memories.a,
        memories.w,
        scale,
        bias,
        -INFINITY,
        INFINITY,
        before,
        memories.a_scale,
        memories.w_scale,
    )
    got = run(array, job, engine, keep_acc=True)
    assert got.acc is not None
    np.testing.assert_array_equal(got.acc, expected)
    np.testing.assert_array_equal(got.o_mem, outputs(kernel, array, expected, scale, bias, before))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_cycles_equal_the_reference(data: st.DataObject) -> None:
    rows, cols = data.draw(st.sampled_from([(1, 1), (1, 4), (4, 1), (4, 4), (5, 3), (3, 8)]))
    array = make_array("mxfp8", "mxfp8", rows, cols, data.draw(st.sampled_from([0, 8, 16])))
    kernel = data.draw(block_scaled_kernels(rows, cols))
    result = timing(kernel, array)
    assert result.cycles == reference_cycles(kernel, array)
    assert result.breakdown.total == result.cycles
    assert min(vars(result.breakdown).values()) >= 0


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 8, 2), (70, 33, 9), (5, 100, 4)])
@pytest.mark.parametrize(("act", "weight"), [*PAIRS[:1], *PAIRS[2:3], ("mxint8", "mxfp4")])
def test_gemm_equals_the_dequantised_product(m: int, k: int, n: int, act: str, weight: str) -> None:
    array = make_array(act, weight)
    rng = np.random.default_rng(m + k + n)
    spread = np.exp2(rng.integers(-6, 6, (m, k)))
    a = array.act.quantize((rng.normal(size=(m, k)) * spread).astype(np.float32), axis=1)
    w = array.weight.quantize(rng.normal(size=(k, n)).astype(np.float32), axis=0)
    product = block_gemm(array, a, w)
    assert size_of(product.kernel.a) == m * k
    result = _run(product.kernel, array, product.a, product.w, product.a_scale, product.w_scale)
    real = a.dequantize().astype(np.float64) @ w.dequantize()
    # One rounding for each tile, block and output, and those of NVFP4's scales.
    bound = np.abs(a.dequantize()).astype(np.float64) @ np.abs(w.dequantize()) * 2.0**-18
    found = array.out.values[result.reshape(m, n)]
    assert (np.abs(found - real) <= bound + np.abs(real) * 2.0**-6 + 2.0**-15).all()


def _run(
    kernel: Kernel,
    array: Array,
    a: np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]],
    w: np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]],
    a_scale: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None,
    w_scale: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None,
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]:
    count = int(kernel.p.addresses().max()) + 1
    ones, zeros = np.ones(count, np.float32), np.zeros(count, np.float32)
    before = np.zeros(size_of(kernel.o), np.uint16)
    job = Job(kernel, a, w, ones, zeros, -INFINITY, INFINITY, before, a_scale, w_scale)
    return run(array, job).o_mem


def test_a_tile_lies_within_one_block() -> None:
    array = make_array("mxfp8", "mxfp8", rows=5)
    for block, k, lanes, reduction in [
        (32, 70, 4, (3, 8)),
        (16, 16, 4, (1, 4)),
        (15, 31, 5, (3, 3)),
        (7, 14, 1, (2, 7)),
        (4, 3, 4, (1, 1)),
    ]:
        kernel = block_gemm_kernel(array, 3, k, 2, block)
        assert (kernel.a.lanes, kernel.reduction) == (lanes, reduction)


def test_scales_cost_a_cycle_for_each_column_where_weights_are_faster() -> None:
    # One weight vector a tile: four scales take four cycles, and nothing hides them.
    array = make_array("mxfp8", "mxfp8", rows=4, cols=4)
    kernel = block_gemm_kernel(array, 1, 64, 4, 1)
    assert kernel.a.lanes == 1
    assert timing(kernel, array).breakdown.weight_load == 64 * 4
    # Two cycles of latency, for the steps of the scaling.
    plain = replace(array, block_scaled=False)
    same = replace(block_gemm_kernel(array, 9, 4, 4, 4), sa=None, sw=None)
    assert cycles(block_gemm_kernel(array, 9, 4, 4, 4), array) == cycles(same, plain) + 2


def test_the_sum_is_as_wide_as_one_tile() -> None:
    array = make_array("mxint8", "mxint8", rows=4)
    assert specialise(array).acc_bits == 18  # 4 * 128 * 128 = 2^16 and a sign
    assert specialise(replace(array, block_scaled=False)).acc_bits == 32


def test_an_empty_sum_adds_nothing_whatever_the_scales() -> None:
    array = make_array("mxfp8", "mxfp8", rows=4)
    kernel = block_gemm_kernel(array, 1, 4, 1, 4)
    huge = np.full(1, 2.0**127, np.float32)  # the product of two is infinite
    zero, one = np.zeros(4, np.uint8), np.full(4, array.act.encode(np.float32(1)))
    assert array.out.values[_run(kernel, array, zero, one, huge, huge)].tolist() == [0]
    assert array.out.values[_run(kernel, array, one, one, huge, huge)].tolist() == [array.out.max]


# Errors.

BLOCKED = block_gemm_kernel(make_array("mxfp8", "mxfp8", rows=4), 3, 8, 2, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sw": None},
            "Kernel must have both streams of block scales, SA and SW, or none, not one",
        ),
        (
            {"sa": replace(BLOCKED.a)},
            "Stream SA must have 1 lane, not 4",
        ),
        (
            {"sw": AccessPattern(0, ((1, 0), (1, 0), (2, 2), (1, 0)), (3, 1))},
            "Stream SW must have the 2 lanes of stream W, not 3",
        ),
        (
            {"sw": AccessPattern(0, ((1, 0), (1, 0), (3, 2), (1, 0)), (2, 1))},
            "Stream SW must have loops of lengths (1, 1, 2, 1), not (1, 1, 3, 1)",
        ),
        (
            {
                "sa": AccessPattern(
                    0,
                    ((1, 0), (1, 0), (2, 2), (1, 0), (3, 0)),
                    (1, 0),
                    (Guard(0, (0, 0, 0, 0, 0), 0, 1),),
                )
            },
            "Stream SA must have no guards, not 1",
        ),
    ],
)
def test_kernel_errors(change: dict[str, AccessPattern | None], message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        replace(BLOCKED, **change)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_output_stationary_is_refused() -> None:
    array = make_array("mxfp8", "mxfp8", rows=4)
    kernel = gemm_kernel(replace(array, block_scaled=False), 3, 8, 2, Mode.OUTPUT_STATIONARY)
    with pytest.raises(SystolabError) as caught:
        replace(kernel, sa=BLOCKED.sa, sw=BLOCKED.sw)
    assert str(caught.value) == (
        "Kernel with block scales must be weight-stationary, not output-stationary"
    )


def test_kernel_and_array_must_agree() -> None:
    array = make_array("mxfp8", "mxfp8", rows=4)
    plain = replace(array, block_scaled=False)
    with pytest.raises(SystolabError) as caught:
        cycles(gemm_kernel(plain, 3, 8, 2), array)
    assert str(caught.value) == (
        "Kernel must be with block scales on such an array, not without block scales"
    )
    with pytest.raises(SystolabError) as caught:
        cycles(BLOCKED, plain)
    assert str(caught.value) == (
        "Kernel must be without block scales on such an array, not with block scales"
    )


@pytest.mark.parametrize("accumulator", [Float32()])
def test_the_sum_of_a_tile_must_be_exact(accumulator: Accumulator) -> None:
    with pytest.raises(SystolabError) as caught:
        replace(make_array("mxfp8", "mxfp8"), accumulator=accumulator)
    assert str(caught.value) == "Accumulator of a block-scaled array must be exact, not float32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a_scale": None}, "Block scales of A and W must be given to a block-scaled kernel"),
        (
            {"w_scale": np.array([1, np.nan, 1, 1], np.float32)},
            "Block scales of W must be finite, not nan",
        ),
        (
            {"a_scale": np.ones((3, 2), np.float32)},
            "Block scales of A must be flat float32, not 2-dimensional float32",
        ),
        (
            {"a_scale": np.ones(5, np.float32)},
            "Active lanes of stream SA must stay within addresses 0 to 4, not reach 5",
        ),
        (
            {"w_scale": np.ones(3, np.float32)},
            "Active lanes of stream SW must stay within addresses 0 to 2, not reach 3",
        ),
    ],
)
def test_scale_errors(change: dict[str, object], message: str) -> None:
    array = make_array("mxfp8", "mxfp8", rows=4)
    memories = Memories(
        np.zeros(24, np.uint8),
        np.zeros(16, np.uint8),
        np.ones(6, np.float32),
        np.ones(4, np.float32),
    )
    arguments: dict[str, object] = {"a_scale": memories.a_scale, "w_scale": memories.w_scale}
    with pytest.raises(SystolabError) as caught:
        _run(BLOCKED, array, memories.a, memories.w, **(arguments | change))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_scales_of_a_plain_kernel_are_refused() -> None:
    array = replace(make_array("mxfp8", "mxfp8", rows=4), block_scaled=False)
    kernel = gemm_kernel(array, 1, 1, 1)
    one, code = np.ones(1, np.float32), np.zeros(1, np.uint8)
    with pytest.raises(SystolabError) as caught:
        _run(kernel, array, code, code, one, one)
    assert str(caught.value) == "Block scales must be given to a block-scaled kernel, not another"


def _quantized(spec: str, shape: tuple[int, ...], axis: int) -> QuantizedTensor:
    return get(spec).quantize(np.ones(shape, np.float32), axis=axis)


@pytest.mark.parametrize(
    ("a", "w", "message"),
    [
        (
            _quantized("mxfp8", (2, 4, 8), 2),
            _quantized("mxfp8", (8, 3), 0),
            "Operand A must be a matrix, not 3-dimensional",
        ),
        (
            _quantized("mxfp8", (2, 8), 1),
            _quantized("mxfp4", (8, 3), 0),
            "Operand W must be in the array's format mxfp8, not mxfp4",
        ),
        (
            _quantized("mxfp8", (2, 8), 1),
            _quantized("mxfp8", (8, 3), 1),
            "Operand W must be in blocks along dimension 0, not in blocks along 1",
        ),
        (
            _quantized("mxfp8", (2, 8), 1),
            _quantized("mxfp8", (9, 3), 0),
            "Operand W must have the 8 rows that A has columns, not 9",
        ),
        (
            _quantized("mxfp8", (2, 8), 1),
            replace(_quantized("mxfp8", (8, 3), 0), block=16),
            "Blocks of W must be the 32 elements of A's, not 16",
        ),
        (
            replace(_quantized("mxfp8", (2, 8), 1), block=None),
            _quantized("mxfp8", (8, 3), 0),
            "Operand A must be in blocks along dimension 1, not without blocks",
        ),
    ],
)
def test_operand_errors(a: QuantizedTensor, w: QuantizedTensor, message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        block_gemm(make_array("mxfp8", "mxfp8"), a, w)
    assert str(caught.value) == message
