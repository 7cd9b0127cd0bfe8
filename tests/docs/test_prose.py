"""Prose stays within 100 columns, and filling it anew changes nothing that a reader sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from docs import prose
from docs.output import ROOT, pages

LONG = "words and words and words " * 6  # 156 columns


def seen(text: str) -> str:
    """The page as HTML, blanks and line ends alike."""
    return re.sub(r"\s+", " ", MarkdownIt("commonmark").enable("table").render(text))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_within_the_width(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert prose.long_lines(text) == [], "python -m docs.prose"


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        f"* {LONG}\n* short\n\n  1. {LONG}\n     more\n",
        f"> {LONG}",
        f"before\n\n| {LONG} | b |\n|---|---|\n| {LONG} | c |\n\n{LONG}",
        f"```text\n{LONG}\n```\n\n    {LONG}\n",
        f"# {LONG}\n\n{LONG}\n",
        f"{'x' * 97} + y, {'z' * 98} - {'z' * 97} 1. and # so > on",
        f"a [link with words](https://example.org/{'x' * 90}) and `code  that is {'long ' * 20}`",
        f"![picture of {LONG}](p.svg)\n{LONG}",
    ],
)
def test_a_reader_sees_no_difference(text: str) -> None:
    assert seen(prose.wrapped(text)) == seen(text)
    assert prose.wrapped(prose.wrapped(text)) == prose.wrapped(text)
    assert prose.long_lines(prose.wrapped(text)) == []


def test_a_long_line_is_found_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\nshort\n\n{LONG}\n", encoding="utf-8")
    assert prose.main([str(page), "--check"]) == 1
    assert prose.main([str(page)]) == 0
    assert prose.main([str(page), "--check"]) == 0
    assert max(map(len, page.read_text(encoding="utf-8").splitlines())) <= 100


def test_what_is_not_prose_may_be_long() -> None:
    table = f"| {LONG} | b |\n|---|---|\n| {LONG} | c |\n"
    code = f"```text\n{LONG}\n```\n"
    link = f"[link](https://example.org/{'x' * 90})\n"
    assert prose.long_lines(f"{table}\n{code}\n{link}") == []
    assert prose.long_lines(f"{table}\n{code}\nmore {link}") == [9]
