"""`systolab quantize`: a NumPy file into codes, and what that costs."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.api.quantize import loss
from systolab.cosim.commands import options
from systolab.formats import QuantizedTensor
from systolab.formats.errors import SystolabError
from systolab.formats.outside.arrays import read_array
from systolab.formats.outside.writing import replacing
from systolab.formats.scaling.calibration import PERCENT, CalibrationMethod

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "quantize"
HELP = "quantise a NumPy file and report the error"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab quantize`."""
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="real numbers of any shape")
    options.add_format(parser, "--format")
    parser.add_argument(
        "--axis", type=int, metavar="K", help="a scale for each index of axis K; blocks run along K"
    )
    parser.add_argument(
        "--calibrate",
        choices=[str(method) for method in CalibrationMethod],
        help="how the scale is fitted (max)",
    )
    parser.add_argument(
        "--percent",
        type=float,
        metavar="P",
        help=f"values that --calibrate percentile does not clip ({PERCENT} %%)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE.npz", help="write arrays codes and scale there"
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Quantise and report."""
    options.check_outputs({"--json": args.json}, {"--out": args.out}, inputs=[args.file])
    report = loss(
        _load(args.file),
        args.format,
        axis=args.axis,
        calibrate=args.calibrate,
        percent=args.percent,
    )
    if args.out is not None:
        _save(args.out, report.tensor)
    options.answer(report, args.json)
    return 0


def _load(path: Path) -> NDArray[np.floating]:
    x = read_array(path, f"Array file {path}")
    if x.dtype.kind not in "fiu":
        raise SystolabError(f"Array of {path} must hold real numbers, not {x.dtype}")
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _save(path: Path, tensor: QuantizedTensor) -> None:
    with replacing(path) as stream:
        np.savez(stream, codes=tensor.codes, scale=tensor.scale, format=tensor.format.name)
