"""`systolab map`: compile a network and show what was chosen, and why."""

import argparse
from pathlib import Path

from systolab.cosim.api.mapping import map as map_network
from systolab.cosim.commands.formats import write_json
from systolab.formats.errors import SystolabError
from systolab.glenside.dot import to_dot

NAME = "map"
HELP = "compile a network: dataflow, layouts and predicted cycles of every layer, and the reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab map`."""
    parser.add_argument("model", metavar="MODEL", help="the network, an ONNX file")
    parser.add_argument(
        "--format", default="adaptivfloat:8,3", metavar="F", help="number format (adaptivfloat:8,3)"
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
        "--accumulator", default="exact", metavar="A", help="exact, float32, wrap:32, ... (exact)"
    )
    parser.add_argument(
        "--explain",
        metavar="LAYER",
        help="print all ways known for a layer and the re-checked chain of rules to the chosen one",
    )
    parser.add_argument(
        "--knowledge", type=Path, metavar="FILE", help="start from what FILE knows, and add to it"
    )
    parser.add_argument("--dot", type=Path, metavar="FILE", help="draw the program, in DOT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Compile and print."""
    report = map_network(
        args.model,
        args.format,
        array=args.array,
        out_format=args.out_format,
        accumulator=args.accumulator,
        knowledge=args.knowledge,
    )
    print(report.text() if args.explain is None else report.explain(args.explain))
    if args.dot is not None:
        _write(args.dot, to_dot(report.program))
    if args.json is not None:
        write_json(args.json, report.as_data())
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SystolabError(f"File {path} cannot be written: {error.strerror}") from error
