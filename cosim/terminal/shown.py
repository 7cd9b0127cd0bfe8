"""What a command prints and a notebook shows: paragraphs, facts, tables and a verdict, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from systolab.cosim.terminal.table import Table, fold
from systolab.formats.outside.escape import markup, printable
from systolab.formats.outside.short import representation

__all__ = ["CommandLine", "Facts", "Part", "Shown", "Verdict", "text"]


class CommandLine(str):
    """What a shell is given: folded, its lines end in a backslash, so that it can be pasted."""

    __slots__ = ()


@dataclass(frozen=True)
class Facts:
    """Labels and what they stand for.

    Attributes:
        rows: label and text.
        indent: characters from the start of a label to that of its text.
    """

    rows: Sequence[tuple[str, str]]
    indent: int = 16

    def text(self, width: int | None = None) -> str:
        """A line for each, folded to ``width`` characters."""
        lines = []
        for label, text in self.rows:
            line = printable(f"{label:<{self.indent}}{text}")
            parts = fold(line, width, " " * self.indent)
            if isinstance(text, CommandLine) and width is not None and len(parts) > 1:
                parts = fold(line, width - 2, " " * self.indent)
                parts = [f"{part} \\" for part in parts[:-1]] + parts[-1:]
            lines += parts
        return "\n".join(lines)

    def html(self) -> str:
        """A table of two columns."""
        left = 'style="text-align: left"'
        rows = "".join(
            f"<tr><th {left}>{markup(label)}</th><td {left}>{markup(text)}</td></tr>\n"
            for label, text in self.rows
        )
        return f"<table>\n<tbody>\n{rows}</tbody>\n</table>"


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Attributes:
        said: one sentence.
        good: whether it is what one hopes for.
        label: put before the sentence, padded to ``indent`` characters.
        indent: as of ``Facts``.
    """

    said: str
    good: bool
    label: str = ""
    indent: int = 16

    def text(self, width: int | None = None) -> str:
        """The sentence, folded to ``width`` characters."""
        label = f"{self.label:<{self.indent}}" if self.label else ""
        return "\n".join(fold(label + printable(self.said), width, " " * len(label)))

    def html(self) -> str:
        """A line of its own, green or red."""
        colour = "#1a7f37" if self.good else "#cf222e"
        return f'<p><strong style="color: {colour}">{markup(self.said)}</strong></p>'


#: Text without a line break is a paragraph, empty text a space between parts; other text is kept as
#: it is set.
Part: TypeAlias = str | Table | Facts | Verdict


class Shown(ABC):
    """A report: as text, as plain data, and as what a notebook shows.

    A dataclass that is one is declared with ``repr=False``: its fields would flood the screen.
    """

    @property
    @abstractmethod
    def headline(self) -> str:
        """What it is about and what it says, in a line."""

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """What there is to say, from the top."""

    @abstractmethod
    def as_data(self) -> Mapping[str, Any] | Sequence[Any]:
        """Plain data for JSON."""

    def text(self, width: int | None = None) -> str:
        """The report for people.

        Args:
            width: characters in a line; None: as many as it needs.
        """
        return text(self.parts(), width)

    def __repr__(self) -> str:
        """One short line."""
        return representation(self, self.headline)

    def _repr_html_(self) -> str:
        """The report as HTML, which needs nothing but itself."""
        shown = [
            _html(part) if isinstance(part, str) else part.html()
            for part in self.parts()
            if part != ""
        ]
        return "<div>\n" + "\n".join(shown) + "\n</div>"


def text(parts: Sequence[Part], width: int | None = None) -> str:
    """Parts of a report as lines of at most ``width`` characters; None: as many as they need."""
    return "\n".join(
        _folded(part, width) if isinstance(part, str) else part.text(width) for part in parts
    )


def _folded(paragraphs: str, width: int | None) -> str:
    lines = map(printable, paragraphs.split("\n"))
    return "\n".join(line for given in lines for line in (fold(given, width) or [""]))


def _html(text: str) -> str:
    tag = "pre" if "\n" in text else "p"
    lines = "\n".join(map(markup, text.split("\n")))
    return f"<{tag}>{lines}</{tag}>"
