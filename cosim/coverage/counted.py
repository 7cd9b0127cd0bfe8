"""Lines and toggles that Verilator counted in a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Counted", "read"]

_RECORD = re.compile(r"C '(?P<keys>.*)' (?P<count>\d+)")
_FIELD, _VALUE = "\x01", "\x02"


@dataclass(frozen=True)
class Counted:
    """One branch or block of statements, or one change of one bit.

    Attributes:
        toggle: it is a change of a bit.
        file: name of the source.
        line: in it; of a bit, where it is declared.
        what: branch of a statement (``if``, ``else``, ``block``, ...); of a bit its name with its
            index and the change: ``row_q[3]:0->1``.
        scope: instances it is of, below the top module; ``*`` stands for any number.
        count: how often.
    """

    toggle: bool
    file: str
    line: int
    what: str
    scope: str
    count: int

    @property
    def signal(self) -> str:
        """The bit, without the change."""
        return self.what.rpartition(":")[0]


def read(text: str) -> Iterator[Counted]:
    """What Verilator wrote, record by record."""
    for record in text.splitlines():
        match = _RECORD.fullmatch(record)
        if match is None:
            continue
        keys = dict(
            part.partition(_VALUE)[::2] for part in match["keys"].split(_FIELD) if _VALUE in part
        )
        scope = keys["h"].removeprefix("TOP.").removeprefix("systolab_top.")
        yield Counted(
            keys["t"] == "toggle",
            keys["f"].rpartition("/")[2],
            int(keys["l"]),
            keys["o"],
            scope,
            int(match["count"]),
        )
