"""Tables: nothing is lost at any width, no line is wider than the line, plain text is stable."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from systolab.cosim.terminal.table import Column, Narrow, Table, fold, headings
from systolab.formats.outside.escape import printable

LAYERS = Table(
    (
        Column("layer"),
        Column("shape", narrow=Narrow.MOVE),
        Column("cycles", right=True),
        Column("what", narrow=Narrow.WRAP),
    ),
    (
        ("conv_1", "1x16x32x32", "1,234", "multiplies and adds in order of the channels"),
        ("b", "1x8", "5", "host"),
    ),
)


def test_natural_width_is_that_of_the_cells() -> None:
    assert LAYERS.text() == (
        "layer   shape       cycles  what\n"
        "------  ----------  ------  --------------------------------------------\n"
        "conv_1  1x16x32x32   1,234  multiplies and adds in order of the channels\n"
        "b       1x8              5  host"
    )


def test_prose_is_wrapped_before_columns_move() -> None:
    assert LAYERS.text(60) == (
        "layer   shape       cycles  what\n"
        "------  ----------  ------  --------------------------------\n"
        "conv_1  1x16x32x32   1,234  multiplies and adds in order of\n"
        "                            the channels\n"
        "b       1x8              5  host"
    )


def test_a_word_as_long_as_a_path_does_not_split_the_table() -> None:
    path = "/a/folder/of/somebody/with/a/name/that/is/long/" + "x" * 30
    columns = (Column("build"), Column("MB"), Column("of", narrow=Narrow.WRAP))
    heading, _, *lines = Table(columns, [("0" * 12, "10", path)]).text(60).splitlines()
    assert heading.split() == ["build", "MB", "of"]
    assert "".join(line[18:] for line in lines) == path


def test_columns_move_below_under_the_same_row_names() -> None:
    assert LAYERS.text(42) == (
        "layer   cycles  what\n"
        "------  ------  --------------------------\n"
        "conv_1   1,234  multiplies and adds in\n"
        "                order of the channels\n"
        "b            5  host\n"
        "\n"
        "layer   shape\n"
        "------  ----------\n"
        "conv_1  1x16x32x32\n"
        "b       1x8"
    )


def test_a_table_without_names_has_no_heading() -> None:
    facts = Table((Column(""), Column("", narrow=Narrow.WRAP)), (("bits", "8"), ("zero", "0x0")))
    assert facts.text() == "bits  8\nzero  0x0"
    assert "<thead>" not in facts.html()


def test_a_caption_is_above_and_folded() -> None:
    table = Table(headings(["a"]), [["1"]], caption="a long caption of seven words here")
    assert table.text(20) == "a long caption of\nseven words here\na\n-\n1"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="Row must have 2 cells, not 1"):
        Table(headings(["a", "b"]), [["1"]])


def test_names_cannot_steer_the_terminal() -> None:
    table = Table(headings(["layer"]), [["a\r\nverdict identical\x1b[2J"]])
    assert table.text().splitlines()[2:] == ["a\\r\\nverdict identical\\x1b[2J"]


class Reader(HTMLParser):
    """Collects the text of cells and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_html_is_closed_escaped_and_aligned() -> None:
    table = Table((Column("a<b"), Column("n", right=True)), [["<script>", "1"]], caption="x & y")
    text = table.html()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.cells == ["a<b", "n", "<script>", "1"]
    assert "<script>" not in text
    assert "x &amp; y" in text
    assert text.count("text-align: right") == 2


WORDS = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=40)
TABLES = st.builds(
    lambda columns, rows, keys: Table(
        [Column(f"c{i}", *settings) for i, settings in enumerate(columns)],
        [row[: len(columns)] for row in rows],
        keys=min(keys, len(columns)),
    ),
    st.lists(st.tuples(st.booleans(), st.sampled_from(Narrow)), min_size=1, max_size=8),
    st.lists(st.lists(WORDS, min_size=8, max_size=8), min_size=1, max_size=4),
    st.integers(1, 2),
)


@given(TABLES, st.integers(40, 130))
def test_no_width_loses_a_character_or_is_passed(table: Table, width: int) -> None:
    text = table.text(width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    for i, column in enumerate(table.columns):
        assert text.count(column.name) >= 1
        for row in table.rows:
            for character in set(row[i]):
                wanted = sum(row.count(character) for row in map("".join, table.rows))
                assert text.count(character) >= min(wanted, 1)
    alone = re.sub(r"[\s-]", "", "".join(sorted(text)))
    for character in set("".join(map("".join, table.rows))) - {"-"}:
        assert alone.count(character) >= sum("".join(r).count(character) for r in table.rows)


@given(st.text(st.characters(categories=("L", "Zs")), max_size=200), st.integers(2, 50))
def test_folded_text_keeps_its_words(text: str, width: int) -> None:
    lines = fold(printable(text), width, indent=" ")
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(printable(text).split())
