"""Damaged and hostile input by the thousand: ``make fuzz CASES=5000 SEED=1``.

Every case ends in a result or in one sentence with status 2: no traceback, no abort, no hang beyond
20 s, no more than 2 GiB, no file that is half written, no process left, and never status 1, which
means that hardware differs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path


def main() -> int:
    """Run the campaign and print what became of each kind; 1 where anything was wrong."""
    for library in ("OPENBLAS", "OMP"):  # a process with threads must not fork
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from tests.fuzz.campaign import KINDS, campaign

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=500, metavar="N", help="how many (500)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of all of them (0)")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first (0)")
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind")
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="T", help="of a case; more if busy (20)"
    )
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="of findings")
    args = parser.parse_args()
    start, outcomes, wrong = time.monotonic(), Counter[tuple[str, str]](), 0
    for number, found in enumerate(
        campaign(args.cases, args.seed, args.folder, args.first, args.kind, args.seconds), 1
    ):
        outcomes[found.case.kind, found.outcome] += 1
        if found.wrong:
            wrong += 1
            case = found.case
            last = found.text.strip().split("\n")[-6:]
            print(
                f"FOUND {found.outcome}: {case.kind} {case.number}\n"
                f"  again: python -m tests.fuzz --seed {case.seed} --first {case.number} --cases 1 "
                f"--kind '{case.kind}'\n  input: {args.folder}/{case.name}",
                *(f"  | {ascii(line)[1:-1]}" for line in last),
                sep="\n",
                flush=True,
            )
        if number % 100 == 0 and sys.stderr.isatty():
            print(f"\r{number} of {args.cases}", end="", file=sys.stderr)
    for (kind, outcome), count in sorted(outcomes.items()):
        print(f"{count:6}  {kind:<20}{outcome}")
    print(
        f"{outcomes.total():6}  cases of seed {args.seed}, {wrong} findings, "
        f"{time.monotonic() - start:.0f} s"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
