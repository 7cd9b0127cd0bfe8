"""Options that several commands have: one spelling, one meaning, one help text each.

A format is ``--format``, ``--weight`` or ``--out-format`` everywhere; ``-o/--out`` is where files
go; ``-`` as a file is standard output.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from systolab.cosim.terminal.console import show
from systolab.cosim.terminal.shown import Part, Shown
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import CODEC_HELP, Codec

__all__ = [
    "add_accumulator",
    "add_array",
    "add_codec",
    "add_format",
    "add_json",
    "add_model",
    "add_out_format",
    "add_seed",
    "add_weight",
    "answer",
    "write",
]

_STDOUT = Path("-")
_ACCUMULATORS = "exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB]"  # that an array may have


def add_model(parser: argparse.ArgumentParser) -> None:
    """The network, as an argument of its own."""
    parser.add_argument("model", metavar="MODEL", help="the network, an ONNX file")


def add_format(parser: argparse.ArgumentParser, name: str, *, default: str | None = None) -> None:
    """The number format: ``name`` is "format", an argument of its own, or "--format"."""
    text = "number format, for example adaptivfloat:8,3 or my.py:MyFormat"
    if name == "format":
        parser.add_argument(name, metavar="F", help=text)
    elif default is None:
        parser.add_argument(name, metavar="F", required=True, help=text)
    else:
        parser.add_argument(name, metavar="F", default=default, help=f"{text} ({default})")


def add_weight(parser: argparse.ArgumentParser) -> None:
    """Another format for weights."""
    parser.add_argument("--weight", metavar="F", help="format of the weights (that of activations)")


def add_out_format(parser: argparse.ArgumentParser) -> None:
    """Another format for outputs."""
    parser.add_argument(
        "--out-format",
        metavar="F",
        help="format that the array writes (that of activations, bfloat16 for block formats)",
    )


def add_array(parser: argparse.ArgumentParser, default: str = "16x16", why: str = "") -> None:
    """Rows and columns of the array."""
    parser.add_argument(
        "--array",
        default=default,
        metavar="RxC",
        help=f"rows and columns of the array ({default}{why})",
    )


def add_accumulator(parser: argparse.ArgumentParser, default: str = "exact") -> None:
    """How products are summed."""
    parser.add_argument("--accumulator", metavar="A", help=f"{_ACCUMULATORS} ({default})")


def add_codec(parser: argparse.ArgumentParser) -> None:
    """How decoders and encoders are built."""
    parser.add_argument(
        "--codec", default="auto", choices=[str(codec) for codec in Codec], help=CODEC_HELP
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """The seed of whatever is random."""
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of random inputs (0)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Results for programs."""
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the results as JSON; - prints them in place of the text",
    )


def answer(
    report: Shown, path: Path | None, text: Shown | Sequence[Part] | str | None = None
) -> None:
    """Print a report and write it as JSON where that is asked for.

    Args:
        report: what was found.
        path: where its data go; ``-``: to standard output, and nothing else does.
        text: what is printed, where that is not the report.
    """
    document = json.dumps(report.as_data(), indent=2, allow_nan=False) + "\n"
    if path == _STDOUT:
        sys.stdout.write(document)
        return
    if path is not None:
        write(path, document)
    show(report if text is None else text)


def write(path: Path, text: str) -> None:
    """Write a file; ``-`` is standard output.

    Raises:
        SystolabError: the file cannot be written.
    """
    if path == _STDOUT:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SystolabError(f"File {path} must be writable: {error.strerror}") from error
