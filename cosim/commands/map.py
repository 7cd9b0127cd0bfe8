"""`systolab map`: compile a network and show what was chosen, and why."""

import argparse
from pathlib import Path

from systolab.cosim.api.mapping import map as map_network
from systolab.cosim.commands import options
from systolab.cosim.terminal.console import status
from systolab.glenside.dot import to_dot

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "map"
HELP = "compile a network: dataflow, layouts and predicted cycles of every layer, and the reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab map`."""
    options.add_model(parser)
    options.add_format(parser, "--format", default="adaptivfloat:8,3")
    options.add_out_format(parser)
    options.add_array(parser)
    options.add_accumulator(parser)
    options.add_dims(parser)
    parser.add_argument(
        "--explain",
        metavar="LAYER",
        help="print all ways known for a layer and the re-checked chain of rules to the chosen one",
    )
    parser.add_argument(
        "--knowledge", type=Path, metavar="FILE", help="start from what FILE knows, and add to it"
    )
    parser.add_argument(
        "--dot", type=Path, metavar="FILE", help="draw the program, in DOT; - as of --json"
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compile and print."""
    options.check_outputs(
        {"--json": args.json, "--dot": args.dot},
        {"--knowledge": args.knowledge},
        inputs=[args.model],
    )
    options.require_text(args.json, "--explain", args.explain is not None)
    with status("compile"):
        report = map_network(
            args.model,
            args.format,
            array=args.array,
            out_format=args.out_format,
            accumulator=args.accumulator,
            dims=args.dims,
            knowledge=args.knowledge,
        )
        explanation = None if args.explain is None else report.explain(args.explain)
    options.answer(report, args.json, explanation, (args.dot, to_dot(report.program)))
    return 0
