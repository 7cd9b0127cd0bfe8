"""The cache of built models: what it holds, and freeing it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from systolab.cosim.simulator import cache as builds_on_disk
from systolab.cosim.simulator.cache import CachedBuild
from systolab.cosim.terminal.shown import Part, Shown
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.choices import shown

__all__ = ["CacheReport", "cache"]

_DAY = 86400  # seconds
_KEY = 12  # digits of a build's hash that tell it from others
_LISTED = 2  # members of a list in a description that are shown
_COLUMNS = (
    Column("build"),
    Column("MB", right=True),
    Column("last used"),
    Column("of", narrow=Narrow.WRAP),
)


@dataclass(frozen=True, repr=False)
class CacheReport(Shown):
    """What the cache of built models holds, and what was removed from it.

    Attributes:
        folder: where it is; the environment variable SYSTOLAB_CACHE names another.
        builds: models, the last used first.
        removed: how many were removed; None where none were to be.
        freed: bytes that this freed.
    """

    folder: Path
    builds: tuple[CachedBuild, ...]
    removed: int | None = None
    freed: int = 0

    @property
    def size(self) -> int:
        """Bytes of all builds."""
        return sum(build.size for build in self.builds)

    @property
    def headline(self) -> str:
        """How many builds there are, and how large they are, in a line."""
        return f"{len(self.builds)} builds, {_megabytes(self.size)} MB"

    def parts(self) -> list[Part]:
        """Where it is, and what was removed or what there is."""
        where = f"build cache {self.folder} (SYSTOLAB_CACHE names another)"
        if self.removed is not None:
            return [where, f"removed {self.removed} builds, {_megabytes(self.freed)} MB"]
        rows = [
            (
                build.key[:_KEY],
                _megabytes(build.size),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(build.used)),
                _said(build.description),
            )
            for build in self.builds
        ]
        if not rows:
            return [where, self.headline]
        return [where, "", Table(_COLUMNS, rows), "", self.headline]

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        builds = [asdict(build) for build in self.builds]
        return {
            "folder": str(self.folder),
            "builds": builds,
            "removed": self.removed,
            "freed": self.freed,
        }


def cache(*, prune: float | None = None) -> CacheReport:
    """Tell what the cache of built models holds, or remove what was not used lately.

    >>> import systolab as sl
    >>> report = sl.cache()
    >>> report.size == sum(build.size for build in report.builds)
    True

    Args:
        prune: remove models that were not used for so many days (0: all), and what no model needs.

    Raises:
        SystolabError: the number of days is negative, or the cache cannot be written.
    """
    removed, freed = None, 0
    if prune is not None:
        if not isinstance(prune, int | float) or not prune >= 0:
            raise SystolabError(Parameter("prune"), f" must be at least 0 days, not {shown(prune)}")
        removed, freed = builds_on_disk.prune(prune * _DAY)
    builds = tuple(builds_on_disk.cached_builds())
    return CacheReport(builds_on_disk.cache_directory(), builds, removed, freed)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _said(description: Mapping[str, object]) -> str:
    """A description in a line; of a long list the first, and how many there are."""
    words = []
    for name, value in sorted(description.items()):
        if isinstance(value, list) and len(value) > _LISTED:
            value = f"{', '.join(map(str, value[:_LISTED]))}, ... ({len(value)})"
        words.append(f"{name}={value}")
    return " ".join(words)
