"""The software model against sums taken one at a time, and against numpy and ONNX convolutions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl import AccessPattern, Array, Kernel, Mode
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.values import run
from tests.kernels import Convolution, convolutions, random_kernels

ADAPTIVFLOAT = get("adaptivfloat:8,3")
SMALL = get("adaptivfloat:4,2")
WITH_NAN = get("e5m2")
INFINITY = np.float32(np.inf)


def one_at_a_time(
    kernel: Kernel, array: Array, a_mem: NDArray[np.uint8], w_mem: NDArray[np.uint8]
) -> list[list[list[Fraction | np.float32 | int]]]:
    """Accumulators ``[outer iteration][row][lane]``, every operation in order, in Python."""
    weight_stationary = kernel.mode is Mode.WEIGHT_STATIONARY
    outer, tiles = math.prod(kernel.outer), math.prod(kernel.reduction)
    rows, lanes = kernel.bank_rows, kernel.w.lanes
    a_values = _read(kernel.a, a_mem, array.act)
    w_values = _read(kernel.w, w_mem, array.weight)
    if weight_stationary:
        a_values = a_values.reshape(outer, tiles, rows, kernel.a.lanes)
        w_values = w_values.reshape(outer, tiles, kernel.a.lanes, lanes)
    else:  # one step of the reduction has one product for each output
        a_values = a_values.reshape(outer, tiles, rows, 1)
        w_values = w_values.reshape(outer, tiles, 1, lanes)
    unit = Fraction(array.act.quantum) * Fraction(array.weight.quantum)
    accumulator = array.accumulator

    def product(a: float | None, w: float | None) -> int | np.float32:
        if a is None or w is None:
            return zero
        if isinstance(accumulator, Float32):
            with np.errstate(all="ignore"):
                return np.float32(a) * np.float32(w)
        return int(Fraction(a) * Fraction(w) / unit)

    def add(x: int | np.float32, y: int | np.float32) -> int | np.float32:
        with np.errstate(all="ignore"):
            total = x + y
        if isinstance(accumulator, Wrap):
            half = 1 << (accumulator.bits - 1)
            return (total + half) % (2 * half) - half
        if isinstance(accumulator, Saturate):
            half = 1 << (accumulator.bits - 1)
            return min(max(total, -half), half - 1)
        return total

    zero = np.float32(0) if isinstance(accumulator, Float32) else 0
    result: list[list[list[Fraction | np.float32 | int]]]
    result = [[[zero] * lanes for _ in range(rows)] for _ in range(outer)]
    for o in range(outer):
        for row in range(rows):
            for lane in range(lanes):
                acc = zero
                for tile in range(tiles):
                    s = zero
                    for k in range(a_values.shape[-1]):
                        s = add(s, product(a_values[o, tile, row, k], w_values[o, tile, k, lane]))
                    acc = add(acc, s)
                result[o][row][lane] = acc
    return result


def _read(pattern: AccessPattern, memory: NDArray[np.uint8], fmt: Format) -> NDArray[np.object_]:
    """Values of all lanes of all vectors, None where inactive."""
    codes = memory[np.where(pattern.active(), pattern.addresses(), 0)]
    values = fmt.values[codes].astype(object)
    values[~pattern.active()] = None
    return values


def memory(pattern: AccessPattern, bits: int, seed: int) -> NDArray[np.uint8]:
    reached = pattern.addresses()[pattern.active()]
    size = int(reached.max()) + 1 if reached.size else 1
    return np.random.default_rng(seed).integers(0, 1 << bits, size).astype(np.uint8)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([(1, 4), (4, 1), (5, 3)]).flatmap(lambda s: random_kernels(*s, vectors=300)),
    st.sampled_from([Exact(), Float32(), Wrap(12), Saturate(14)]),
    st.integers(0, 1000),
)
def test_random_kernels(kernel: Kernel, accumulator: Accumulator, seed: int) -> None:
    fmt = {Saturate: SMALL, Float32: WITH_NAN}.get(type(accumulator), ADAPTIVFLOAT)
    array = Array(5, 4, fmt, fmt, ADAPTIVFLOAT, accumulator)
    a_mem, w_mem = memory(kernel.a, fmt.bits, seed), memory(kernel.w, fmt.bits, seed + 1)
    o_mem = memory(kernel.o, 8, seed + 2)
    rng = np.random.default_rng(seed)
    count = int(kernel.p.addresses().max()) + 1
    scale = rng.uniform(0.001, 0.1, count).astype(np.float32)
    bias = rng.normal(size=count).astype(np.float32)
    job = Job(kernel, a_mem, w_mem, scale, bias, -4, INFINITY, o_mem)
    got = run(array, job, keep_acc=True)
    expected = np.array(one_at_a_time(kernel, array, a_mem, w_mem))
    assert got.acc is not None
    np.testing.assert_array_equal(got.acc.astype(expected.dtype), expected)

    unit = 1.0 if isinstance(accumulator, Float32) else 2.0**got.lsb
    y = (expected * unit).astype(np.float32)
    index = kernel.p.addresses()[:, None, :]
    with np.errstate(all="ignore"):
        y = np.maximum(y * scale[index] + bias[index], np.float32(-4))
    codes = array.out.encode(y).reshape(-1)
    memory_after = o_mem.copy()
    for address, active, code in zip(
        kernel.o.addresses().reshape(-1), kernel.o.active().reshape(-1), codes, strict=True
    ):
        if active:
            memory_after[address] = code
    np.testing.assert_array_equal(got.o_mem, memory_after)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (7, 9, 5), (130, 33, 20)])
def test_gemm_equals_numpy(mode: Mode, m: int, k: int, n: int) -> None:
    array = Array(4, 8, ADAPTIVFLOAT, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact(), acc_rows=32)
    rng = np.random.default_rng(m * k * n)
    a = rng.integers(0, 256, (m, k)).astype(np.uint8)
    w = rng.integers(0, 256, (k, n)).astype(np.uint8)
    ones, zeros = np.full(n, 2.0**-4, np.float32), np.zeros(n, np.float32)
    empty = np.zeros(m * n, np.uint8)
    for a_mem, strides in ((a.reshape(-1), (k, 1)), (a.T.reshape(-1), (1, m))):
        kernel = gemm_kernel(array, m, k, n, mode, a_strides=strides)
        job = Job(kernel, a_mem, w.reshape(-1), ones, zeros, -INFINITY, INFINITY, empty)
        result = run(array, job)
        product = ADAPTIVFLOAT.values[a] @ ADAPTIVFLOAT.values[w]
        expected = ADAPTIVFLOAT.encode((product * 2.0**-4).astype(np.float32))
        np.testing.assert_array_equal(result.o_mem.reshape(m, n), expected)


@settings(deadline=None, max_examples=80)
@given(convolutions(), st.sampled_from(list(Mode)), st.integers(0, 1000))
def test_convolution_equals_onnx(convolution: Convolution, mode: Mode, seed: int) -> None:
    array = Array(4, 3, ADAPTIVFLOAT, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact(), acc_rows=64)
    kernel = convolution.lower(mode, 4, 3, array.acc_rows)
    rng = np.random.default_rng(seed)
    c = convolution
    image = rng.integers(0, 256, (c.channels, c.height, c.width)).astype(np.uint8)
    weights = rng.integers(0, 256, (c.outputs, c.channels // c.groups, *c.kernel)).astype(np.uint8)
    size = c.outputs * math.prod(c.out_size)
    ones, zeros = np.full(c.outputs, 2.0**-4, np.float32), np.zeros(c.outputs, np.float32)
    if c.channels_last:
        a_mem, w_mem = image.transpose(1, 2, 0), weights.transpose(0, 2, 3, 1)
    else:
        a_mem, w_mem = image, weights
    memories = a_mem.reshape(-1), w_mem.reshape(-1), ones, zeros
    job = Job(kernel, *memories, -INFINITY, INFINITY, np.zeros(size, np.uint8))
    got = run(array, job).o_mem
    if c.channels_last:
        got = got.reshape(*c.out_size, c.outputs).transpose(2, 0, 1)
    values = onnx_convolution(c, ADAPTIVFLOAT.values[image], ADAPTIVFLOAT.values[weights])
    expected = ADAPTIVFLOAT.encode((values * 2.0**-4).astype(np.float32))
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def onnx_convolution(
    c: Convolution, image: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    node = onnx.helper.make_node(
        "Conv",
        ["x", "w"],
        ["y"],
        strides=[c.stride] * 2,
        dilations=[c.dilation] * 2,
        pads=[c.padding] * 4,
        group=c.groups,
    )
    real = onnx.TensorProto.DOUBLE
    graph = onnx.helper.make_graph(
        [node],
        "conv",
        [
            onnx.helper.make_tensor_value_info("x", real, (1, *image.shape)),
            onnx.helper.make_tensor_value_info("w", real, weights.shape),
        ],
        [onnx.helper.make_tensor_value_info("y", real, None)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    (result,) = ReferenceEvaluator(model).run(None, {"x": image[None], "w": weights})
    values: NDArray[np.float64] = np.asarray(result, np.float64)[0]
    return values


def simple_run(kernel: Kernel, **change: object) -> None:
    array = Array(4, 4, ADAPTIVFLOAT, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact())
    arguments: dict[str, object] = {
        "a": np.zeros(16, np.uint8),
        "w": np.zeros(16, np.uint8),
        "scale": np.ones(4, np.float32),
        "bias": np.zeros(4, np.float32),
        "lo": -INFINITY,
        "hi": INFINITY,
        "o": np.zeros(16, np.uint8),
    }
    run(array, Job(kernel, **(arguments | change)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"a": np.zeros(15, np.uint8)},
            "Active lanes of stream A must stay within addresses 0 to 14, not reach 15",
        ),
        (
            {"w": np.zeros(12, np.uint8)},
            "Active lanes of stream W must stay within addresses 0 to 11, not reach 15",
        ),
        (
            {"o": np.zeros(3, np.uint8)},
            "Active lanes of stream O must stay within addresses 0 to 2, not reach 15",
        ),
        (
            {"scale": np.ones(2, np.float32), "bias": np.zeros(2, np.float32)},
            "Active lanes of stream P must stay within addresses 0 to 1, not reach 3",
        ),
        ({"bias": np.zeros(3, np.float32)}, "Bias must have the 4 elements of scale, not 3"),
    ],
)
def test_errors(change: dict[str, object], message: str) -> None:
    array = Array(4, 4, ADAPTIVFLOAT, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact())
    kernel = gemm_kernel(array, 4, 4, 4)
    with pytest.raises(SystolabError) as caught:
        simple_run(kernel, **change)
    assert str(caught.value) == message


def test_outputs_must_be_distinct() -> None:
    array = Array(4, 4, ADAPTIVFLOAT, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact())
    kernel = gemm_kernel(array, 4, 4, 4, o_strides=(1, 1))
    with pytest.raises(SystolabError, match="Output addresses of a kernel must be distinct"):
        simple_run(kernel)


def test_codes_must_fit_their_format() -> None:
    array = Array(4, 4, SMALL, ADAPTIVFLOAT, ADAPTIVFLOAT, Exact())
    kernel = gemm_kernel(array, 1, 1, 1)
    one = np.ones(1, np.float32)
    code = np.full(1, 16, np.uint8)
    with pytest.raises(SystolabError) as caught:
        run(array, Job(kernel, code, code, one, one, -INFINITY, INFINITY, code))
    assert str(caught.value) == (
        "Codes of stream A must be below 16 in format adaptivfloat:4,2, not 16"
    )
