"""What the runs of a check reached: points, lines and toggles, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.check.report import JsonValue
from systolab.cosim.coverage.counted import Counted, read
from systolab.cosim.coverage.points import Group, groups, instrumented
from systolab.cosim.coverage.reasons import reason, split
from systolab.cosim.simulator.model import Model
from systolab.cosim.terminal import shown
from systolab.cosim.terminal.shown import Shown, Verdict
from systolab.cosim.terminal.table import Table, headings
from systolab.rtl.hardware.hardware import Hardware

__all__ = ["Measured", "Meter"]

_NAMED = 5  # points of a group that are named one by one where they are not reached


class Meter:
    """Builds a machine that counts, and reads what it counted."""

    def instrumented(self, hardware: Hardware) -> Hardware:
        """The sources with a sampler of cover points."""
        return instrumented(hardware)

    def measured(self, hardware: Hardware, model: Model) -> Measured:
        """What all runs of the model reached.

        Args:
            hardware: the sources, without the sampler.
            model: of the instrumented sources, built with counters.
        """
        kinds = groups(hardware.array)
        points = tuple(zip(kinds, model.covered([len(x.labels) for x in kinds]), strict=True))
        counted = {False: [0, 0], True: [0, 0]}
        excused: dict[str, list[Counted]] = {}
        for item in read(model.counted()):
            counted[item.toggle][0] += 1
            if item.count:
                counted[item.toggle][1] += 1
            else:
                excused.setdefault(reason(item, hardware), []).append(item)
        missed = tuple(excused.pop("", ()))
        reasons = {why: tuple(items) for why, items in excused.items()}
        lines, toggles = ((count, reached) for count, reached in counted.values())
        return Measured(points, lines, toggles, reasons, missed)


@dataclass(frozen=True, eq=False, repr=False)
class Measured(Shown):
    """What was reached.

    Attributes:
        points: every group of points, and how often each of its numbers was reached.
        lines: blocks and branches of statements, and those of them that ran.
        toggles: changes of a bit, up and down, and those of them that were seen.
        excused: what was not reached, by the reason.
        missed: lines and toggles that were not reached for no known reason.
    """

    points: tuple[tuple[Group, NDArray[np.uint64]], ...]
    lines: tuple[int, int]
    toggles: tuple[int, int]
    excused: Mapping[str, tuple[Counted, ...]]
    missed: tuple[Counted, ...]

    @property
    def headline(self) -> str:
        """Shares of lines and toggles that were reached, in a line."""
        shares = (("lines", *self.lines), ("toggles", *self.toggles))
        return ", ".join(f"{reached:,} of {count:,} {name}" for name, count, reached in shares)

    @property
    def passed(self) -> bool:
        """Whether every point is reached, and every line and toggle, or there is a reason."""
        return not self.missed and not any(self._left(*item) for item in self.points)

    def _left(self, group: Group, counts: NDArray[np.uint64]) -> list[str]:
        return [group.labels[i] for i in group.wanted if not counts[i]]

    def parts(self) -> list[shown.Part]:
        """The points by kind, lines and toggles, what was not reached and why."""
        rows = []
        for group, counts in self.points:
            if group.wanted:
                reached = len(group.wanted) - len(self._left(group, counts))
                hits = int(counts[list(group.wanted)].sum())
                rows.append([group.name, *_share(len(group.wanted), reached), f"{hits:,}"])
        total = sum(len(group.wanted) for group, _ in self.points)
        left = sum(len(self._left(*item)) for item in self.points)
        rows.append(["all points", *_share(total, total - left), ""])
        for name, toggle, (count, reached) in (
            ("lines", False, self.lines),
            ("toggles", True, self.toggles),
        ):
            rows.append([name, *_share(count, reached), ""])
            known = self._known(toggle)
            rows.append(
                [f"{name}, but for those with a reason", *_share(count - known, reached), ""]
            )
        columns = headings(["coverage", "points", "reached", "%", "hits"], range(1, 5))
        parts: list[shown.Part] = [Table(columns, rows), ""]
        if self.passed:
            said = "REACHED: every point; every line and toggle, but for those with a reason"
            parts.append(Verdict(said, True))
        else:
            count = left + len(self.missed)
            parts.append(Verdict(f"NOT REACHED: {count:,} points, lines and toggles", False))
            parts.append("\n".join(f"  {line}" for line in self._unreached()))
        if self.excused:
            parts += ["", "not reached, for a reason:"]
            for why, items in sorted(self.excused.items()):
                listed = "\n".join(f"    {line}" for line in _grouped(items))
                parts.append(f"  {why}:\n{listed}")
        return parts

    def _known(self, toggle: bool) -> int:
        """How much was not reached for a known reason."""
        return sum(item.toggle is toggle for items in self.excused.values() for item in items)

    def _unreached(self) -> Iterator[str]:
        for group, counts in self.points:
            left = self._left(group, counts)
            if left:
                more = f" and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
                yield f"{group.name}: {'; '.join(left[:_NAMED])}{more}"
        yield from _grouped(self.missed)

    def as_data(self) -> dict[str, JsonValue]:
        """Plain data for JSON."""
        points: list[JsonValue] = [
            {
                "points": group.name,
                "count": len(group.wanted),
                "hits": int(counts[list(group.wanted)].sum()),
                "not reached": self._left(group, counts),
            }
            for group, counts in self.points
            if group.wanted
        ]
        return {
            "passed": self.passed,
            "points": points,
            "lines": {"count": self.lines[0], "reached": self.lines[1]},
            "toggles": {"count": self.toggles[0], "reached": self.toggles[1]},
            "excused": {why: _grouped(items) for why, items in sorted(self.excused.items())},
            "missed": _grouped(self.missed),
        }


def _share(count: int, reached: int) -> tuple[str, str, str]:
    share = 100 * reached / count if count else 100.0
    return f"{count:,}", f"{reached:,}", f"{share:.1f}"


def _grouped(items: Sequence[Counted]) -> list[str]:
    """Lines by place; bits of a signal together, as ranges, with how many changes are missing."""
    signals: dict[tuple[str, str], list[int]] = {}
    result = []
    for item in items:
        if item.toggle:
            name, bit = split(item.signal)
            signals.setdefault((item.file, name), []).append(bit)
        else:
            result.append(f"{item.file}:{item.line}: {item.what}")
    for (file, name), bits in signals.items():
        result.append(f"{file}: {name}[{_ranges(sorted(set(bits)))}], {len(bits)} changes")
    return sorted(set(result))


def _ranges(bits: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for bit in bits:
        if runs and bit == runs[-1][-1] + 1:
            runs[-1].append(bit)
        else:
            runs.append([bit])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[-1]}:{run[0]}" for run in runs)
