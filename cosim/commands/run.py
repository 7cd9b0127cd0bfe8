"""`systolab run`: a network through the compiler, the software model and the RTL, compared."""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from systolab.cosim.accuracy import report as error_report
from systolab.cosim.case import hardware_model
from systolab.cosim.divergence import divergence
from systolab.cosim.network import data, execute, report
from systolab.cosim.network.block_operands import block_scaled, output_format
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.execute import Emulator, Stopwatch
from systolab.cosim.network.plan import Plan
from systolab.cosim.network.report import Report
from systolab.cosim.simulator.model import Model
from systolab.cosim.terminal.progress import Progress
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.onnx import importer as onnx_import
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array, parse_array

NAME = "run"
HELP = "run a network on the software model and on generated RTL, and compare every code and cycle"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab run`."""
    parser.add_argument("model", metavar="MODEL", help="the network, an ONNX file")
    parser.add_argument(
        "--format",
        required=True,
        metavar="F",
        help="number format of weights and activations, for example adaptivfloat:8,3",
    )
    parser.add_argument(
        "--out-format",
        metavar="F",
        help="number format that the array writes (as --format; bfloat16 where that is "
        "block-scaled)",
    )
    parser.add_argument(
        "--array", default="16x16", metavar="RxC", help="rows and columns of the array (16x16)"
    )
    parser.add_argument(
        "--accumulator",
        default="exact",
        metavar="A",
        help="exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB] (exact)",
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="digits, or an .npz file with x and perhaps y; without it seeded random inputs",
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="inputs to run (as many as there are, up to 100)"
    )
    parser.add_argument(
        "--engine", default="auto", help="emulation engine, for example softfloat (auto)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of random inputs (0)")
    error_report.add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the report and the generated RTL there"
    )


def run(args: argparse.Namespace) -> int:
    """Run the comparison; return 0 where nothing differs, else 1."""
    start = time.monotonic()
    # Everything that can be wrong with the command line is found before anything takes long.
    fmt = error_report.chosen_format(registry.get(args.format), args.fixed_bias)
    budget = error_report.parse_budget(args.budget)
    rows, cols = parse_array(args.array)
    accumulator, scaled = parse_accumulator(args.accumulator), block_scaled(fmt, fmt)
    out = output_format(args.out_format, fmt, fmt)
    array = Array(rows, cols, fmt, fmt, out, accumulator, block_scaled=scaled)
    emulator = Emulator(array, args.engine)
    for path in _outputs(args):
        _check_writable(path)
    network = onnx_import.load(args.model)
    dataset = data.load(args.data, network.inputs, args.images, args.seed)
    marks = [time.monotonic()]
    scales = WeightScales(args.weight_scales)
    program = compile_network(network, array, read_through=not scaled)
    plan = Plan(program, dataset.calibration, scales)
    marks.append(time.monotonic())
    model = Model(array, python=True)
    marks.append(time.monotonic())
    rtl = Stopwatch(hardware_model(array, model))
    with Progress("run", len(dataset.calls)) as advance:
        observed = execute.run(plan, emulator, rtl, dataset.calls, advance)
    marks.append(time.monotonic())
    seconds = dict(zip(("compile", "build", "run"), np.diff(marks).tolist(), strict=True))
    seconds["wall"] = time.monotonic() - start
    seconds["rtl"] = rtl.seconds
    result = report.assemble(
        plan, observed, Path(args.model).name, emulator.engines, dataset, seconds
    )
    print(report.text(result))
    if observed.failed is not None and observed.first is not None:
        print("\n" + divergence.of_run(args, array, observed.failed, observed.first.kernel))
    structured = result.as_data()
    if args.trace_error:
        errors = error_report.report(plan, dataset.calibration, dataset.calls, budget)
        print("\n" + errors.text())
        structured["errors"] = errors.as_data()
    _save(args, result, structured, array)
    return 0 if result.identical else 1


def _outputs(args: argparse.Namespace) -> list[Path]:
    folder = [] if args.out is None else [args.out / "report.json"]
    return folder if args.json is None else [*folder, args.json]


def _check_writable(path: Path) -> None:
    """Make the folder of an output file and see that a file can be made in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise SystolabError(
            f"Output folder {path.parent} must be writable: {error.strerror}"
        ) from error


def _save(
    args: argparse.Namespace, result: Report, structured: Mapping[str, Any], array: Array
) -> None:
    """Write what `--json` and `--out` ask for."""
    texts = dict.fromkeys(_outputs(args), json.dumps(structured, indent=2, allow_nan=False) + "\n")
    if args.out is not None:
        texts[args.out / "report.txt"] = report.text(result) + "\n"
        for name, source in hardware(array).files.items():
            texts[args.out / "rtl" / name] = source
    for path, content in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise SystolabError(f"File {path} must be writable: {error.strerror}") from error
