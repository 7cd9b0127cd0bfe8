"""`systolab run`: a network through the compiler, the software model and the RTL, compared."""

import argparse
from pathlib import Path

from systolab.cosim.api.run import RunReport
from systolab.cosim.api.run import run as run_network
from systolab.cosim.commands import options
from systolab.cosim.divergence.divergence import WAVES
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.terminal.console import steps
from systolab.formats.dot.product import ENGINES
from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import json_text
from systolab.formats.outside.writing import check_new_folder, write_folder
from systolab.rtl.hardware.hardware import hardware

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "run"
HELP = "run a network on the software model and on generated RTL, and compare every code and cycle"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab run`."""
    options.add_model(parser)
    options.add_format(parser, "--format")
    options.add_out_format(parser)
    options.add_array(parser)
    options.add_accumulator(parser)
    options.add_dims(parser)
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="digits, or an .npz file with x and perhaps y; without it seeded random inputs",
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="inputs to run (as many as there are, up to 100)"
    )
    parser.add_argument(
        "--engine",
        default="auto",
        metavar="NAME",
        help="emulation engine: auto, the fastest that is proved to apply, or one of "
        f"{', '.join(engine.name for engine in ENGINES)} (auto)",
    )
    options.add_seed(parser)
    _add_error_arguments(parser)
    options.add_json(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="DIR",
        help="write the report and the generated RTL there: a new or empty folder",
    )


def _add_error_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that concern numerical error."""
    group = parser.add_argument_group("numerical error")
    group.add_argument(
        "--trace-error",
        action="store_true",
        help="show the error of every layer against binary32, and try what repairs it",
    )
    group.add_argument(
        "--budget",
        metavar="E",
        help="largest error with --trace-error (5%%)",
    )
    group.add_argument(
        "--weight-scales",
        choices=[str(scales) for scales in WeightScales],
        default=str(WeightScales.TENSOR),
        help="one scale for each constant weight, or for each of its output channels (tensor)",
    )
    group.add_argument(
        "--fixed-bias",
        type=int,
        metavar="B",
        help="fix every tensor's scale at 2^B instead of fitting it to the data",
    )


def run(args: argparse.Namespace) -> int:
    """Run the comparison; return 0 where nothing differs, else 1.

    Raises:
        SystolabError: an argument cannot be used, or no layer ran on the array: the report is
            printed, and is no proof of anything.
    """
    options.check_outputs(
        {"--json": args.json}, folders={"--out": args.out}, inputs=[args.model, args.data]
    )
    if args.out is not None:
        check_new_folder(args.out)
    with steps() as step:
        report = run_network(
            args.model,
            args.format,
            array=args.array,
            out_format=args.out_format,
            accumulator=args.accumulator,
            dims=args.dims,
            data=args.data,
            images=args.images,
            engine=args.engine,
            seed=args.seed,
            weight_scales=args.weight_scales,
            fixed_bias=args.fixed_bias,
            trace_error=args.trace_error,
            budget=args.budget,
            waves=WAVES if args.out is None else args.out,
            progress=step,
        )
    if args.out is not None:
        _save(args.out, report)
    options.answer(report, args.json)
    if not report.compared:
        raise SystolabError("Model must have a layer that the array runs, for a comparison")
    return 0 if report.identical else 1


def _save(folder: Path, report: RunReport) -> None:
    """Write the report and the generated RTL."""
    texts = {"report.json": json_text(report.as_data()), "report.txt": report.text() + "\n"}
    sources = hardware(report.machine).files
    write_folder(folder, texts | {f"rtl/{name}": text for name, text in sources.items()})
