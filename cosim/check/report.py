"""What a check found: one result per stage, as a table, as JSON and as JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from xml.etree import ElementTree

from systolab.cosim.terminal.shown import CommandLine, Facts, Part, Shown, Verdict, text
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.outside.escape import printable, xml_text

__all__ = ["Coverage", "Finding", "JsonValue", "Reached", "Report", "StageResult"]

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


class Coverage(StrEnum):
    """How much of a stage's input space was visited."""

    EXHAUSTIVE = "exhaustive"  #: every input there is
    SAMPLED = "sampled"  #: chosen and random inputs
    PROVED = "proved"  #: every input, by a formal proof
    SKIPPED = "skipped"  #: nothing: the reason is given


@dataclass(frozen=True)
class Finding:
    """A difference between software and hardware, minimised and located as far as it goes.

    Attributes:
        summary: one sentence.
        details: label and text, in the order they are to be read.
        files: files that were written (waveform, save file), by what they are.
        command: the command line that reproduces it.
    """

    summary: str
    details: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    command: str = ""

    def parts(self) -> list[Part]:
        """The finding as parts of a report."""
        rows = [*self.details, *self.files]
        if self.command:
            rows.append(("reproduce", CommandLine(self.command)))
        width = max((len(label) for label, _ in rows), default=0)
        facts = Facts([(f"  {label}", text) for label, text in rows], width + 4)
        return [printable(self.summary), *([facts] if rows else [])]

    def lines(self) -> list[str]:
        """The finding as text."""
        return text(self.parts()).split("\n")

    def as_data(self) -> dict[str, JsonValue]:
        """Plain data for JSON."""
        return {
            "summary": self.summary,
            "details": dict(self.details),
            "files": dict(self.files),
            "command": self.command,
        }


@dataclass(frozen=True)
class StageResult:
    """One stage of a check.

    Attributes:
        name: stage name.
        cases: comparisons made.
        differ: how many of them differed.
        coverage: how much of the input space that was.
        what: what was covered, or why the stage was skipped.
        seconds: wall-clock time.
        finding: the first difference.
        optional: what the stage covers, others cover as well: skipping it leaves nothing unchecked.
    """

    name: str
    cases: int
    differ: int
    coverage: Coverage
    what: str
    seconds: float = 0.0
    finding: Finding | None = None
    optional: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return self.differ == 0


class Reached(Protocol):
    """What the runs of a check reached in the RTL."""

    @property
    def passed(self) -> bool:
        """Whether that is all there is to reach."""

    def parts(self) -> Sequence[Part]:
        """It as parts of a report."""

    def as_data(self) -> Mapping[str, JsonValue]:
        """It as plain data for JSON."""


@dataclass(repr=False)
class Report(Shown):
    """All stages of one check.

    Attributes:
        subject: what was checked: format, array, accumulator, level, seed, by name.
        stages: results in the order the stages ran.
        reached: what the runs reached in the RTL, where that was measured.
    """

    subject: dict[str, str]
    stages: list[StageResult] = field(default_factory=list)
    reached: Reached | None = None

    @property
    def headline(self) -> str:
        """Format, array and verdict, in a line."""
        return f"{self.subject.get('format')} on {self.subject.get('array')}: {self.verdict}"

    @property
    def passed(self) -> bool:
        """Whether every stage passed, and all that had to be reached was."""
        return self._equal and (self.reached is None or self.reached.passed)

    @property
    def _equal(self) -> bool:
        return all(stage.passed for stage in self.stages)

    @property
    def cases(self) -> int:
        """Comparisons made in all stages."""
        return sum(stage.cases for stage in self.stages)

    @property
    def verdict(self) -> str:
        """One sentence: equal or not, and which stages were exhaustive."""
        if not self._equal:
            wrong = [stage.name for stage in self.stages if not stage.passed]
            return f"DIFFERENT: {', '.join(wrong)}"
        groups = [
            f"{kind} in {', '.join(names)}"
            for kind in (Coverage.PROVED, Coverage.EXHAUSTIVE, Coverage.SAMPLED, Coverage.SKIPPED)
            if (names := [stage.name for stage in self.stages if stage.coverage is kind])
        ]
        left_out = [stage for stage in self.stages if stage.coverage is Coverage.SKIPPED]
        skipped = len(left_out) == len(self.stages) or not all(x.optional for x in left_out)
        return f"{'EQUAL WHERE CHECKED' if skipped else 'EQUAL'}: {'; '.join(groups)}"

    def parts(self, times: bool = True) -> list[Part]:
        """What was checked, a row for every stage, the verdict, and what differs."""
        rows = []
        for stage in self.stages:
            row = [stage.name, f"{stage.cases:,}", f"{stage.differ:,}", str(stage.coverage)]
            rows.append([*row, *([f"{stage.seconds:.2f}"] if times else []), stage.what])
        seconds = sum(stage.seconds for stage in self.stages)
        differ = sum(stage.differ for stage in self.stages)
        total = ["total", f"{self.cases:,}", f"{differ:,}", ""]
        rows.append([*total, *([f"{seconds:.2f}"] if times else []), ""])
        columns = [
            Column("stage"),
            Column("cases", right=True),
            Column("differ", right=True),
            Column("coverage"),
            *([Column("seconds", right=True)] if times else []),
            Column("what", narrow=Narrow.MOVE),
        ]
        parts: list[Part] = [
            printable(", ".join(f"{key} {value}" for key, value in self.subject.items())),
            "",
            Table(columns, rows),
            "",
            Verdict(self.verdict, self._equal),
        ]
        for stage in self.stages:
            if stage.finding is not None:
                parts += ["", *stage.finding.parts()]
        if self.reached is not None:
            parts += ["", *self.reached.parts()]
        return parts

    def text(self, width: int | None = None, *, times: bool = True) -> str:
        """The report for people.

        Args:
            width: characters in a line; None: as many as it needs.
            times: show wall-clock times (off: the text is the same for the same input).
        """
        return text(self.parts(times), width)

    def as_data(self) -> dict[str, JsonValue]:
        """Plain data for JSON."""
        stages: list[JsonValue] = [
            {
                "name": stage.name,
                "cases": stage.cases,
                "differ": stage.differ,
                "coverage": str(stage.coverage),
                "what": stage.what,
                "seconds": round(stage.seconds, 3),
                "finding": None if stage.finding is None else stage.finding.as_data(),
            }
            for stage in self.stages
        ]
        return {
            "subject": self.subject,
            "passed": self.passed,
            "verdict": self.verdict,
            "cases": self.cases,
            "stages": stages,
            **({} if self.reached is None else {"coverage": self.reached.as_data()}),
        }

    def to_junit(self) -> str:
        """The report as JUnit XML: one test case per stage, for CI systems."""
        name = " ".join(["systolab check", *self.subject.values()])
        suite = ElementTree.Element(
            "testsuite",
            name=name,
            tests=str(len(self.stages)),
            failures=str(sum(not stage.passed for stage in self.stages)),
            errors="0",
            skipped=str(sum(stage.coverage is Coverage.SKIPPED for stage in self.stages)),
            time=f"{sum(stage.seconds for stage in self.stages):.3f}",
        )
        for stage in self.stages:
            case = ElementTree.SubElement(
                suite, "testcase", classname=name, name=stage.name, time=f"{stage.seconds:.3f}"
            )
            if not stage.passed:
                summary = f"{stage.differ} of {stage.cases} cases differ"
                failure = ElementTree.SubElement(case, "failure", message=summary)
                if stage.finding is not None:
                    failure.text = "\n".join(stage.finding.lines())
            elif stage.coverage is Coverage.SKIPPED:
                ElementTree.SubElement(case, "skipped", message=stage.what)
            output = ElementTree.SubElement(case, "system-out")
            output.text = f"{stage.cases} cases, {stage.coverage}: {stage.what}"
        for element in suite.iter():
            element.attrib.update({key: xml_text(text) for key, text in element.attrib.items()})
            element.text = element.text and xml_text(element.text)
        ElementTree.indent(suite)
        document: bytes = ElementTree.tostring(suite, encoding="us-ascii", xml_declaration=True)
        return document.decode("ascii") + "\n"
