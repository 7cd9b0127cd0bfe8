"""Which kinds of input there are, and how often each has its turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fuzz import command_lines, files, models
from tests.fuzz.runner import SECONDS, Case, Found, Maker, run

__all__ = ["KINDS", "campaign"]

#: Maker and share of each kind. A damaged cache entry costs a build, so it is rare.
KINDS: Mapping[str, tuple[Maker, int]] = {
    "model bytes": (models.damaged_bytes, 24),
    "model structure": (models.damaged_structure, 36),
    "hostile model": (models.hostile, 12),
    "archive": (files.archive, 9),
    "codebook": (files.codebook, 6),
    "knowledge": (files.knowledge, 5),
    "command line": (command_lines.command_line, 7),
    "cache entry": (files.cache_entry, 1),
}
_TURNS = [kind for kind, (_, share) in KINDS.items() for _ in range(share)]


def campaign(
    cases: int,
    seed: int,
    folder: Path,
    first: int = 0,
    kind: str | None = None,
    seconds: float = SECONDS,
) -> Iterator[Found]:
    """Run cases of all kinds, or of one.

    Args:
        cases: how many.
        seed: of all of them; the same seed, number and kind give the same case.
        folder: for the inputs of findings, and for what cases share.
        first: number of the first case.
        kind: only this one.
        seconds: after which a case hangs.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    turns = (_turn(number) if kind is None else kind for number in range(first, first + cases))
    listed = [Case(name, seed, number) for number, name in enumerate(turns, first)]
    if any(case.kind == "cache entry" for case in listed):
        files.prepare_cache(folder)
    makers = {name: maker for name, (maker, _) in KINDS.items()}
    yield from run(iter(listed), makers, folder, seconds=seconds)


def _turn(number: int) -> str:
    """Kinds take turns in their shares, spread evenly."""
    return _TURNS[number * 37 % len(_TURNS)]
