"""List the benchmarks with the question that each answers: ``python -m benchmarks``."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

_HERE = Path(__file__).parent
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
    found = questions()
    width = max(map(len, found))
    for name, question in found.items():
        print(f"python -m benchmarks.{name:{width}}  {question}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
