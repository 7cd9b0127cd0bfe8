"""Reads the waveforms that a model writes: the value of every signal in every cycle."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from systolab.formats.outside.writing import write_text

__all__ = ["PERIOD", "Signal", "Waves", "read", "save_file"]

PERIOD = 10  # time steps of a cycle; signals are settled at its beginning


@dataclass
class Signal:
    """One signal: its width and its changes."""

    name: str
    width: int
    times: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def at(self, cycle: int) -> int:
        """Value in a cycle, as the registers see it at the cycle's end; x and z read 0."""
        index = bisect_right(self.times, PERIOD * cycle) - 1
        return self.values[index] if index >= 0 else 0

    def signed(self, cycle: int) -> int:
        """Value in a cycle as a two's complement number."""
        value = self.at(cycle)
        return value - (1 << self.width) if value >> (self.width - 1) else value


@dataclass(frozen=True)
class Waves:
    """All signals of a waveform by hierarchical name, and its cycles."""

    signals: dict[str, Signal]
    first: int
    last: int

    def get(self, name: str) -> Signal | None:
        """A signal by its hierarchical name."""
        return self.signals.get(name)


def read(path: Path) -> Waves:
    """Read a value change dump."""
    by_code: dict[str, Signal] = {}
    signals: dict[str, Signal] = {}
    scope: list[str] = []
    now = 0
    end = 0
    first: int | None = None
    with path.open(encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            head = words[0]
            if head == "$scope":
                scope.append(words[2])
            elif head == "$upscope":
                scope.pop()
            elif head == "$var":
                code, name = words[3], ".".join([*scope, words[4]])
                signal = by_code.setdefault(code, Signal(name, int(words[2])))
                signals[name] = signal
            elif head[0] == "#":
                now = int(head[1:])
                first = now if first is None else first
                end = now
            elif head[0] in "01xz" and head[1:] in by_code:
                _change(by_code[head[1:]], now, head[0])
            elif head[0] == "b" and words[1] in by_code:
                _change(by_code[words[1]], now, head[1:])
    return Waves(signals, (first or 0) // PERIOD, end // PERIOD)


def _change(signal: Signal, time: int, bits: str) -> None:
    signal.times.append(time)
    signal.values.append(int(bits.replace("x", "0").replace("z", "0"), 2))


def save_file(path: Path, waveform: Path, names: list[str], start: int) -> None:
    """Write a GTKWave save file that shows the named signals from a time on.

    Args:
        path: the save file.
        waveform: the dump it refers to, in the same directory.
        names: hierarchical names with their ranges, ``a.b.c[7:0]``, in order.
        start: first time step to show.

    Raises:
        SystolabError: the file cannot be written.
    """
    lines = [f'[dumpfile] "{waveform.name}"', f"[timestart] {start}", "[pos] -1 -1"]
    for name in names:
        lines += ["@22" if "[" in name.rsplit(".", 1)[-1] else "@28", name]
    write_text(path, "\n".join(lines) + "\n")
