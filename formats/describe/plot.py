"""Pictures of formats: the number line and the relative error (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from systolab.formats.describe.properties import worst_errors
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format

__all__ = ["plot"]


def plot(fmts: Sequence[Format], path: Path) -> None:
    """Draw the number lines and relative-error curves of formats, one colour each.

    Positive unscaled values on a logarithmic axis; the error is the largest between each two
    neighbours, drawn where it occurs.

    Raises:
        SystolabError: matplotlib is missing, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SystolabError("Plots need matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(9, 3 + 0.5 * len(fmts)), layout="constrained")
    line, curve = figure.subplots(2, 1, sharex=True, height_ratios=[len(fmts), max(4, len(fmts))])
    for row, fmt in enumerate(fmts):
        positive = fmt.codebook.points[fmt.codebook.points > 0]
        colour = f"C{row}"
        line.plot(positive, np.full(len(positive), row), "|", color=colour, markersize=14)
        x, worst = worst_errors(fmt)
        curve.plot(x, worst, ".-", color=colour, linewidth=0.8, markersize=3, label=fmt.name)
    line.set_yticks(range(len(fmts)), [fmt.name for fmt in fmts])
    line.set_ylim(len(fmts) - 0.5, -0.5)
    line.set_title("representable positive values (unscaled)")
    curve.set_xscale("log", base=2)
    curve.set_yscale("log")
    curve.set_xlabel("value")
    curve.set_ylabel("largest relative error")
    curve.legend()
    try:
        # Without a date the same formats give the same bytes.
        figure.savefig(path, metadata={"Date": None} if path.suffix in (".svg", ".pdf") else None)
    except (OSError, ValueError) as error:
        raise SystolabError(f"Plot {path} cannot be written: {error}") from error
