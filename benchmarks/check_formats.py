"""Every format that ships through the equivalence check: a row each.

    python -m benchmarks.check_formats [--level full]

One row a format: cases, differences, seconds with and without the build, verdict. The level is
quick, normal or full. Families stand with their examples, a codebook file and IEEE P3109 formats
beside them. Exit status 1 where anything differs.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import parser, start
from systolab.cosim.check.context import Level
from systolab.cosim.terminal.table import Table, headings
from systolab.formats import families
from systolab.formats.outside.choices import choice

P3109 = ("binary8p3se", "binary8p4uf")
WIDE = ("float:5,10", "int:16", "adaptivfloat:12,4", "posit:8,0")


def _specs(folder: Path) -> list[str]:
    table = folder / "my.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[value] for value in (0, 1, -1, 2, -2, 3.5, -3.5, 8)])
    examples = [family.example for family in families() if family.name != "codebook"]
    return [*examples, f"codebook:{table}", *P3109, *WIDE]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check all formats one after the other, each as a user would."""
    level = choice("level", Level, parser(__doc__, level="full").parse_args(arguments).level)
    options = [] if level is Level.NORMAL else [f"--{level}"]
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as name:
        for spec in _specs(Path(name)):
            report = Path(name) / "report.json"
            report.unlink(missing_ok=True)
            begin = time.perf_counter()
            command = [
                sys.executable,
                "-m",
                "systolab",
                "check",
                spec,
                *options,
                "--json",
                str(report),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            wall = time.perf_counter() - begin
            shown = spec.replace(f"{name}/", "")
            failed += done.returncode != 0
            if not report.exists():
                rows.append([shown, "-", "-", "-", f"{wall:.0f}", done.stderr.strip()])
                continue
            found = json.loads(report.read_text(encoding="utf-8"))
            seconds = sum(stage["seconds"] for stage in found["stages"])
            differ = sum(stage["differ"] for stage in found["stages"])
            product = next(stage for stage in found["stages"] if stage["name"] == "product")
            verdict = "EQUAL" if found["passed"] else "DIFFERENT"
            pairs = f"{product['coverage']}, {product['cases']:,}"
            cells = [f"{found['cases']:,}", f"{differ}", f"{seconds:.0f}", f"{wall:.0f}"]
            rows.append([shown, *cells, f"{verdict}; products {pairs}"])
            print(f"{shown}: {verdict}", file=sys.stderr)
    names = ("format", "cases", "differ", "seconds", "with build", "verdict")
    print(Table(headings(names, range(1, 5)), rows).text())
    return 1 if failed else 0


if __name__ == "__main__":
    start(main)
