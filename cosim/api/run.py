"""A network through the compiler, the software model and the RTL, compared."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from systolab.cosim.accuracy import report as error_report
from systolab.cosim.accuracy.report import ErrorReport
from systolab.cosim.api.command_line import command_line, spelt_in_full
from systolab.cosim.case import hardware_model
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.report import Finding
from systolab.cosim.divergence.divergence import WAVES, Divergence
from systolab.cosim.network import data as datasets
from systolab.cosim.network import execute, report
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.data import Source
from systolab.cosim.network.execute import Emulator, Stopwatch
from systolab.cosim.network.plan import Plan
from systolab.cosim.network.report import Report
from systolab.cosim.simulator.model import Model
from systolab.cosim.terminal.shown import Part
from systolab.formats.arithmetic.accumulator import AccumulatorLike
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.choices import choice, integer, path
from systolab.formats.registry.registry import FormatLike, get
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.elements import elements
from systolab.glenside.network.limits import RUN_ELEMENTS, RUN_PRODUCTS, check_limit, work
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.dimensions import Dims, spelt
from systolab.glenside.onnx.importer import load
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.configuration import ArrayLike
from systolab.rtl.kernel.configuration import array as make_array
from systolab.rtl.kernel.kernel import Array

__all__ = ["RunReport", "run"]

_BUDGET = "5%"


@dataclass(frozen=True, kw_only=True, repr=False)
class RunReport(Report):
    """What a run found; where software and RTL differ, also where they part.

    Attributes:
        machine: the array it ran on.
        divergence: the first difference, minimised and located; None where nothing differs.
        errors: errors against binary32, where they were asked for, and what repairs them.
    """

    machine: Array = field(repr=False)
    divergence: Finding | None = None
    errors: ErrorReport | None = None

    def as_data(self) -> dict[str, Any]:
        """Return plain data for JSON; an infinite SQNR becomes the text "inf"."""
        result = Report(**{each.name: getattr(self, each.name) for each in fields(Report)})
        plain = result.as_data()
        return plain if self.errors is None else {**plain, "errors": self.errors.as_data()}

    def parts(self) -> list[Part]:
        """The table, totals, verdict, and what differs or was asked for."""
        parts = super().parts()
        if self.divergence is not None:
            parts += ["", *self.divergence.parts()]
        if self.errors is not None:
            parts += ["", *self.errors.parts()]
        return parts


def run(
    model: str | Path | Network,
    format: FormatLike | None = None,
    *,
    array: ArrayLike = "16x16",
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    dims: Dims | None = None,
    data: Source = None,
    images: int | None = None,
    engine: str = "auto",
    seed: int = 0,
    weight_scales: str = WeightScales.TENSOR,
    fixed_bias: int | None = None,
    trace_error: bool = False,
    budget: str | float | None = None,
    waves: str | Path = WAVES,
    progress: Callable[[str], None] = lambda _: None,
) -> RunReport:
    """Run a network on the software model and on generated RTL; compare every code and cycle.

    >>> import systolab as sl
    >>> report = sl.run("examples/digits_cnn.onnx", "e4m3fn", array="4x4", images=1)
    >>> report.identical
    True
    >>> report.predicted_cycles == report.rtl_cycles
    True

    Args:
        model: an ONNX file, or what ``load`` returned.
        format: number format of weights and activations.
        array: rows and columns, or a whole ``Array``, which brings its formats and accumulator.
        out_format: format that the array writes; None: as ``format``, bfloat16 where that is
            block-scaled.
        accumulator: how products are summed; None: exactly.
        dims: sizes of dynamic dimensions of inputs, ``{"N": 8}`` or ``"N=8"``; a batch without one
            is 1.
        data: ``"digits"``; an ``.npz`` file with ``x`` and perhaps ``y``; an array ``x``, or a
            pair ``(x, y)``; None: random inputs. A part of it fits the scales and is not scored.
        images: inputs to run; None: as many as there are, up to 100.
        engine: emulation engine.
        seed: of random inputs.
        weight_scales: one scale for each constant weight, ``"tensor"``, or for each of its output
            channels, ``"channel"``.
        fixed_bias: B: the scale of every tensor is 2^B, instead of being fitted.
        trace_error: measure the error of every layer against binary32, and try what repairs it.
        budget: with ``trace_error``, the largest error that needs no repair: ``"5%"``, the default,
            or ``0.05``.
        waves: folder of the waveform of a first difference; made when there is one.
        progress: told what is being done before it takes its time.

    Raises:
        SystolabError: an argument cannot be used, alone or with the others.
    """
    start = time.monotonic()
    # Everything that can be wrong with the arguments is found before anything takes long.
    chosen = format
    if fixed_bias is not None:
        if format is None:
            raise SystolabError(
                Parameter("fixed_bias"), " must be given with a format, not an Array"
            )
        chosen = error_report.chosen_format(get(format), fixed_bias)
    machine = make_array(array, chosen, out_format=out_format, accumulator=accumulator)
    if budget is not None and not trace_error:
        raise SystolabError(Parameter("budget"), " must come with ", Parameter("trace_error"))
    allowed = error_report.parse_budget(_BUDGET if budget is None else budget)
    scales = choice(Parameter("weight_scales"), WeightScales, weight_scales)
    integer(Parameter("seed"), seed, 0)
    if images is not None:
        integer(Parameter("images"), images, 1)
    folder = path(Parameter("waves"), waves)
    emulator = Emulator(machine, engine)
    network = load(model, dims=dims)
    dataset = datasets.load(data, network.inputs, images, seed, elements(network))
    _check_work(network, len(dataset.calibration) + len(dataset.calls))
    marks = [time.monotonic()]
    progress("compile")
    program = compile_network(network, machine, read_through=not machine.block_scaled)
    plan = Plan(program, dataset.calibration, scales)
    marks.append(time.monotonic())
    progress("build")
    built = Model(machine, python=True)
    marks.append(time.monotonic())
    rtl = Stopwatch(hardware_model(machine, built))
    count = itertools.count(1)

    def advance() -> None:
        progress(f"run: {next(count)} of {len(dataset.calls)}")

    observed = execute.run(plan, emulator, rtl, dataset.calls, advance)
    marks.append(time.monotonic())
    seconds = dict(zip(("compile", "build", "run"), np.diff(marks).tolist(), strict=True))
    seconds["wall"] = time.monotonic() - start
    seconds["rtl"] = rtl.seconds
    name = network.name if isinstance(model, Network) else Path(model).name
    result = report.assemble(plan, observed, name, emulator.engines, dataset, seconds)
    divergence = None
    progress("report")
    if observed.failed is not None and observed.first is not None:
        whole = isinstance(array, Array)
        command = command_line(
            "run",
            model,
            format=machine.act if whole else format,
            array=machine.name,
            accumulator=str(machine.accumulator),
            dims=spelt(dims),
            seed=seed,
            data=data,
            images=images,
            fixed_bias=fixed_bias,
            engine=None if engine == "auto" else engine,
            weight_scales=None if scales is WeightScales.TENSOR else scales,
            out_format=machine.out if whole else out_format,
        )
        if whole and not (machine.weight == machine.act and spelt_in_full(machine)):
            command = ""
        context = Context(hardware(machine), Level.QUICK, seed)
        explained = Divergence(context, folder, command, staged=False)
        divergence = explained.explain(f"kernel {observed.first.kernel}", observed.failed)
    errors = None
    if trace_error:
        errors = error_report.report(
            plan, dataset.calibration, dataset.calls, allowed, progress=progress
        )
    return RunReport(**vars(result), machine=machine, divergence=divergence, errors=errors)


def _check_work(network: Network, calls: int) -> None:
    """A run of the network is no more than memory and a day hold."""
    computed = {tensor for layer in network.layers for tensor in layer.outputs if tensor}
    held = sum(prod(network.shapes[tensor]) for tensor in computed)
    check_limit("Tensors of a run", RUN_ELEMENTS, "elements", held)
    check_limit(f"Run of {calls} calls", RUN_PRODUCTS, "multiplications", work(network) * calls)
