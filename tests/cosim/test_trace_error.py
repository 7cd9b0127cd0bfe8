"""Numerical divergence of networks: measured, first step over budget found, repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import formats
from cosim import cli
from cosim.execute import Plan
from cosim.fixed_bias import FixedBias
from cosim.trace_error import (
    LayerError,
    Trace,
    Trial,
    candidates,
    chosen_format,
    parse_budget,
    repair,
    text,
    trace,
)
from examples.networks.lstm import lstm
from formats.accumulator import Exact, Wrap
from formats.errors import SystolabError
from formats.format import Format
from glenside import onnx_import
from glenside.compile import compile as compile_network
from glenside.network import Network, Tensor
from rtl.kernel import Array

AF8 = formats.get("adaptivfloat:8,3")
HIDDEN = 64


def network(path: Path, steps: int) -> Network:
    """An LSTM with weights uniform in (-2, 2), as badly conditioned as the published one."""
    model = lstm(steps, HIDDEN, HIDDEN)
    rng = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32:
            drawn = rng.uniform(-2, 2, value.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(drawn, tensor.name))
    onnx.save(model, str(path))
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


def test_the_lstm_with_a_fixed_bias_fails_and_is_repaired(tmp_path: Path) -> None:
    """FlexASR's published failure: small error at first, over 60 % after ten more steps."""
    net = network(tmp_path / "lstm.onnx", 12)
    calls = inputs(net, 4)
    program = compile_network(net, machine(FixedBias(AF8, -3)))
    measured = trace(Plan(program, calls), calls)
    over_time = measured.by_time()
    assert len(over_time) == 12
    assert over_time[0] < 0.1
    assert over_time[10] > 0.6
    first = measured.first_over(0.05)
    assert first is not None
    assert first.time <= 1
    tried = repair(program, calls, calls, 0.05)
    assert tried[-1].error <= 0.05
    assert all(trial.error > 0.05 for trial in tried[:-1])
    costs = [trial.cost for trial in tried]
    assert costs == sorted(costs)
    shown = text(measured, 0.05, tried)
    assert f"first over 5 %: {first.name}" in shown
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
    signal = noise = 0.0
    for call in calls:
        values = {**net.constants, **call}
        x = values.get(source.inputs[0])
        if x is None:  # the slice of the sequence
            x = call["sequence"][0]
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
        signal += float(np.square(exact).sum())
        noise += float(np.square(quantised - exact).sum())
    assert layer.error == pytest.approx(np.sqrt(noise / signal), rel=1e-4)
    assert layer.sqnr_db == pytest.approx(-20 * np.log10(layer.error))
    assert layer.clipped == 0.0


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
    with pytest.raises(SystolabError, match="Fixed bias must be from -100 to 100, not 200"):
        chosen_format(AF8, 200)


def test_what_is_tried() -> None:
    names = [what for what, _, _ in candidates(AF8, machine(AF8))]
    assert "exponent +1 bit, width kept" in names
    assert "significand +1 bits" in names
    fixed = FixedBias(AF8, -4)
    assert "bias fitted to each tensor" in [w for w, _, _ in candidates(fixed, machine(fixed))]
    narrow = Array(8, 8, AF8, AF8, AF8, Wrap(26))
    assert candidates(AF8, narrow)[0][0] == "exact accumulator"
    takum = formats.get("nf4")
    assert candidates(takum, machine(takum)) == []


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
    unrepaired = text(measured, 0.05, [Trial("x", (16, 1), 0.1)])
    assert "none of these is within the budget" in unrepaired
    broken = Trace("f", "exact", (layer("a", 0, float("nan")),))
    assert broken.first_over(0.05) is not None


def test_budgets() -> None:
    assert parse_budget("5%") == 0.05
    assert parse_budget("0.1") == 0.1
    for given in ("0", "-1%", "x", "nan", "inf"):
        with pytest.raises(SystolabError, match="Budget must be a positive number or percentage"):
            parse_budget(given)


@pytest.mark.slow
def test_the_command_traces_and_repairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lstm.onnx"
    network(path, 4)
    arguments = ["run", str(path), "--format", "adaptivfloat:8,3", "--array", "4x4"]
    arguments += ["--images", "2", "--trace-error", "--budget", "5%", "--fixed-bias", "-4"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "first over 5 %" in shown
    assert "cheapest within the budget" in shown
