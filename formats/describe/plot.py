"""Pictures of formats: the number line and the relative error (needs matplotlib)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from systolab.formats.describe.properties import worst_errors
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.writing import replacing

__all__ = ["plot"]

# Okabe and Ito's colours, told apart by colour-blind readers and in print.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")

# Kinds of files whose bytes can be the same every day, and what holds the date in each.
_DATES = {".svg": "Date", ".pdf": "CreationDate", ".png": None}

_STYLE: dict[Any, Any] = {  # keys and values are matplotlib's own
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "svg.hashsalt": "systolab",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
}


def plot(fmts: Sequence[Format], path: Path) -> None:
    """Draw the number lines and relative-error curves of formats, one colour each.

    Positive unscaled values on a logarithmic axis; the error is the largest between each two
    neighbours, drawn where it occurs.

    Raises:
        SystolabError: matplotlib is missing, the file is of another kind than SVG, PDF and PNG,
            or it cannot be written.
    """
    if path.suffix.lower() not in _DATES:
        raise SystolabError(f"Plot must be a file ending in {', '.join(_DATES)}, not {path}")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SystolabError(
            "Plots must have matplotlib: pip install 'systolab[bench]', or pip install matplotlib"
        ) from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.6 + 0.34 * len(fmts)), layout="constrained")
        line, curve = figure.subplots(
            2, 1, sharex=True, height_ratios=[0.5 + len(fmts) / 2, max(4, len(fmts))]
        )
        for row, fmt in enumerate(fmts):
            positive = fmt.codebook.points[fmt.codebook.points > 0]
            colour = _COLOURS[row % len(_COLOURS)]
            line.plot(positive, np.full(len(positive), row), "|", color=colour, markersize=9)
            x, worst = worst_errors(fmt)
            curve.plot(x, worst, color=colour, linewidth=1.1, label=fmt.name)
        line.set_yticks(range(len(fmts)), [fmt.name for fmt in fmts])
        for label, colour in zip(line.get_yticklabels(), itertools.cycle(_COLOURS), strict=False):
            label.set_color(colour)
        line.set_ylim(len(fmts) - 0.5, -0.5)
        line.tick_params(axis="y", length=0)
        line.spines["left"].set_visible(False)
        line.grid(visible=False, axis="y")
        line.set_title("Positive values, unscaled")
        curve.set_xscale("log", base=2)
        curve.set_yscale("log")
        curve.set_xlabel("value")
        curve.set_title("Largest relative error between neighbours")
        with replacing(path) as stream:
            kind = path.suffix.lower().removeprefix(".")
            figure.savefig(stream, format=kind, metadata=_undated(path))


def _undated(path: Path) -> dict[str, None] | None:
    """Metadata without a date, so that the same formats give the same bytes."""
    key = _DATES[path.suffix.lower()]
    return None if key is None else {key: None}
