"""`systolab rtl`: writes the SystemVerilog of an array with a self-checking testbench."""

import argparse
from pathlib import Path

from systolab.cosim.api.hardware import hardware
from systolab.formats.arithmetic.accumulator import SYNTAX
from systolab.rtl.codecs import CODEC_HELP, Codec

NAME = "rtl"
HELP = "write the SystemVerilog of an array, with a testbench that needs no Python"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab rtl`."""
    parser.add_argument("format", metavar="F", help="format of activations, weights and outputs")
    parser.add_argument("--array", metavar="RxC", default="16x16", help="array shape (16x16)")
    parser.add_argument("--weight", metavar="F", help="format of the weights (F)")
    parser.add_argument(
        "--out-format", metavar="F", help="format of the outputs (F; of block formats bfloat16)"
    )
    parser.add_argument(
        "--accumulator", metavar="ACC", default="exact", help=f"{SYNTAX} (exact)".replace("%", "%%")
    )
    parser.add_argument("--codec", default="auto", choices=list(Codec), help=CODEC_HELP)
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", required=True, help="new folder")


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what is in it."""
    design = hardware(
        args.format,
        array=args.array,
        weight=args.weight,
        out_format=args.out_format,
        accumulator=args.accumulator,
        codec=args.codec,
    )
    design.write(args.out)
    print(f"{args.out}: {design.text()}")
    return 0
