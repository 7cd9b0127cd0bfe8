"""Keeps the prose of the documents within 100 columns: ``python -m docs.prose``.

A paragraph or list item with a longer line is filled anew; one without is left as its author broke
it. Tables, code and headings are not prose. A link's text may be broken, its target and inline code
may not: what is longer than a line by itself stands alone on one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from docs.output import pages

__all__ = ["WIDTH", "long_lines", "main", "wrapped"]

WIDTH = 100

_MARKER = re.compile(r"[ >]*(?:(?:[-*+]|\d+[.)]) +)?")
# Inline code; else what has no blank, a link's target with its optional title included.
_WORD = re.compile(r"(?:(`+)(?!`).+?(?<!`)\1(?!`)|\]\([^)]*\)|\S)+")
_BLOCK = re.compile(r"(?:[-*+>|]|\d+[.)]|#+|=+|~~~|```)$|[>|]|```|~~~")  # begins more than a line


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """First line and the one after the last of every paragraph, counted from 0."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "paragraph_open" and token.map is not None:
            yield token.map[0], token.map[1]


def _unbroken(words: Sequence[str]) -> list[str]:
    """Words, each with what cannot begin a line behind it."""
    units: list[str] = []
    for word in words:
        if units and _BLOCK.match(word):
            units[-1] += f" {word}"
        else:
            units.append(word)
    return units


def _filled(lines: Sequence[str]) -> list[str]:
    """A paragraph as lines that are as long as they may be."""
    match = _MARKER.match(lines[0])
    marker = match[0] if match else ""
    indent = " " * len(marker)
    text = " ".join([lines[0][len(marker) :], *lines[1:]])
    first, *others = _unbroken([match[0] for match in _WORD.finditer(text)])
    filled = [marker + first]
    for word in others:
        if len(filled[-1]) + 1 + len(word) <= WIDTH:
            filled[-1] += f" {word}"
        else:
            filled.append(indent + word)
    return filled


def wrapped(text: str) -> str:
    """The text of a page with every paragraph within the width."""
    lines = text.splitlines()
    for first, after in reversed(list(_paragraphs(text))):
        if any(len(line) > WIDTH for line in lines[first:after]):
            lines[first:after] = _filled(lines[first:after])
    return "".join(f"{line}\n" for line in lines)


def long_lines(text: str) -> list[int]:
    """Lines, counted from 1, whose paragraph can be broken better."""
    before = text.splitlines()
    return [
        number + 1
        for first, after in _paragraphs(text)
        if any(len(line) > WIDTH for line in before[first:after])
        and _filled(before[first:after]) != before[first:after]
        for number in range(first, after)
        if len(before[number]) > WIDTH
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the pages anew; with ``--check`` return 1 where a line is too long."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", type=Path, help="all without")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(arguments)
    found = False
    for page in args.pages or pages():
        text = page.read_text(encoding="utf-8")
        for line in long_lines(text):
            found = True
            print(f"{page}:{line}: {'is longer than' if args.check else 'within'} {WIDTH}")
        if not args.check:
            page.write_text(wrapped(text), encoding="utf-8")
    return 1 if args.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
