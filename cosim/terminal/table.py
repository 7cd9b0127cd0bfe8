"""A table of text: plain with a stable width, folded to the width of a terminal, or as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len, chop_cells

from systolab.formats.outside.escape import markup, printable

__all__ = ["Column", "Narrow", "Table", "fold", "headings"]

_GAP = "  "
_WRAP_AT_LEAST = 24  # characters of prose in a line that still read well
_WORD_AT_MOST = 40  # a longer one, such as a path, is cut before the table is


class Narrow(Enum):
    """What becomes of a column where the table is wider than the line."""

    KEEP = "keep"  #: it stays as it is
    WRAP = "wrap"  #: its cells take several lines
    MOVE = "move"  #: it moves to a second table below, under the same row names


@dataclass(frozen=True)
class Column:
    """Name of a column, and how it is set.

    Attributes:
        name: heading; a table whose columns have no names has no heading.
        right: cells are flush right, as numbers are.
        narrow: what becomes of it where the table is too wide.
    """

    name: str
    right: bool = False
    narrow: Narrow = Narrow.KEEP


def headings(names: Sequence[str], right: Sequence[int] = ()) -> tuple[Column, ...]:
    """Columns by name; those in ``right`` are flush right."""
    return tuple(Column(name, i in right) for i, name in enumerate(names))


@dataclass(frozen=True)
class Table:
    """Rows of text under columns.

    Attributes:
        columns: at least one.
        rows: one cell for each column. What a terminal cannot print is shown escaped.
        caption: a line above the table.
        keys: so many columns on the left name a row: they are repeated where the table is folded.

    Raises:
        ValueError: a row has not one cell for each column.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    keys: int = 1

    def __post_init__(self) -> None:
        """Freeze the columns and rows."""
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(map(tuple, self.rows)))
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"Row must have {len(self.columns)} cells, not {len(row)}")

    def text(self, width: int | None = None) -> str:
        """The table as lines; no cell is left out or shortened.

        Args:
            width: characters in a line; None: as many as the cells need.
        """
        parts = [self._panel(group, width) for group in self._groups(width)]
        lines = fold(printable(self.caption), width) if self.caption else []
        for i, part in enumerate(parts):
            lines += [*([""] if i else []), *part]
        return "\n".join(lines)

    def html(self) -> str:
        """The table as one HTML element that needs no style sheet."""
        head = "".join(
            _cell("th", column.name, column) for column in self.columns if self._has_heading
        )
        body = "".join(
            "<tr>" + "".join(map(_cell, ["td"] * len(row), row, self.columns)) + "</tr>\n"
            for row in self.rows
        )
        caption = f"<caption>{markup(self.caption)}</caption>\n" if self.caption else ""
        head = f"<thead><tr>{head}</tr></thead>\n" if head else ""
        return f"<table>\n{caption}{head}<tbody>\n{body}</tbody>\n</table>"

    @property
    def _has_heading(self) -> bool:
        return any(column.name for column in self.columns)

    def _cells(self, i: int) -> list[str]:
        """A column's heading and cells as they are printed."""
        return [printable(text) for text in (self.columns[i].name, *(row[i] for row in self.rows))]

    def _natural(self, i: int) -> int:
        return max(map(cell_len, self._cells(i)))

    def _least(self, i: int) -> int:
        """Width below which a column is set only where not even one of it fits a line."""
        natural = self._natural(i)
        if self.columns[i].narrow is not Narrow.WRAP:
            return natural
        words = [word for cell in self._cells(i) for word in cell.split()]
        longest = min(max(map(cell_len, words or [""])), _WORD_AT_MOST)
        return min(natural, max(_WRAP_AT_LEAST, longest))

    def _groups(self, width: int | None) -> list[list[int]]:
        """The columns of each table that this one is folded into, from the top."""
        every = list(range(len(self.columns)))
        if width is None or _total([self._least(i) for i in every]) <= width:
            return [every]
        names, others = every[: self.keys], every[self.keys :]
        moved = [i for i in others if self.columns[i].narrow is Narrow.MOVE]
        groups: list[list[int]] = []
        for part in ([i for i in others if i not in moved], moved):
            group = list(names)
            for i in part:
                fits = _total([self._least(j) for j in (*group, i)]) <= width
                if not fits and len(group) > len(names):
                    groups.append(group)
                    group = list(names)
                group.append(i)
            if len(group) > len(names):
                groups.append(group)
        return groups or [names]

    def _panel(self, group: Sequence[int], width: int | None) -> list[str]:
        """Lines of the table of these columns; of some, without rows that say nothing there."""
        natural = [self._natural(i) for i in group]
        widths = natural if width is None else self._narrowed(group, natural, width)
        heading, *body = zip(*map(self._cells, group), strict=True)
        lines = []
        if self._has_heading:
            lines += self._row(group, heading, widths)
            lines.append(_GAP.join("-" * width for width in widths))
        others = [n for n, i in enumerate(group) if i >= self.keys]
        for row in body:
            if len(group) == len(self.columns) or not others or any(row[n] for n in others):
                lines += self._row(group, row, widths)
        return lines

    def _narrowed(self, group: Sequence[int], natural: list[int], width: int) -> list[int]:
        """Widths of columns that fit a line: prose gives way first, then the widest."""
        widths = list(natural)
        least = [self._least(i) for i in group]
        while _total(widths) > width:
            wraps = [p for p in range(len(widths)) if widths[p] > least[p]]
            widest = max(wraps or range(len(widths)), key=widths.__getitem__)
            if widths[widest] == 1:
                break  # no room for one character a column
            widths[widest] -= 1
        return widths

    def _row(self, group: Sequence[int], cells: Sequence[str], widths: Sequence[int]) -> list[str]:
        """Lines of one row: as many as its longest cell takes."""
        columns = [fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
        lines = []
        for n in range(max(map(len, columns))):
            parts = []
            for i, part, width in zip(group, columns, widths, strict=True):
                text = part[n] if n < len(part) else ""
                space = " " * (width - cell_len(text))
                parts.append(space + text if self.columns[i].right else text + space)
            lines.append(_GAP.join(parts).rstrip())
        return lines


def fold(text: str, width: int | None, indent: str = "") -> list[str]:
    """Break text at spaces into lines; a word longer than a line is cut.

    Args:
        text: one line.
        width: characters in a line; None: any number.
        indent: put before every line but the first.
    """
    if width is None or cell_len(text) <= width:
        return [text]
    width = max(width, 1)
    indent = indent if cell_len(indent) + 2 <= width else ""  # room for one wide character
    lines, line = [], ""
    for word in re.findall(r"\s*\S+", text):
        if line.strip() and cell_len(line + word) > width:
            lines.append(line)
            line = indent
            word = word.lstrip()
        while cell_len(line + word) > width:
            room = max(width - cell_len(line), 1)
            cut = chop_cells(word, room)[0] or word[0]  # one character may be two cells wide
            lines.append(line + cut)
            line, word = indent, word[len(cut) :]
        line += word
    return [*lines, line] if line.strip() else lines


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _cell(tag: str, text: str, column: Column) -> str:
    side = "right" if column.right else "left"
    return f'<{tag} style="text-align: {side}">{markup(text)}</{tag}>'
