"""Options that several commands have: one spelling, one meaning, one help text each.

A format is ``--format``, ``--weight`` or ``--out-format`` everywhere; ``-o/--out`` is where files
go; ``-`` as a file is standard output. What is to be written is checked before the work starts
(``check_outputs``), and whole or absent (``systolab.formats.outside.writing``).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from systolab.cosim.terminal.console import show
from systolab.cosim.terminal.output import put
from systolab.cosim.terminal.shown import Part, Shown
from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import json_text
from systolab.formats.outside.writing import check_file, check_folder, write_text
from systolab.rtl.codecs import CODEC_HELP, Codec

__all__ = [
    "add_accumulator",
    "add_array",
    "add_codec",
    "add_dims",
    "add_format",
    "add_json",
    "add_model",
    "add_out_format",
    "add_seed",
    "add_weight",
    "answer",
    "check_outputs",
    "require_text",
]

_STDOUT = Path("-")
_ACCUMULATORS = "exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB]"  # that an array may have


def add_model(parser: argparse.ArgumentParser) -> None:
    """The network, as an argument of its own."""
    parser.add_argument("model", metavar="MODEL", help="the network, an ONNX file")


def add_dims(parser: argparse.ArgumentParser) -> None:
    """Sizes of dynamic dimensions of the network's inputs."""
    parser.add_argument(
        "--dims",
        metavar="NAME=SIZE,..",
        help="sizes of dynamic dimensions of inputs, by name or as x[0]=8 (a batch is 1)",
    )


def add_format(parser: argparse.ArgumentParser, name: str, *, default: str | None = None) -> None:
    """The number format: ``name`` is "format", an argument of its own, or "--format"."""
    text = (
        "number format, for example adaptivfloat:8,3, or my.py:MyFormat, a class of a Python file, "
        "which is executed"
    )
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


def check_outputs(
    texts: Mapping[str, Path | None],
    files: Mapping[str, Path | None] = MappingProxyType({}),
    folders: Mapping[str, Path | None] = MappingProxyType({}),
    inputs: Sequence[str | Path | None] = (),
) -> None:
    """See before the work that what is asked for can be written.

    Args:
        texts: file by option; ``-`` is standard output, which has room for one.
        files: the same of what standard output cannot take.
        folders: folder by option.
        inputs: files that are read, which no output may replace.

    Raises:
        SystolabError: something cannot be written, two options name the same, or an output is an
            input.
    """
    for kind, outputs in (("file", files), ("folder", folders)):
        for option, path in outputs.items():
            if path == _STDOUT:
                raise SystolabError(f"Option {option} must name a {kind}, not - (standard output)")
    taken: dict[Path, str] = {}
    for option, path in {**texts, **files, **folders}.items():
        if path is None:
            continue
        other = taken.setdefault(path.absolute(), option)
        if other != option:
            raise SystolabError(
                f"Options {other} and {option} must name different files, not {path} both"
            )
        if any(given is not None and _same(path, given) for given in inputs):
            raise SystolabError(f"Option {option} must not name what is read, {path}: it is kept")
        if option in folders:
            check_folder(path)
        elif path != _STDOUT:
            check_file(path)


def _same(one: Path, other: str | Path) -> bool:
    """Whether two names are of one file that exists."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def answer(
    report: Shown,
    path: Path | None,
    text: Shown | Sequence[Part] | str | None = None,
    *others: tuple[Path | None, str],
) -> None:
    """Write a report's files where they are asked for, then print it.

    Files come first: whoever reads standard output may stop before its end.

    Args:
        report: what was found.
        path: where its data go as JSON; ``-``: to standard output in place of the text.
        text: what is printed, where that is not the report.
        others: other documents and where they go, in the same way.

    Raises:
        SystolabError: a file cannot be written.
    """
    printed: str | None = None
    for target, document in ((path, json_text(report.as_data())), *others):
        if target == _STDOUT:
            printed = document
        elif target is not None:
            write_text(target, document)
    if printed is not None:
        put(printed)
    else:
        show(report if text is None else text)


def require_text(path: Path | None, option: str, given: bool) -> None:
    """See that an option that changes what is printed comes where the text is printed.

    Raises:
        SystolabError: ``--json -`` has the results printed in place of the text.
    """
    if given and path == _STDOUT:
        raise SystolabError(
            f"Option {option} must not come with --json -, which prints no text; "
            "--json FILE leaves room for it"
        )
