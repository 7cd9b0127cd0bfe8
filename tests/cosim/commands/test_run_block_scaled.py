"""`systolab run` with block-scaled formats: against plain numpy, and software against RTL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from systolab import formats
from systolab.cosim.network.execute import Chain, Emulator
from systolab.cosim.network.plan import Plan
from systolab.formats.arithmetic.accumulator import Exact
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.onnx import importer as onnx_import
from systolab.glenside.program import HostStep, KernelStep
from systolab.rtl.kernel.configuration import output_format
from systolab.rtl.kernel.kernel import Array
from tests.cosim.runs import MODEL, Systolab, matmul

F32 = NDArray[np.float32]


def machine(name: str, rows: int = 4, cols: int = 4) -> Array:
    f = formats.get(name)
    return Array(rows, cols, f, f, output_format(None, f, f), Exact(), block_scaled=True)


def emulate(path: str, array: Array, x: F32) -> tuple[F32, list[KernelStep], list[HostStep]]:
    """The output of a network's software model, and its steps."""
    network = onnx_import.load(path)
    program = compile_network(network, array, read_through=False)
    call = {"x": x}
    plan = Plan(program, [call])
    chain = Chain(plan, Emulator(array), call)
    for step in program.steps:
        if isinstance(step, KernelStep):
            chain.kernel(step)
        else:
            chain.other(step)
    result = np.asarray(chain.real(network.outputs[0]), np.float32)
    hosted = [step for step in program.steps if isinstance(step, HostStep)]
    return result, list(program.kernels), hosted


# --- a dense layer, from the OCP specification and binary32 alone ----------------------------


def mx_e4m3(x: F32) -> tuple[NDArray[np.float64], F32]:
    """Elements and scales of the blocks of 32 of each row, by OCP MX v1.0, section 6.3."""
    rows, length = x.shape
    elements = np.zeros(x.shape)
    scales = np.ones((rows, -(-length // 32)), np.float32)
    for row in range(rows):
        for block in range(scales.shape[1]):
            part = x[row, 32 * block : 32 * block + 32]
            largest = np.abs(part).max()
            if largest:
                scales[row, block] = 2.0 ** (np.floor(np.log2(np.float64(largest))) - 8)
            scaled = np.clip(part / scales[row, block], -448, 448)
            inside = slice(32 * block, 32 * block + len(part))
            elements[row, inside] = scaled.astype(ml_dtypes.float8_e4m3fn).astype(np.float64)
    return elements, scales


@pytest.mark.parametrize(("k", "n"), [(70, 5), (32, 4), (9, 3)])
def test_a_dense_layer_is_what_the_specification_says(tmp_path: Path, k: int, n: int) -> None:
    rng = np.random.default_rng(k)
    x = (rng.normal(size=(1, k)) * 2.0 ** rng.integers(-9, 9, k)).astype(np.float32)
    w = (rng.normal(size=(k, n)) * 2.0 ** rng.integers(-9, 9, (k, 1))).astype(np.float32)
    a, a_scale = mx_e4m3(x)
    b, b_scale = mx_e4m3(np.ascontiguousarray(w.T))
    acc = np.zeros(n, np.float32)
    for start in range(0, k, 4):  # tiles of the array's four rows
        block = start // 32
        tile = slice(start, start + 4)
        exact = (a[:, tile] @ b[:, tile].T)[0].astype(np.float32)
        acc += exact * (a_scale[0, block] * b_scale[:, block])
    found, kernels, _ = emulate(matmul(tmp_path / "m.onnx", w), machine("mxfp8"), x)
    expected = acc.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(found[0], expected)
    assert kernels[0].kernel.block_scaled


# --- other layers, against the dequantised operands ------------------------------------------


def convolution(path: Path, shape: tuple[int, ...], weight: F32, **attributes: Any) -> str:
    """An ONNX file of one convolution of ``x``."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "channels", "kernel", "stride", "rows"),
    [
        ("mxfp4", 5, 3, 1, 4),
        ("nvfp4", 40, 1, 1, 5),
        ("mxfp8", 40, 3, 2, 16),
        ("bfp:6,3", 7, 2, 1, 4),
        ("mxint8", 1, 3, 1, 4),
    ],
)
def test_convolutions_are_those_of_the_dequantised_operands(
    tmp_path: Path, name: str, channels: int, kernel: int, stride: int, rows: int
) -> None:
    rng = np.random.default_rng(channels)
    array = machine(name, rows, 4)
    x = rng.normal(size=(1, channels, 6, 5)).astype(np.float32)
    w = rng.normal(size=(6, channels, kernel, kernel)).astype(np.float32)
    path = convolution(
        tmp_path / "c.onnx", x.shape, w, strides=[stride, stride], pads=[kernel // 2] * 4
    )
    found, kernels, hosted = emulate(path, array, x)
    assert not hosted
    assert len(kernels) == 1
    a = array.act.quantize(x, axis=1).dequantize().astype(np.float64)
    b = array.weight.quantize(w, axis=1).dequantize().astype(np.float64)
    pad = kernel // 2
    a = np.pad(a, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(a[0], (kernel, kernel), (1, 2))
    expected = np.einsum("chwij,ocij->ohw", windows[:, ::stride, ::stride], b)
    # The output format keeps 8 significant bits.
    np.testing.assert_allclose(found[0], expected, rtol=2.0**-8, atol=1e-5)


def test_depthwise_convolutions_stay_on_the_host(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 1, 3, 3)).astype(np.float32)
    x = rng.normal(size=(1, 4, 6, 6)).astype(np.float32)
    path = convolution(tmp_path / "d.onnx", x.shape, w, group=4)
    _, kernels, hosted = emulate(path, machine("mxfp8"), x)
    assert not kernels
    assert [step.reason for step in hosted] == [
        "no block-scaled kernel: blocks must run along one dimension of both operands"
    ]


def test_products_of_activations(tmp_path: Path) -> None:
    """Both operands are put in blocks by the host, along different dimensions."""
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 1]),
            helper.make_node("MatMul", ["x", "t"], ["y"], "product"),
        ],
        "attention",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 6, 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 6, 6])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "a.onnx")
    array = machine("mxfp8", 5, 4)
    x = np.random.default_rng(1).normal(size=(2, 6, 40)).astype(np.float32)
    found, kernels, _ = emulate(str(tmp_path / "a.onnx"), array, x)
    assert len(kernels) == 1
    a = array.act.quantize(x, axis=2).dequantize().astype(np.float64)
    np.testing.assert_allclose(found, a @ a.swapaxes(1, 2), rtol=2.0**-8, atol=1e-5)


# --- the command ------------------------------------------------------------------------------


def identical(result: Any) -> None:
    assert result["identical"] is True
    kernels = [row for row in result["layers"] if row["dataflow"] != "host"]
    assert len(kernels) == 4
    for row in kernels:
        assert row["mismatched"] == 0
        assert row["predicted"] == row["rtl"] > 0
    assert result["predictions_differ"] == 0


def test_software_and_rtl_agree_on_a_network(systolab: Systolab) -> None:
    arguments = [MODEL, "--data", "digits", "--images", "2", "--format", "mxfp4"]
    status, out, _, result = systolab(*arguments, "--array", "4x4")
    assert status == 0
    identical(result)
    assert (
        "blocks          kernels write bfloat16; the host puts what they read in blocks of 32 "
        "along the reduction, at no array cycles"
    ) in out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mxfp8:e4m3", "mxfp4", "nvfp4"])
def test_digits_on_a_larger_array(systolab: Systolab, name: str) -> None:
    arguments = [MODEL, "--data", "digits", "--images", "20", "--format", name]
    status, _, _, result = systolab(*arguments, "--array", "16x16", "--engine", "softfloat")
    assert status == 0
    identical(result)
    assert result["accuracy"]["rtl"] >= 17


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accumulator", "wrap:32"], "Accumulator of a block-scaled array must be exact, not"),
        (["--fixed-bias", "1"], "--fixed-bias must be given to a format without blocks, not mxfp4"),
        (["--out-format", "nothing"], "Format family must be one of"),
    ],
)
def test_wrong_usage(systolab: Systolab, arguments: list[str], message: str) -> None:
    status, _, err, _ = systolab(MODEL, "--format", "mxfp4", *arguments)
    assert status == 2
    assert message in err
