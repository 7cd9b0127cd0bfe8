"""Pictures of formats: the number line and the relative error (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from formats.errors import SystolabError
from formats.format import Format
from formats.properties import relative_errors

__all__ = ["plot"]


def plot(fmts: Sequence[Format], path: Path) -> None:
    """Draw the number lines and relative-error curves of formats, one colour each.

    Positive unscaled values on a logarithmic axis; the error is that of the nearest-value search
    between the smallest and the largest magnitude of each format.

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
        ends = np.log2(positive[[0, -1]])
        x = np.exp2(np.linspace(ends[0], ends[1], 4000))
        curve.plot(x, relative_errors(fmt, x), color=colour, linewidth=0.8, label=fmt.name)
    line.set_yticks(range(len(fmts)), [fmt.name for fmt in fmts])
    line.invert_yaxis()
    line.set_title("representable positive values (unscaled)")
    curve.set_xscale("log", base=2)
    curve.set_yscale("log")
    curve.set_ylim(bottom=1e-5)
    curve.set_xlabel("value")
    curve.set_ylabel("relative error")
    curve.legend()
    try:
        # Without a date the same formats give the same bytes.
        figure.savefig(path, metadata={"Date": None} if path.suffix in (".svg", ".pdf") else None)
    except (OSError, ValueError) as error:
        raise SystolabError(f"Plot {path} cannot be written: {error}") from error
