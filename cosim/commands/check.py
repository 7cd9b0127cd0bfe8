"""`systolab check`: the software and the generated RTL of a format, compared stage by stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from systolab.cosim.api.check import check, mutate
from systolab.cosim.check.context import Level
from systolab.cosim.check.stages import STAGES
from systolab.cosim.commands import options
from systolab.cosim.divergence.divergence import WAVES
from systolab.cosim.terminal.console import steps
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import Codec

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "check"
HELP = "compare the software and the RTL of a number format: table, blocks, kernels, cycles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab check`."""
    options.add_format(parser, "format")
    options.add_weight(parser)
    options.add_out_format(parser)
    options.add_array(parser, "4x4", ": blocks are the same at every size, and this builds fast")
    options.add_accumulator(parser, "exact, or float32 where that would be too wide")
    options.add_codec(parser)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument(
        "--quick",
        action="store_true",
        help="fewer cases, some ten seconds on 4x4 beside the build of the model (without it and "
        "--full: the normal level)",
    )
    effort.add_argument("--full", action="store_true", help="about ten times as many cases")
    options.add_seed(parser)
    parser.add_argument(
        "--stage",
        action="append",
        dest="stages",
        metavar="NAME",
        help=f"run only this stage; may be repeated: {', '.join(stage.name for stage in STAGES)}",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also measure what the check's runs reach in the RTL: points, lines, toggles",
    )
    parser.add_argument(
        "--mutate",
        dest="count",
        type=int,
        metavar="N",
        help="instead check the check: plant N single faults in the RTL, count those it finds; "
        "those in logic that the array is built without are absent",
    )
    options.add_json(parser)
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="write the report as JUnit XML; - as of --json"
    )
    parser.add_argument(
        "--waves",
        type=Path,
        metavar="DIR",
        help=f"where the waveform of a first divergence goes ({WAVES})",
    )


def run(args: argparse.Namespace) -> int:
    """Run the check; return 0 where everything is equal, else 1."""
    texts = {"--json": args.json, "--junit": args.junit}
    options.check_outputs(texts, folders={"--waves": args.waves})
    if args.count is not None:
        return _mutate(args)
    with steps("check") as step:
        report = check(
            args.format,
            array=args.array,
            weight=args.weight,
            out_format=args.out_format,
            accumulator=args.accumulator,
            codec=args.codec,
            level=Level.QUICK if args.quick else Level.FULL if args.full else Level.NORMAL,
            seed=args.seed,
            stages=args.stages,
            coverage=args.coverage,
            waves=WAVES if args.waves is None else args.waves,
            progress=step,
        )
    options.answer(report, args.json, None, (args.junit, report.to_junit()))
    return 0 if report.passed else 1


def _mutate(args: argparse.Namespace) -> int:
    """Run a mutation campaign; return 0 where every fault in the design was found, else 1."""
    if args.waves is not None:
        raise SystolabError(
            "Option --waves must not come with --mutate: a fault that is found is meant to be there"
        )
    if args.codec != Codec.AUTO:
        raise SystolabError(f"--codec must be auto with --mutate, not {args.codec}")
    if args.coverage:
        raise SystolabError(
            "Option --coverage must not come with --mutate: a check of the sound design measures it"
        )
    for name, given in (("--stage", args.stages), ("--junit", args.junit)):
        if given is not None:
            raise SystolabError(
                f"Option {name} must not come with --mutate: all stages look for the faults, and "
                "the report is text or --json"
            )
    with steps("mutate") as step:
        result = mutate(
            args.format,
            args.count,
            array=args.array,
            weight=args.weight,
            out_format=args.out_format,
            accumulator=args.accumulator,
            level=Level.QUICK if args.quick else Level.FULL,
            seed=args.seed,
            progress=step,
        )
    options.answer(result, args.json)
    return 1 if result.survivors else 0
