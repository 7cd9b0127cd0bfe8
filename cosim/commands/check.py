"""`systolab check`: the software and the generated RTL of a format, compared stage by stage."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from systolab.cosim.api.check import check, mutate
from systolab.cosim.check.context import Level
from systolab.cosim.check.stages import STAGES
from systolab.cosim.divergence.divergence import WAVES
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import CODEC_HELP, Codec

NAME = "check"
HELP = "compare the software and the RTL of a number format: table, blocks, kernels, cycles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab check`."""
    parser.add_argument(
        "format", metavar="F", help="number format, for example adaptivfloat:8,3 or my.py:MyFormat"
    )
    parser.add_argument("--weight", metavar="F", help="format of the weights (F)")
    parser.add_argument(
        "--out", metavar="F", help="format of the outputs (F; bfloat16 where F is block-scaled)"
    )
    parser.add_argument(
        "--array", default="4x4", metavar="RxC", help="rows and columns of the array (4x4)"
    )
    parser.add_argument(
        "--accumulator",
        metavar="A",
        help="exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB] "
        "(exact, or float32 where that would be too wide)",
    )
    parser.add_argument("--codec", default="auto", choices=list(Codec), help=CODEC_HELP)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="a few seconds")
    effort.add_argument("--full", action="store_true", help="about ten times as many cases")
    parser.add_argument("--seed", type=int, default=0, help="seed of random inputs (0)")
    parser.add_argument(
        "--stage",
        action="append",
        metavar="NAME",
        help=f"run only this stage; may be repeated: {', '.join(stage.name for stage in STAGES)}",
    )
    parser.add_argument(
        "--mutate",
        type=int,
        metavar="N",
        help="instead check the check: plant N single faults in the RTL, count those it finds",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the report as JUnit XML")
    parser.add_argument(
        "--waves",
        type=Path,
        default=Path(WAVES),
        metavar="DIR",
        help="where the waveform of a first divergence goes (systolab-divergence)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the check; return 0 where everything is equal, else 1."""
    if args.mutate is not None:
        return _mutate(args)
    report = check(
        args.format,
        array=args.array,
        weight=args.weight,
        out_format=args.out,
        accumulator=args.accumulator,
        codec=args.codec,
        level=Level.QUICK if args.quick else Level.FULL if args.full else Level.NORMAL,
        seed=args.seed,
        stages=args.stage,
        waves=args.waves,
        progress=_progress,
    )
    print(report.text())
    for path, text in (
        (args.json, json.dumps(report.as_data(), indent=2) + "\n"),
        (args.junit, report.to_junit()),
    ):
        if path is not None:
            _write(path, text)
    return 0 if report.passed else 1


def _mutate(args: argparse.Namespace) -> int:
    """Run a mutation campaign; return 0 where every fault in the design was found, else 1."""
    if args.codec != Codec.AUTO:
        raise SystolabError(f"--codec must be auto with --mutate, not {args.codec}")
    result = mutate(
        args.format,
        args.mutate,
        array=args.array,
        weight=args.weight,
        out_format=args.out,
        accumulator=args.accumulator,
        level=Level.QUICK if args.quick else Level.FULL,
        seed=args.seed,
        progress=_progress,
    )
    print(result.text())
    if args.json is not None:
        _write(args.json, json.dumps(result.as_data(), indent=2) + "\n")
    return 1 if result.survivors else 0


def _progress(stage: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[Kcheck: {stage}", end="\r" if stage == "cycles" else "", file=sys.stderr)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SystolabError(
            f"Report file {path} must be writable, not refused: {error.strerror}"
        ) from error
