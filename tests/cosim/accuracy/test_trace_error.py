"""Numerical divergence of networks: measured, first step over budget found, repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from examples.networks.builder import Builder
from examples.networks.lstm import unstable_lstm
from systolab import formats
from systolab.cosim.accuracy.repair import Candidate, Cost, Trial, candidates, repair
from systolab.cosim.accuracy.report import ErrorReport, chosen_format, parse_budget
from systolab.cosim.accuracy.trace_error import LayerError, Trace, trace
from systolab.cosim.network import data
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.fixed_bias import FixedBias
from systolab.cosim.network.plan import Plan
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.network import Network, Tensor
from systolab.glenside.onnx import importer as onnx_import
from systolab.rtl.kernel.kernel import Array
from tests.cosim.runs import Systolab

AF8 = formats.get("adaptivfloat:8,3")
HIDDEN = 64


def network(path: Path, steps: int) -> Network:
    """An LSTM as badly conditioned as the published one."""
    onnx.save(unstable_lstm(steps, HIDDEN), str(path))
    return onnx_import.load(str(path))


def inputs(net: Network, count: int) -> list[dict[str, Tensor]]:
    rng = np.random.default_rng(1)
    return [
        {
            name: rng.uniform(-1, 1, shape).astype(np.float32)
            for name, shape in sorted(net.inputs.items())
        }
        for _ in range(count)
    ]


def machine(fmt: Format) -> Array:
    return Array(8, 8, fmt, fmt, fmt, Exact())


def test_the_lstm_with_a_fixed_bias_fails(tmp_path: Path) -> None:
    """FlexASR's published failure: small error at first, over 60 % after ten more steps."""
    net = network(tmp_path / "lstm.onnx", 12)
    calls = inputs(net, 4)
    program = compile_network(net, machine(FixedBias(AF8, -4)))
    measured = trace(Plan(program, calls), calls)
    over_time = measured.by_time()
    assert len(over_time) == 11  # the product with the state of zeros is folded away
    assert over_time[0] < 0.1
    assert over_time[10] > 0.6
    first = measured.first_over(0.05)
    assert first is not None
    assert first.time <= 1
    unrepaired = ErrorReport(measured, 0.05, ()).text()
    assert f"first over 5 %: {first.name}, step {first.time}" in unrepaired


@pytest.mark.slow
def test_the_lstm_is_repaired(tmp_path: Path) -> None:
    net = network(tmp_path / "lstm.onnx", 12)
    calls = inputs(net, 4)
    program = compile_network(net, machine(FixedBias(AF8, -4)))
    tried = repair(program, calls, calls, 0.05)
    assert tried[-1].error <= 0.05
    assert all(trial.error > 0.05 for trial in tried[:-1])
    costs = [trial.cost for trial in tried]
    assert costs == sorted(costs)
    shown = ErrorReport(trace(Plan(program, calls), calls), 0.05, tuple(tried)).text()
    assert f"cheapest within the budget: {tried[-1].change}" in shown


def test_errors_are_those_of_the_tensors(tmp_path: Path) -> None:
    """One dense layer: the reported error is the Frobenius norm computed by hand."""
    net = network(tmp_path / "lstm.onnx", 1)
    calls = inputs(net, 3)
    plan = Plan(compile_network(net, machine(AF8)), calls)
    measured = trace(plan, calls)
    layer = next(item for item in measured.layers if item.clipped is not None)
    step = next(item for item in plan.program.kernels if item.name == layer.name)
    source = next(item for item in net.layers if item.name == step.layers[0])
    gather = next(item for item in net.layers if source.inputs[0] in item.outputs)
    signal = noise = 0.0
    clipped: list[float] = []
    for call in calls:
        x = call["sequence"][int(net.constants[gather.inputs[1]])]
        weights = net.constants[source.inputs[1]]
        bias = net.constants[source.inputs[2]] if len(source.inputs) > 2 else 0.0
        exact = x.astype(np.float64) @ weights.astype(np.float64).T + bias
        a, w, o = (plan.scales(t, AF8) for t in (step.a.tensor, step.w.tensor, step.o.tensor))
        activations = step.a.tensor not in net.constants
        a, w = (a, w) if activations else (w, a)
        qx = AF8.values[AF8.encode(x / np.float64(a))]
        qw = AF8.values[AF8.encode(weights / np.float64(w))]
        y = (qx @ qw.T) * (np.float64(a) * np.float64(w)) + bias
        quantised = AF8.values[AF8.encode((y / o).astype(np.float32))] * np.float64(o)
        clipped.append(float((np.abs(exact / o) > AF8.values.max()).mean()))
        signal += float(np.square(exact).sum())
        noise += float(np.square(quantised - exact).sum())
    assert layer.error == pytest.approx(np.sqrt(noise / signal), rel=1e-4)
    assert layer.sqnr_db == pytest.approx(-20 * np.log10(layer.error))
    assert layer.clipped == pytest.approx(np.mean(clipped))


def test_a_fixed_bias_scales_the_table_and_the_projection() -> None:
    fixed = FixedBias(AF8, -5)
    assert np.array_equal(fixed.values, AF8.values * 2.0**-5)
    x = np.random.default_rng(2).normal(size=2000)
    assert np.array_equal(fixed.encode(x * 2.0**-5), AF8.encode(x))
    assert fixed.fit_scale(x) == 1
    half = AF8.values[1] / 2  # AdaptivFloat's own tie with zero
    assert fixed.encode(np.float64(half * 2.0**-5)) == AF8.encode(np.float64(half)) == 1
    assert chosen_format(AF8, None) is AF8
    assert chosen_format(AF8, -5).name == "adaptivfloat:8,3 with bias -5"
    with pytest.raises(SystolabError, match="fixed_bias must be from -100 to 100, not 200"):
        chosen_format(AF8, 200)


def named(array: Array, scales: WeightScales = WeightScales.TENSOR) -> dict[str, Candidate]:
    return {candidate.change: candidate for candidate in candidates(array, scales)}


def test_what_is_tried() -> None:
    found = named(machine(AF8))
    assert {"exponent +1 bit, width kept", "significand +1 bits"} <= set(found)
    channel = found["per-channel weight scales"]
    assert channel.weight_scales is WeightScales.CHANNEL
    assert channel.array == machine(AF8)
    both = found["significand +1 bits, per-channel weight scales"]
    assert both.array.act.bits == 9
    given = named(machine(AF8), WeightScales.CHANNEL)
    assert "per-channel weight scales" not in given
    assert {c.weight_scales for c in given.values()} == {WeightScales.CHANNEL}
    fixed = FixedBias(AF8, -4)
    found = named(machine(fixed))
    assert "bias fitted to each tensor" in found
    assert "bias fitted to each tensor, per-channel weight scales" in found
    assert "per-channel weight scales" not in found  # a fixed bias scales nothing
    assert list(named(machine(formats.get("nf4")))) == ["per-channel weight scales"]


@pytest.mark.parametrize(
    ("accumulator", "widths"),
    [
        (Wrap(26), [26, 30, 34, 38, 41]),
        (Saturate(33), [33, 37, 41]),
        (Wrap(30, -20), [30, 34, 38, 41]),
        (Float32(), [32, 41]),
        (Exact(), [41]),
    ],
)
def test_accumulators_widen_up_to_the_exact_one(
    accumulator: Accumulator, widths: list[int]
) -> None:
    array = Array(8, 8, AF8, AF8, AF8, accumulator)
    found = [
        (candidate.cost.accumulator_bits, candidate.change)
        for candidate in candidates(array, WeightScales.TENSOR)
        if candidate.array.act == AF8 and candidate.weight_scales is WeightScales.TENSOR
    ]
    assert [bits for bits, _ in found] == widths[1:]
    if len(widths) > 1:
        assert found[-1][1] == "exact accumulator"
        kind, _, lsb = str(accumulator).partition(":")
        names = [f"accumulator {kind}:{bits}{lsb[2:]}" for bits in widths[1:-1]]
        assert [change for _, change in found[:-1]] == names


def test_the_cheapest_is_tried_first() -> None:
    """Scales for each channel before a wider accumulator, both before more operand bits."""
    array = Array(8, 8, AF8, AF8, AF8, Wrap(26))
    order = [candidate.change for candidate in candidates(array, WeightScales.TENSOR)]
    expected = [
        "per-channel weight scales",
        "accumulator wrap:30",
        "accumulator wrap:30, per-channel weight scales",
        "exact accumulator",
        "significand +1 bits",
        "significand +1 bits, per-channel weight scales",
    ]
    assert [change for change in order if change in expected] == expected


def uneven(path: Path) -> Network:
    """A dense layer, one of whose channels has a large weight on an input that is always zero.

    So have the pixels at the border of an image: nobody notices what a network does with them.
    """
    weight = np.random.default_rng(3).uniform(-1, 1, (8, 16)).astype(np.float32)
    weight[0, 0] = 60
    b = Builder("uneven")
    b.output(b.node("Gemm", [b.input("x", [1, 16]), b.constant(weight, "w")], transB=1), [1, 8])
    onnx.save(b.model(), str(path))
    return onnx_import.load(str(path))


@pytest.mark.parametrize("accumulator", [Exact(), Saturate(28)])
def test_scales_for_each_channel_are_the_cheapest_repair(
    tmp_path: Path, accumulator: Accumulator
) -> None:
    net = uneven(tmp_path / "uneven.onnx")
    calls = inputs(net, 5)
    for call in calls:
        call["x"][0, 0] = 0
    int8 = formats.get("int:8")
    program = compile_network(net, Array(4, 4, int8, int8, int8, accumulator))
    measured = trace(Plan(program, calls), calls)
    tried = repair(program, calls, calls, 0.03)
    assert measured.worst > 0.1
    assert [trial.change for trial in tried] == ["per-channel weight scales"]
    assert tried[0].cost.operand_bits == 16
    report = ErrorReport(measured, 0.03, tuple(tried))
    # The layer with a scale for each row of the weights, in numpy.
    (weight,) = (value.astype(np.float64) for value in net.constants.values())
    x = np.concatenate([call["x"] for call in calls]).astype(np.float64)
    exact = x @ weight.T
    s_x, s_o = np.abs(x).max() / 127, np.abs(exact).max() / 127
    s_w = np.abs(weight).max(axis=1, keepdims=True) / 127
    y = (np.rint(x / s_x) * s_x) @ (np.rint(weight / s_w) * s_w).T
    found = np.clip(np.rint(y / s_o), -128, 127) * s_o
    error = float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    assert tried[0].error == pytest.approx(error, rel=1e-5)
    assert report.text().endswith(
        f"cheapest within the budget: per-channel weight scales: {100 * error:.2f} %"
    )
    structured = report.as_data()
    assert structured["repaired"] == "per-channel weight scales"
    assert structured["tried"][0]["error"] == tried[0].error


def layer(name: str, time: int, error: float) -> LayerError:
    return LayerError(name, time, error, 20.0, None, None)


def test_the_budget_finds_the_first_in_time() -> None:
    measured = Trace("f", "exact", (layer("a", 0, 0.01), layer("b", 1, 0.2), layer("c", 1, 0.03)))
    first = measured.first_over(0.05)
    assert first is not None
    assert first.name == "b"
    assert measured.first_over(0.5) is None
    assert measured.by_time() == [0.01, 0.03]
    assert measured.last == measured.worst == 0.03
    unrepaired = ErrorReport(measured, 0.05, (Trial("x", Cost(16, 30, 0), 0.1),))
    assert "none of these is within the budget" in unrepaired.text()
    assert unrepaired.as_data()["repaired"] is None
    assert "nothing is known that could repair it" in ErrorReport(measured, 0.05, ()).text()
    broken = Trace("f", "exact", (layer("a", 0, float("nan")),))
    assert broken.first_over(0.05) is not None


def test_budgets() -> None:
    assert parse_budget("5%") == 0.05
    assert parse_budget("0.1") == 0.1
    for given in ("0", "-1%", "x", "nan", "inf"):
        with pytest.raises(SystolabError, match="budget must be a positive number or percentage"):
            parse_budget(given)


@pytest.mark.slow
def test_the_command_traces_and_repairs(systolab: Systolab, tmp_path: Path) -> None:
    """The published failure by the command: error, first step over budget, measured repair."""
    onnx.save(unstable_lstm(12, HIDDEN), str(tmp_path / "lstm.onnx"))
    sequences = np.random.default_rng(1).uniform(-1, 1, (128, 12, 1, HIDDEN))
    np.savez(tmp_path / "sequences.npz", x=sequences)
    arguments = [str(tmp_path / "lstm.onnx"), "--data", str(tmp_path / "sequences.npz")]
    arguments += ["--images", "4", "--format", "adaptivfloat:8,3", "--array", "4x4"]
    status, out, _, result = systolab(
        *arguments, "--fixed-bias", "-4", "--trace-error", "--budget", "5%"
    )
    assert status == 0
    assert "first over 5 %" in out
    errors = result["errors"]
    best = errors["tried"][-1]
    assert errors["repaired"] == best["change"]
    assert best["error"] <= 0.05
    line = f"cheapest within the budget: {best['change']}: {100 * best['error']:.2f} %\n"
    assert line in out
    # What was printed is the error of that network, measured by itself.
    assert best["change"] == "exponent +1 bit, width +5, bias fitted"
    net = onnx_import.load(arguments[0])
    dataset = data.load(arguments[2], net.inputs, 4, 0)
    array = machine(formats.get("adaptivfloat:13,4"))
    plan = Plan(compile_network(net, array), dataset.calibration)
    assert trace(plan, dataset.calls).worst == pytest.approx(best["error"])
