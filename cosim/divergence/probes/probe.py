"""A probe holds one signal against what the software expects; one comparison serves all probes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["CORE", "Place", "Probe", "Rows", "Sample", "first_wrong"]

CORE = "TOP.systolab_top.u_core."

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """A signal that is wrong in a cycle.

    Attributes:
        cycle: clock cycle since the start pulse.
        order: position on the data's way, for equal cycles.
        signal: hierarchical name.
        block: what the signal belongs to.
        rows: more about it, label and text.
    """

    cycle: int
    order: int
    signal: str
    block: str
    rows: Rows


class Sample(NamedTuple):
    """One look at a signal: when, what it must and does show (None: nothing), and of what."""

    cycle: int
    expected: int | None
    found: int | None
    about: Any = None


@dataclass(frozen=True)
class Probe:
    """One signal and all looks at it.

    Attributes:
        signal: name within the core.
        block: what it belongs to, in words.
        order: position on the data's way.
        samples: looks at it, in the order of time; only those up to the first wrong one are made.
        describe: label and text about a wrong sample.
    """

    signal: str
    block: str
    order: int
    samples: Iterable[Sample]
    describe: Callable[[Sample], Rows]

    def first(self) -> Place | None:
        """Where the signal is wrong for the first time."""
        for sample in self.samples:
            if sample.expected != sample.found:
                rows = self.describe(sample)
                return Place(sample.cycle, self.order, CORE + self.signal, self.block, rows)
        return None


def first_wrong(probes: Iterable[Probe]) -> Place | None:
    """The earliest wrong signal; in one cycle, the first on the data's way."""
    places = [place for probe in probes if (place := probe.first()) is not None]
    return min(places, key=lambda place: (place.cycle, place.order), default=None)
