"""`systolab formats`: what number formats there are."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from systolab.cosim.api.describe import list_formats
from systolab.cosim.terminal.columns import columns
from systolab.formats.describe.comparison import compare_adaptivfloat
from systolab.formats.errors import SystolabError

NAME = "formats"
HELP = "list the families of number formats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab formats`."""
    parser.add_argument(
        "--compare-adaptivfloat",
        action="store_true",
        help="show how three published behaviours of AdaptivFloat<8,3> differ on the same data",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if args.compare_adaptivfloat:
        text, plain = _comparison()
    else:
        listed = list_formats()
        text, plain = listed.text(), listed.as_data()
    print(text)
    if args.json is not None:
        write_json(args.json, plain)
    return 0


def write_json(path: Path, plain: object) -> None:
    """Write plain data as JSON; raise SystolabError where that is impossible."""
    try:
        path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SystolabError(f"File {path} cannot be written: {error.strerror}") from error


def _comparison() -> tuple[str, object]:
    rows = compare_adaptivfloat()
    kinds = list(rows[0].differing)
    heading = ["format", *(f"{k}: differ" for k in kinds), *(f"{k}: RMS error" for k in kinds)]
    body = [
        [
            row.name,
            *(f"{row.differing[kind]:.3f} %" for kind in kinds),
            *(f"{row.rms_error[kind]:.5f}" for kind in kinds),
            row.source,
        ]
        for row in rows
    ]
    text = columns([*heading, "behaviour of"], body, right=range(1, len(heading)))
    note = "differ: share of 1e6 samples that are not the nearest value of the paper's set"
    return f"{text}\n\n{note}", [asdict(row) for row in rows]
