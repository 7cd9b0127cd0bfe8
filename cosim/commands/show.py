"""`systolab show`: one number format in detail."""

import argparse
from pathlib import Path

from systolab.cosim.api.describe import SAMPLES, describe
from systolab.cosim.commands import options
from systolab.formats import get
from systolab.formats.describe.plot import plot
from systolab.formats.errors import SystolabError

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "show"
HELP = "show a number format: range, precision, special codes, exactness, encodings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab show`."""
    options.add_format(parser, "format")
    parser.add_argument(
        "--encode", metavar="X", type=float, nargs="+", default=SAMPLES, help="values to encode"
    )
    parser.add_argument("--table", action="store_true", help="print the value of every code")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw the number line and the relative error, as FILE.svg, .pdf or .png",
    )
    parser.add_argument(
        "--beside", metavar="F", nargs="+", default=(), help="other formats to draw in the plot"
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    options.check_outputs({"--json": args.json}, {"--plot": args.plot})
    options.require_text(args.json, "--table", args.table)
    description = describe(args.format, encode=args.encode)
    if args.beside and args.plot is None:
        raise SystolabError("Option --beside must come with --plot")
    if args.plot is not None:
        plot([description.format, *map(get, args.beside)], args.plot)
    options.answer(description, args.json, description.parts(table=args.table))
    return 0
