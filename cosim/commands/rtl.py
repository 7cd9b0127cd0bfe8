"""`systolab rtl`: writes the SystemVerilog of an array with a self-checking testbench."""

import argparse
from pathlib import Path

from systolab.cosim.api.hardware import hardware
from systolab.cosim.commands import options
from systolab.cosim.terminal.console import show
from systolab.formats.outside.writing import check_new_folder

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "rtl"
HELP = "write the SystemVerilog of an array, with a testbench that needs no Python"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab rtl`."""
    options.add_format(parser, "format")
    options.add_weight(parser)
    options.add_out_format(parser)
    options.add_array(parser)
    options.add_accumulator(parser)
    options.add_codec(parser)
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", required=True, help="new or empty folder"
    )


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what is in it."""
    options.check_outputs({}, folders={"--out": args.out})
    check_new_folder(args.out)
    design = hardware(
        args.format,
        array=args.array,
        weight=args.weight,
        out_format=args.out_format,
        accumulator=args.accumulator,
        codec=args.codec,
    )
    design.write(args.out)
    show(f"{args.out}: {design.contents}")
    return 0
