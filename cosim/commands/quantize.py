"""`systolab quantize`: a NumPy file into codes, and what that costs."""

import argparse
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.commands.formats import write_json
from systolab.formats import QuantizedTensor, get
from systolab.formats.describe.properties import Loss, loss
from systolab.formats.errors import SystolabError
from systolab.formats.scaling.calibration import Calibration, CalibrationMethod

NAME = "quantize"
HELP = "quantise a NumPy file and report the error"

_BARS = 16
_BAR_WIDTH = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab quantize`."""
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="real numbers of any shape")
    parser.add_argument("--format", required=True, metavar="F", help="for example e4m3fn")
    parser.add_argument(
        "--axis", type=int, metavar="K", help="a scale for each index of axis K; blocks run along K"
    )
    parser.add_argument(
        "--calibrate",
        choices=[str(method) for method in CalibrationMethod],
        help="how the scale is fitted (max)",
    )
    parser.add_argument(
        "--percent", type=float, default=99.99, metavar="P", help="for --calibrate percentile"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT.npz", help="write arrays codes and scale there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Quantise and report."""
    fmt = get(args.format)
    x = _load(args.file)
    scale = None
    if args.calibrate is not None:
        calibration = Calibration(
            fmt, CalibrationMethod(args.calibrate), args.percent, axis=args.axis
        )
        calibration.observe(x)
        scale = calibration.scale()
    tensor = fmt.quantize(x, args.axis, scale)
    result = loss(x, tensor)
    if args.output is not None:
        _save(args.output, tensor)
    print("\n".join(f"{key:<12}{value}" for key, value in _lines(x, tensor, result)))
    print("\n" + _histogram(tensor))
    if args.json is not None:
        plain = asdict(result) | {"format": fmt.name, "shape": list(x.shape)}
        write_json(args.json, plain)
    return 0


def _load(path: Path) -> NDArray[np.floating]:
    try:
        x = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SystolabError(f"Array file {path} cannot be read: {reason}") from error
    if not isinstance(x, np.ndarray):
        raise SystolabError(f"Array file {path} must hold one array, not an archive of several")
    if x.dtype.kind not in "fiu":
        raise SystolabError(f"Array of {path} must hold real numbers, not {x.dtype}")
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _save(path: Path, tensor: QuantizedTensor) -> None:
    try:
        with path.open("wb") as file:
            np.savez(file, codes=tensor.codes, scale=tensor.scale, format=tensor.format.name)
    except OSError as error:
        raise SystolabError(f"File {path} cannot be written: {error.strerror}") from error


def _lines(x: NDArray[np.floating], tensor: QuantizedTensor, result: Loss) -> list[tuple[str, str]]:
    low, high = float(tensor.scale.min(initial=np.inf)), float(tensor.scale.max(initial=0))
    scale = (
        f"{low:.9g}"
        if tensor.scale.size == 1
        else f"{low:.9g} to {high:.9g}, {tensor.scale.size} scales"
    )
    return [
        ("format", tensor.format.name),
        ("shape", "x".join(map(str, x.shape)) or "scalar"),
        ("scale", scale),
        ("SQNR", "no error" if result.sqnr_db is None else f"{result.sqnr_db:.2f} dB"),
        ("max error", f"{result.max_error:.6g}"),
        ("clipped", f"{100 * result.clipped:.4f} %"),
        ("flushed", f"{100 * result.flushed:.4f} %"),
        ("non-finite", str(result.nonfinite)),
        ("codes used", f"{result.codes_used} of {2**tensor.format.bits}"),
    ]


def _histogram(tensor: QuantizedTensor) -> str:
    """How often the codes occur, in groups of neighbouring values."""
    book = tensor.format.codebook
    counts = np.bincount(tensor.codes.reshape(-1), minlength=2**tensor.format.bits)[book.codes]
    edges = np.linspace(0, len(counts), min(_BARS, len(counts)) + 1).astype(int)
    groups = [int(counts[a:b].sum()) for a, b in pairwise(edges)]
    most = max(max(groups), 1)
    rows = []
    for (a, b), count in zip(pairwise(edges), groups, strict=True):
        bar = "#" * -(-count * _BAR_WIDTH // most)
        rows.append(f"{book.points[a]:>12.5g} .. {book.points[b - 1]:<12.5g} {count:>10}  {bar}")
    return "\n".join(line.rstrip() for line in rows)
