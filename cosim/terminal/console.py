"""What a person at a terminal sees: colours, tables that fit, a line while something is built.

Where standard output is no terminal, the same text is plain and as wide as it is, whatever the
environment says, so that what is piped or saved is the same everywhere. ``NO_COLOR`` and
``COLUMNS`` mean what they mean to other programs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from systolab.cosim.terminal.output import put, writing_output
from systolab.cosim.terminal.shown import Part, Shown, Verdict, text
from systolab.formats.outside.escape import printable

__all__ = ["show", "status", "steps"]

_RULE = re.compile(r"-{2,}( +-+)*")
_GOOD, _BAD, _HEADING, _FAINT = "bold green", "bold red", "bold", "bright_black"


def show(report: Shown | Sequence[Part] | str) -> None:
    """Print a report on standard output.

    Raises:
        SystolabError: it cannot be written.
        BrokenPipeError: nobody reads any more.
    """
    parts: Sequence[Part] = (
        report.parts()
        if isinstance(report, Shown)
        else [report]
        if isinstance(report, str)
        else report
    )
    if not sys.stdout.isatty():
        put((report.text() if isinstance(report, Shown) else text(parts)) + "\n")
        return
    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    with writing_output():
        for part in parts:
            for line in _styled(part, text([part], console.width).split("\n")):
                console.print(line)


def _styled(part: Part, lines: Sequence[str]) -> Iterator[Text]:
    """Lines of a part, its verdict and its headings marked."""
    for i, line in enumerate(lines):
        style = ""
        if isinstance(part, Verdict):
            style = _GOOD if part.good else _BAD
        elif _RULE.fullmatch(line):
            style = _FAINT
        elif i + 1 < len(lines) and _RULE.fullmatch(lines[i + 1]):
            style = _HEADING
        yield Text(line, style)


@contextmanager
def status(what: str) -> Iterator[None]:
    """A line on standard error while something takes its time, where that is a terminal."""
    with steps() as step:
        step(what)
        yield


@contextmanager
def steps(of: str = "") -> Iterator[Callable[[str], None]]:
    """A line on standard error that names what is being done now.

    Args:
        of: put before every name.
    """
    console = Console(stderr=True, highlight=False, emoji=False, markup=False)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield lambda _: None
        return
    with console.status(Text(of)) as line:
        yield lambda name: line.update(Text(printable(f"{of}: {name}" if of else name)))
