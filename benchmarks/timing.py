"""Timing on a noisy machine: candidates take turns, the least processor time of each counts.

The time is that of all threads of the process: a package that uses two pays for two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def best_of(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each candidate's fastest run; one round runs every candidate once."""
    best = dict.fromkeys(candidates, float("inf"))
    for run in candidates.values():
        run()  # builds tables, touches memory
    for _ in range(rounds):
        for name, run in candidates.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return best
