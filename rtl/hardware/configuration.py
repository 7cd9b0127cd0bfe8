"""The configuration words of a machine: one map that driver, checks and documents are made from.

An address is a unit and a word within it. What each word does in the hardware is at the head of its
module in ``rtl/sv``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from systolab.rtl.kernel.kernel import MAX_GUARDS, MAX_LOOPS
from systolab.rtl.kernel.modes import Mode

__all__ = ["ADDRESSES", "FIELDS", "GUARDS", "LOOPS", "Field", "Unit", "mapped", "table"]

ADDRESSES = 1 << 10
GUARDS = 8  # first word of the guards
LOOPS = 32  # first word of the loops

_UNIT_BITS = 7
_GUARD_WORDS = 4
_LOOP_WORDS = 8


class Unit(IntEnum):
    """What a configuration address is for: its upper bits."""

    CORE = 0
    A = 1
    W = 2
    O = 3  # noqa: E741  the stream is called that everywhere
    P = 4
    SA = 5  #: block-scaled arrays only
    SW = 6  #: block-scaled arrays only

    def address(self, word: int) -> int:
        """Address of one of its words."""
        return (self << _UNIT_BITS) + word


@dataclass(frozen=True)
class Field:
    """One word of some units, or one of a row of them.

    Attributes:
        units: that have it.
        first: the first such word.
        meaning: what it holds.
        count: how many there are.
        step: from one to the next.
        each: what there is one for, where there are several.
    """

    units: tuple[Unit, ...]
    first: int
    meaning: str
    count: int = 1
    step: int = 0
    each: str = ""

    @property
    def words(self) -> range:
        """Its words within a unit."""
        return range(self.first, self.first + self.count * max(self.step, 1), max(self.step, 1))


_DATAFLOWS = ", ".join(f"{mode.description.code} {mode}" for mode in Mode)
_CORE = (Unit.CORE,)
_WALKERS = (Unit.A, Unit.W, Unit.O)
_COUNTERS = (Unit.P, Unit.SA, Unit.SW)
_STREAMS = _WALKERS + _COUNTERS


def _guard(word: int, meaning: str) -> Field:
    return Field(_WALKERS, GUARDS + word, meaning, MAX_GUARDS, _GUARD_WORDS, "guard")


def _loop(units: tuple[Unit, ...], word: int, meaning: str) -> Field:
    return Field(units, LOOPS + word, meaning, MAX_LOOPS, _LOOP_WORDS, "loop, innermost first")


FIELDS = (
    Field(_CORE, 0, f"dataflow: {_DATAFLOWS}"),
    Field(_CORE, 1, "accumulator rows of an outer iteration, less 1"),
    Field(_CORE, 2, "outer iterations"),
    Field(_CORE, 3, "lower clamp, binary32"),
    Field(_CORE, 4, "upper clamp, binary32"),
    Field(_STREAMS, 0, "base address, in codes (A, W, O) or words"),
    Field(_STREAMS, 1, "lanes in use"),
    Field(_STREAMS, 2, "lane stride"),
    Field(_WALKERS, 3, "loops of a tile, a mask"),
    Field(_WALKERS, 4, "loops of an outer iteration, a mask"),
    Field(_WALKERS, 5, "guards in use, a mask"),
    _guard(0, "offset"),
    _guard(1, "lane stride"),
    _guard(2, "bound: active where 0 <= value < bound"),
    _loop(_STREAMS, 0, "length, less 1"),
    _loop(_STREAMS, 1, "change of the address when the loop steps and those inside start over"),
    *(_loop(_WALKERS, 2 + g, f"the same of guard {g}'s value") for g in range(MAX_GUARDS)),
)


@cache
def mapped(block_scaled: bool) -> frozenset[int]:
    """All addresses that have a meaning."""
    units = [u for u in Unit if block_scaled or u not in (Unit.SA, Unit.SW)]
    return frozenset(
        unit.address(word)
        for field in FIELDS
        for unit in field.units
        if unit in units
        for word in field.words
    )


def table() -> str:
    """The map for people, one field a line."""
    rows = list(_rows())
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows)


def _rows() -> Iterator[tuple[str, str, str]]:
    yield "units", "words", f"meaning (address = unit * {1 << _UNIT_BITS} + word)"
    for field in FIELDS:
        units = " ".join(f"{unit.name}={unit.value}" for unit in field.units)
        words = str(field.first)
        meaning = field.meaning
        if field.count > 1:
            words = f"{field.first}, {field.words[1]}, ... {field.words[-1]}"
            meaning = f"{meaning}; one for each {field.each}"
        yield units, words, meaning
