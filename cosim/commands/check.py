"""`systolab check`: the software and the generated RTL of a format, compared stage by stage."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Explain
from systolab.cosim.check.stages import STAGES, Request, check
from systolab.cosim.divergence.divergence import Divergence
from systolab.cosim.mutation.campaign import campaign
from systolab.cosim.network.block_operands import block_scaled, output_format
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.registry import registry
from systolab.rtl.codecs import CODEC_HELP, Codec
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.kernel import Array, parse_array

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
        default=Path("systolab-divergence"),
        metavar="DIR",
        help="where the waveform of a first divergence goes (systolab-divergence)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the check; return 0 where everything is equal, else 1."""
    if args.seed < 0:
        raise SystolabError(f"Seed must be at least 0, not {args.seed}")
    request = _request(args)
    if args.mutate is not None:
        if request.codec is not Codec.AUTO:
            raise SystolabError(f"--codec must be auto with --mutate, not {request.codec}")
        return _mutate(args, request)

    def explainer(context: Context) -> Explain:
        return Divergence(context, args.waves, command(args, request)).explain

    report = check(request, explainer, progress=_progress)
    print(report.table())
    for path, text in ((args.json, report.to_json()), (args.junit, report.to_junit())):
        if path is not None:
            _write(path, text)
    return 0 if report.passed else 1


def _mutate(args: argparse.Namespace, request: Request) -> int:
    """Run a mutation campaign; return 0 where every fault in the design was found, else 1."""
    if args.mutate < 1:
        raise SystolabError(f"Number of mutants must be at least 1, not {args.mutate}")
    levels = [Level.QUICK] if args.quick else [Level.QUICK, Level.FULL]
    result = campaign(request.array, args.mutate, args.seed, levels, _progress)
    print(result.table())
    if args.json is not None:
        _write(args.json, json.dumps(result.to_json(), indent=2) + "\n")
    return 1 if result.survivors else 0


def _request(args: argparse.Namespace) -> Request:
    act = registry.get(args.format)
    weight = act if args.weight is None else registry.get(args.weight)
    scaled = block_scaled(act, weight)
    out = output_format(args.out, act, weight)
    rows, cols = parse_array(args.array)
    exact = scaled and args.accumulator is None
    accumulator = Exact() if exact else _accumulator(args.accumulator, act, weight)
    level = Level.QUICK if args.quick else Level.FULL if args.full else Level.NORMAL
    array = Array(rows, cols, act, weight, out, accumulator, block_scaled=scaled)
    return Request(array, level, args.seed, args.stage, Codec(args.codec))


def _accumulator(text: str | None, act: Format, weight: Format) -> Accumulator:
    if text is not None:
        return parse_accumulator(text)
    try:
        specialise(Array(1, 1, act, weight, act, Exact()))
    except SystolabError:
        return Float32()
    return Exact()


def command(args: argparse.Namespace, request: Request) -> str:
    """The command line of this check, up to ``--stage``."""
    words = ["systolab", "check", args.format]
    for option in ("weight", "out"):
        if getattr(args, option) is not None:
            words += [f"--{option}", getattr(args, option)]
    words += ["--array", request.array.name, "--accumulator", str(request.array.accumulator)]
    if request.codec is not Codec.AUTO:
        words += ["--codec", str(request.codec)]
    if request.level is not Level.NORMAL:
        words.append(f"--{request.level}")
    return shlex.join([*words, "--seed", str(request.seed)])


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
