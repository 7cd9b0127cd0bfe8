"""Reports as notebooks show them: real tables, everything escaped, the verdict to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest

import systolab as sl
from systolab.cosim.check.report import Finding
from systolab.cosim.terminal.shown import CommandLine, Facts, Part, Shown, Verdict, text
from systolab.cosim.terminal.table import Table, headings
from tests.cosim.runs import MODEL

EVIL = '<script>alert("x")</script> & co'


class Page(HTMLParser):
    """Elements that are opened and closed in order, and text by element."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.feed(shown._repr_html_())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.links += [name for name, _ in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.append((self.open[-1], data))

    def of(self, tag: str) -> list[str]:
        """Texts directly inside elements of one kind."""
        return [text for element, text in self.found if element == tag]


@dataclass(frozen=True, repr=False)
class Everything(Shown):
    """A report with every kind of part."""

    good: bool
    headline = f"all there is, {EVIL}"

    def parts(self) -> list[Part]:
        table = Table(headings(("name", "n"), (1,)), [(EVIL, "1")])
        return [
            f"about {EVIL}",
            "",
            table,
            Facts([("label", EVIL)], 8),
            Verdict(EVIL, self.good, label="verdict", indent=10),
            f"kept\n  as it is {EVIL}",
        ]

    def as_data(self) -> dict[str, bool]:
        return {"good": self.good}


def test_text() -> None:
    n = len(EVIL)
    assert Everything(True).text().splitlines() == [
        f"about {EVIL}",
        "",
        f"{'name':<{n}}  n",
        f"{'-' * n}  -",
        f"{EVIL}  1",
        f"label   {EVIL}",
        f"verdict   {EVIL}",
        "kept",
        f"  as it is {EVIL}",
    ]


def test_names_cannot_steer_the_terminal() -> None:
    name = "a\r\nverdict identical\x1b[2J"
    spelt = r"a\r\nverdict identical\x1b[2J"
    assert Facts([("kernel", name)], 8).text() == f"kernel  {spelt}"
    assert Verdict(name, False).text() == spelt
    assert text(["kept\n\x1b[2J"]) == "kept\n\\x1b[2J"
    finding = Finding(f"kernel {name}: codes differ", (("layer", name),))
    assert finding.lines() == [f"kernel {spelt}: codes differ", f"  layer  {spelt}"]


def test_what_a_finding_says_hangs_below_its_label() -> None:
    finding = Finding("product: codes differ", (("first", "one two three four"),), command="go")
    assert text(finding.parts(), 22).splitlines() == [
        "product: codes differ",
        "  first      one two",
        "             three",
        "             four",
        "  reproduce  go",
    ]


def test_text_of_a_width() -> None:
    wide = Facts([("label", "one two three four five")], 8)
    pasted = Facts([("again", CommandLine("systolab check int:4 --array 2x2 --quick"))], 8)
    folded = pasted.text(24)
    assert folded.split("\n") == [
        "again   systolab check \\",
        "        int:4 --array \\",
        "        2x2 --quick",
    ]
    assert "\\" not in pasted.text()
    assert wide.text(20).splitlines() == ["label   one two", "        three four", "        five"]


@pytest.mark.parametrize(("good", "colour"), [(True, "#1a7f37"), (False, "#cf222e")])
def test_html(good: bool, colour: str) -> None:
    report = Everything(good)
    page = Page(report)
    assert page.of("script") == []
    assert page.of("th") == ["name", "n", "label"]
    assert page.of("td") == [EVIL, "1", EVIL]
    assert page.of("p") == [f"about {EVIL}"]
    assert page.of("strong") == [EVIL]
    assert page.of("pre") == [f"kept\n  as it is {EVIL}"]
    assert f'<strong style="color: {colour}">' in report._repr_html_()
    assert page.links == []


def test_a_run() -> None:
    report = sl.run(MODEL, "adaptivfloat:6,3", array="4x4", data="digits", images=2)
    page = Page(report)
    assert [x for x in page.of("td") if x.startswith("conv")][:1] == ["conv1"]
    assert page.of("strong") == ["identical: every output code and every cycle count"]
    assert page.links == []


def test_a_check() -> None:
    report = sl.check("int:4", array="2x2", level="quick", stages=["table"])
    assert Page(report).of("strong") == [report.verdict]
    assert Page(report).of("th")[:3] == ["stage", "cases", "differ"]
    assert f"{report.verdict}</strong>" in report._repr_html_()


@pytest.mark.parametrize(
    "report",
    [
        sl.describe("e4m3fn"),
        sl.list_formats(),
        sl.loss([1.0, 2.5], "e4m3fn"),
        sl.map(MODEL, "e4m3fn", array="4x4"),
    ],
    ids=lambda report: type(report).__name__,
)
def test_others_are_tables(report: Shown) -> None:
    page = Page(report)
    assert page.of("td") or page.of("pre")
    assert page.of("th")
    assert page.links == []
    assert report.as_data()


def test_the_histogram_of_a_loss_fits_80_columns() -> None:
    """Also where one group holds everything and its values take all their digits."""
    report = sl.loss(np.full(1_000_000, -1.2345e-30), "bfloat16")
    assert max(map(len, report.histogram().split("\n"))) <= 80
