"""`systolab formats`: what number formats there are."""

import argparse
from dataclasses import asdict

from systolab.cosim.api.describe import list_formats
from systolab.cosim.commands import options
from systolab.cosim.terminal.shown import Part, Shown
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.describe.comparison import compare_adaptivfloat

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "formats"
HELP = "list the families of number formats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab formats`."""
    parser.add_argument(
        "--compare-adaptivfloat",
        action="store_true",
        help="show how three published behaviours of AdaptivFloat<8,3> differ on the same data",
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    options.check_outputs({"--json": args.json})
    options.answer(_Comparison() if args.compare_adaptivfloat else list_formats(), args.json)
    return 0


class _Comparison(Shown):
    """Three published behaviours of AdaptivFloat<8,3> on the same data."""

    def __init__(self) -> None:
        self._rows = compare_adaptivfloat()

    @property
    def headline(self) -> str:
        """What is compared, in a line."""
        return f"of {len(self._rows)} formats"

    def parts(self) -> list[Part]:
        """The table and what its columns mean."""
        kinds = list(self._rows[0].differing)
        names = [*(f"{k}: differ" for k in kinds), *(f"{k}: RMS error" for k in kinds)]
        columns = [
            Column("format"),
            *(Column(name, True, Narrow.MOVE if "RMS" in name else Narrow.KEEP) for name in names),
            Column("behaviour of", narrow=Narrow.WRAP),
        ]
        body = [
            [
                row.name,
                *(f"{row.differing[kind]:.3f} %" for kind in kinds),
                *(f"{row.rms_error[kind]:.5f}" for kind in kinds),
                row.source,
            ]
            for row in self._rows
        ]
        note = "differ: share of 1e6 samples that are not the nearest value of the paper's set"
        return [Table(columns, body), "", note]

    def as_data(self) -> list[dict[str, object]]:
        """Plain data for JSON."""
        return [asdict(row) for row in self._rows]
