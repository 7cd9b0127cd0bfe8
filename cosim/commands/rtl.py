"""`systolab rtl`: writes the SystemVerilog of an array with a self-checking testbench."""

import argparse
from pathlib import Path

from systolab.cosim.network.block_operands import block_scaled, output_format
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import SYNTAX, parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import CODEC_HELP, Codec
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.hardware.synthesis import SCRIPT, synthesis_script
from systolab.rtl.hardware.testbench import MAKEFILE, example_vectors, readme, testbench
from systolab.rtl.kernel.kernel import Array, parse_array

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
    act = get(args.format)
    weight = get(args.weight) if args.weight else act
    out = output_format(args.out_format, act, weight)
    rows, cols = parse_array(args.array)
    accumulator, scaled = parse_accumulator(args.accumulator), block_scaled(act, weight)
    array = Array(rows, cols, act, weight, out, accumulator, block_scaled=scaled)
    sources = hardware(array, Codec(args.codec)).files
    vectors = example_vectors(array)
    files = {
        **sources,
        "files.f": "".join(f"{name}\n" for name in sources),
        **testbench(array, vectors),
        "Makefile": MAKEFILE,
        SCRIPT: synthesis_script(sources),
        "README.md": readme(array, vectors, sources),
    }
    write_folder(args.out, files)
    print(f"{args.out}: {len(sources)} sources, {len(vectors)} kernels in the testbench")
    return 0


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write files into a new or empty folder.

    Raises:
        SystolabError: the folder has contents, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SystolabError(f"Output folder must be new or empty, not {folder}")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SystolabError(
            f"Output folder must be writable, not {folder} ({error.strerror})"
        ) from error
