"""List the benchmarks with the question that each answers: ``python -m benchmarks``."""

from __future__ import annotations

import ast
from pathlib import Path

from benchmarks.command import start
from systolab.cosim.terminal.table import Column, Narrow, Table

_HERE = Path(__file__).parent
_WIDTH = 80
_SHARED = ("timing", "command")  # used by benchmarks, not run


def questions() -> dict[str, str]:
    """The first line of every benchmark's docstring, by name; none of them is imported."""
    found = {}
    for path in sorted(_HERE.glob("[!_]*.py")):
        if path.stem not in _SHARED:
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem] = text.partition("\n")[0]
    return found


def main() -> int:
    """Print the list."""
    rows = list(questions().items())
    print("python -m benchmarks.NAME, where NAME is one of:\n")
    print(Table((Column(""), Column("", narrow=Narrow.WRAP)), rows).text(_WIDTH))
    return 0


if __name__ == "__main__":
    start(main)
