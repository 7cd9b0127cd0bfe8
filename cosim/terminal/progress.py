"""A line on standard error that tells how far a long step is; silent when that is no terminal."""

import sys
import time
from types import TracebackType

DELAY = 1.0  # seconds before a step is long enough to be shown
INTERVAL = 0.1
WIDTH = 30


class Progress:
    """Counts the parts of one step: `with Progress("run", 100) as advance: ... advance()`."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = max(total, 1)
        self._done = 0
        self._next = time.monotonic() + DELAY
        self._shown = False

    def __enter__(self) -> "Progress":
        """Start counting."""
        return self

    def __call__(self) -> None:
        """Count one part as done."""
        self._done += 1
        now = time.monotonic()
        if now >= self._next and sys.stderr.isatty():
            self._next = now + INTERVAL
            self._shown = True
            filled = WIDTH * self._done // self._total
            bar = "#" * filled + "." * (WIDTH - filled)
            print(f"\r{self._label} [{bar}] {self._done}/{self._total}", end="", file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wipe the line."""
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
