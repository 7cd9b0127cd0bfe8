"""Scales for each output channel: the right channel behind every column, and what they bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from examples.networks.builder import Builder
from examples.networks.lstm import lstm
from systolab import formats
from systolab.cosim import cli
from systolab.cosim.accuracy.trace_error import trace
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.channels import channels
from systolab.cosim.network.execute import Chain, Emulator
from systolab.cosim.network.plan import Plan
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.format import Format
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.network import Network
from systolab.glenside.onnx import importer as onnx_import
from systolab.rtl.kernel.kernel import Array
from tests.cosim.runs import TINY, Systolab

INT8 = formats.get("int:8")
SIDE = 6  # of images
F64 = NDArray[np.float64]


def spread(shape: tuple[int, ...], axis: int) -> NDArray[np.float32]:
    """Normal weights whose channels have ranges from 1/200 to 1."""
    count = shape[axis]
    ranges = np.geomspace(1 / 200, 1, count)
    ranges = np.random.default_rng(7).permutation(ranges)
    shaped = ranges.reshape([count if i == axis else 1 for i in range(len(shape))])
    return (np.random.default_rng(8).standard_normal(shape) * shaped).astype(np.float32)


def convolution(
    path: Path, channels: int, filters: int, groups: int = 1, stride: int = 1
) -> Network:
    b = Builder("one")
    x = b.input("x", [1, channels, SIDE, SIDE])
    weight = b.constant(spread((filters, channels // groups, 3, 3), 0), "weight")
    y = b.node(
        "Conv", [x, weight, b.bias(filters)], group=groups, kernel_shape=[3, 3],
        pads=[1] * 4, strides=[stride] * 2,
    )  # fmt: skip
    b.output(y, [1, filters, -(-SIDE // stride), -(-SIDE // stride)])
    onnx.save(b.model(), str(path))
    return onnx_import.load(str(path))


def product(path: Path, shape: tuple[int, int], transposed: bool) -> Network:
    """A dense layer of 3 rows; ``shape`` is [K, N], the weight [N, K] where transposed."""
    k, n = shape
    b = Builder("one")
    x = b.input("x", [3, k])
    if transposed:
        y = b.node("Gemm", [x, b.constant(spread((n, k), 0), "weight"), b.bias(n)], transB=1)
    else:
        y = b.node("MatMul", [x, b.constant(spread((k, n), 1), "weight")])
    b.output(y, [3, n])
    onnx.save(b.model(), str(path))
    return onnx_import.load(str(path))


Make = Callable[[Path], Network]
# How to make a layer, the axis of its weights' output channels, and of a convolution the stride.
LAYERS: dict[str, tuple[Make, int, int]] = {
    "convolution": (lambda path: convolution(path, 5, 7), 0, 1),
    "strided": (lambda path: convolution(path, 4, 9, stride=2), 0, 2),
    "grouped": (lambda path: convolution(path, 6, 10, groups=2), 0, 1),
    "depthwise": (lambda path: convolution(path, 12, 12, groups=12), 0, 1),
    "multiplied": (lambda path: convolution(path, 3, 6, groups=3), 0, 1),
    "dense": (lambda path: product(path, (20, 11), True), 0, 0),
    "matmul": (lambda path: product(path, (20, 11), False), 1, 0),
}
SIDES = [(5, 3), *(pytest.param(sides, marks=pytest.mark.slow) for sides in ((4, 4), (16, 16)))]


def machine(fmt: Format, rows: int, cols: int) -> Array:
    return Array(rows, cols, fmt, fmt, fmt, Exact())


Scales = tuple[np.float64, F64, np.float64]


def by_hand(network: Network, x: F64, stride: int, scales: Scales) -> NDArray[np.int64]:
    """The layer's int8 codes as signed numbers, from the ONNX operator's definition in numpy.

    Args:
        network: of one layer.
        x: its input.
        stride: of a convolution.
        scales: of input, weights (of each channel, broadcastable) and output.
    """
    s_x, s_w, s_o = scales
    layer = network.layers[0]
    weight = network.constants[layer.inputs[1]].astype(np.float64)
    codes_x = np.clip(np.rint(x / s_x), -128, 127)
    codes_w = np.clip(np.rint(weight / s_w), -128, 127)
    if layer.op == "conv":
        padded = np.pad(codes_x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        filters, depth = weight.shape[:2]
        groups = x.shape[1] // depth
        sums = np.stack(
            [
                np.einsum(
                    "nchwij,cij->nhw",
                    windows[:, (first := f // (filters // groups) * depth) : first + depth],
                    codes_w[f],
                )
                for f in range(filters)
            ],
            axis=1,
        )
        channel: tuple[int, ...] = (1, -1, 1, 1)
    else:
        sums = codes_x @ (codes_w.T if layer.op == "gemm" else codes_w)
        channel = (1, -1)
    has_bias = len(layer.inputs) > 2 and bool(layer.inputs[2])
    bias = network.constants[layer.inputs[2]].astype(np.float64) if has_bias else np.zeros(1)
    # Post-processing in binary32, one rounding a step.
    factor = (s_x * s_w.reshape(-1) / s_o).astype(np.float32).reshape(channel)
    term = (bias / s_o).astype(np.float32).reshape(channel)
    y = sums.astype(np.float32) * factor + term
    assert y.dtype == np.float32
    codes: NDArray[np.int64] = np.clip(np.rint(y), -128, 127).astype(np.int64)
    return codes


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("name", LAYERS)
def test_codes_are_those_computed_by_hand(
    tmp_path: Path, name: str, sides: tuple[int, int]
) -> None:
    make, axis, stride = LAYERS[name]
    network = make(tmp_path / "one.onnx")
    ((input_name, shape),) = network.inputs.items()
    calls = [
        {input_name: np.random.default_rng(i).standard_normal(shape).astype(np.float32)}
        for i in range(2)
    ]
    array = machine(INT8, *sides)
    plan = Plan(compile_network(network, array), calls, WeightScales.CHANNEL)
    assert plan.kept_tensor_scale == {}
    step = plan.program.kernels[0]
    held = channels(step)
    assert held is not None
    assert held.axis == axis
    assert held.index[: step.w.shape[axis]].tolist() == list(range(step.w.shape[axis]))
    chain = Chain(plan, Emulator(array), calls[0])
    for each in plan.program.steps:
        if each is step:
            _, outcome = chain.kernel(step)
            break
        chain.other(each)  # type: ignore[arg-type]
    weight = network.constants[network.layers[0].inputs[1]]
    others = tuple(i for i in range(weight.ndim) if i != axis)
    s_w = (np.abs(weight).max(axis=others, keepdims=True).astype(np.float64) / 127).astype(
        np.float32
    )
    s_x, s_o = (plan.scales(t, INT8) for t in (step.a.tensor, step.o.tensor))
    scales = np.float64(s_x), s_w.astype(np.float64), np.float64(s_o)
    expected = by_hand(network, calls[0][input_name].astype(np.float64), stride, scales)
    found = step.o.layout.unpack(outcome.o, step.o.shape).astype(np.uint8).view(np.int8)
    assert np.array_equal(found, expected)


def test_channels_of_different_ranges_gain_accuracy(tmp_path: Path) -> None:
    """Tensor scales flush the small channels: 200 times smaller than the largest."""
    network = convolution(tmp_path / "one.onnx", 5, 8)
    network = replace(network, constants={  # no bias, which would hide the small channels
        name: np.zeros_like(value) if "bias" in name else value
        for name, value in network.constants.items()
    })  # fmt: skip
    call = {"x": np.random.default_rng(0).standard_normal((1, 5, SIDE, SIDE)).astype(np.float32)}
    # Outputs in a wide format, so that the error is that of the weights.
    wide = formats.get("int:16")
    array = replace(machine(INT8, 4, 4), act=wide, out=wide)
    program = compile_network(network, array)
    errors: dict[WeightScales, F64] = {}
    for scales in WeightScales:
        plan = Plan(program, [call], scales)
        chain = Chain(plan, Emulator(array), call)
        chain.kernel(plan.program.kernels[0])
        output = network.outputs[0]
        found = chain.real(output).astype(np.float64)
        exact = by_definition(network, call["x"])
        errors[scales] = np.linalg.norm(found - exact, axis=(2, 3)) / np.linalg.norm(
            exact, axis=(2, 3)
        )
    assert errors[WeightScales.TENSOR].max() > 0.3
    assert errors[WeightScales.CHANNEL].max() < 0.02
    small, large = (
        trace(Plan(program, [call], scales), [call]).worst
        for scales in (WeightScales.CHANNEL, WeightScales.TENSOR)
    )
    assert small < large


def by_definition(network: Network, x: NDArray[np.float32]) -> F64:
    """The convolution without a bias in binary64."""
    weight = network.constants[network.layers[0].inputs[1]].astype(np.float64)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    result: F64 = np.einsum("nchwij,fcij->nfhw", windows, weight)
    return result


def test_no_channel_where_no_axis_follows_the_columns(tmp_path: Path) -> None:
    network = convolution(tmp_path / "one.onnx", 5, 8)
    step = compile_network(network, machine(INT8, 4, 4)).kernels[0]
    kernel = step.kernel
    still = replace(
        kernel.p,
        loops=tuple((length, 0) for length in kernel.p.lengths),
        lane=(kernel.p.lanes, 0),
    )
    assert channels(replace(step, kernel=replace(kernel, p=still))) is None
    # Only the last column shares its index with another one: still no axis.
    assert kernel.p.lane == (4, 1)
    shared = replace(kernel.p, loops=tuple((length, 3) for length in kernel.p.lengths))
    assert kernel.p.vectors > 1
    assert channels(replace(step, kernel=replace(kernel, p=shared))) is None


def test_why_a_layer_keeps_one_scale(tmp_path: Path) -> None:
    b = Builder("two")
    x, z = b.input("x", [4, 6]), b.input("z", [6, 4])
    y = b.node("MatMul", [x, z])
    b.output(b.node("Gemm", [y, b.constant(spread((5, 4), 0), "weight")], transB=1), [4, 5])
    onnx.save(b.model(), str(tmp_path / "two.onnx"))
    network = onnx_import.load(str(tmp_path / "two.onnx"))
    calls = [{"x": np.ones((4, 6), np.float32), "z": np.ones((6, 4), np.float32)}]
    program = compile_network(network, machine(INT8, 4, 4))
    plan = Plan(program, calls, WeightScales.CHANNEL)
    first, second = plan.program.kernels
    assert plan.kept_tensor_scale == {first.name: "weights computed at run time"}
    assert plan.weight_scale(first).shape == ()
    assert plan.weight_scale(second).shape == (5, 1)
    assert plan.channels_differ
    assert not Plan(program, calls).channels_differ
    posit = machine(formats.get("posit:8,1"), 4, 4)
    unscaled = Plan(compile_network(network, posit), calls, WeightScales.CHANNEL)
    assert unscaled.kept_tensor_scale[second.name] == "posit:8,1 is never scaled"
    assert not unscaled.channels_differ


# --- the command, with the RTL ------------------------------------------------------------------

ON_4X4 = ["--format", "adaptivfloat:6,3", "--array", "4x4", "--weight-scales", "channel"]


def test_the_digits_are_identical_and_the_scales_are_shown(systolab: Systolab) -> None:
    status, out, _, result = systolab(*TINY, "--weight-scales", "channel")
    assert status == 0
    assert "weight scales   per channel in 4 of 4 layers\n" in out
    assert result["weight_scales"] == "channel"
    assert result["kept_tensor_scale"] == {}
    kernels = [row for row in result["layers"] if row["macs"] is not None]
    assert [row["weight_scales"] for row in kernels] == [16, 32, 64, 10]
    plain = systolab(*TINY)
    assert "weight scales" not in plain.out
    assert plain.result["weight_scales"] == "tensor"
    assert {row["weight_scales"] for row in plain.result["layers"]} == {1, None}


def test_depthwise_layers_are_identical(systolab: Systolab, tmp_path: Path) -> None:
    convolution(tmp_path / "one.onnx", 12, 12, groups=12)
    status, _, _, result = systolab(str(tmp_path / "one.onnx"), *ON_4X4, "--images", "2")
    assert status == 0
    assert result["layers"][0]["weight_scales"] == 12
    assert result["layers"][0]["mismatched"] == 0


def test_an_lstm_is_identical(systolab: Systolab, tmp_path: Path) -> None:
    model = lstm(2, 8, 8)
    onnx.save(model, str(tmp_path / "lstm.onnx"))
    status, _, _, result = systolab(str(tmp_path / "lstm.onnx"), *ON_4X4, "--images", "2")
    kernels = [row for row in result["layers"] if row["macs"] is not None]
    assert status == 0
    assert [row["weight_scales"] for row in kernels] == [32] * 4


def test_what_is_run_with_computed_weights_says_so(systolab: Systolab, tmp_path: Path) -> None:
    b = Builder("product")
    b.output(b.node("MatMul", [b.input("x", [4, 6]), b.input("z", [6, 4])]), [4, 4])
    onnx.save(b.model(), str(tmp_path / "product.onnx"))
    status, out, _, result = systolab(str(tmp_path / "product.onnx"), *ON_4X4, "--images", "2")
    assert status == 0
    assert (
        "weight scales   per channel in 0 of 1 layers, per tensor in 1 (weights computed at run "
        "time)\n" in out
    )
    assert list(result["kept_tensor_scale"].values()) == ["weights computed at run time"]


def test_other_scales_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "x.onnx", "--format", "int:8", "--weight-scales", "row"])
    assert "argument --weight-scales: invalid choice: 'row'" in capsys.readouterr().err
