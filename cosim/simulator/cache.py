"""The cache of builds: entries by content, made whole under a lock or not at all.

An entry is a directory. It is made beside its final place and renamed when complete, so an
interrupted build leaves nothing that a later one would trust, and two at once both succeed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from systolab.formats.errors import SystolabError

__all__ = [
    "DESCRIPTION",
    "MODELS",
    "RUNTIMES",
    "CachedBuild",
    "cache_directory",
    "cached",
    "cached_builds",
    "prune",
]

DESCRIPTION = "build.json"  # what a model is of
MODELS = "models"
RUNTIMES = "runtime"

_LOCKS = "locks"
_PARTIAL = ".partial"


def cache_directory() -> Path:
    """Root of the build cache: ``$SYSTOLAB_CACHE``, else ``systolab`` in the user's cache."""
    explicit = os.environ.get("SYSTOLAB_CACHE")
    if explicit:
        return Path(explicit).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).absolute() / "systolab"


def cached(kind: str, key: str, witness: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """Directory of an entry, made if it is not there, and whether it was."""
    root = cache_directory()
    final = root / kind / key
    if (final / witness).is_file():
        with suppress(OSError):  # a cache that cannot be written may still be used
            os.utime(final)
        return final, True
    try:
        (root / kind).mkdir(parents=True, exist_ok=True)
        with _lock(root, f"{kind}-{key}"):
            if (final / witness).is_file():
                return final, True
            temporary = root / kind / f"{key}{_PARTIAL}"
            for stale in (temporary, final):
                shutil.rmtree(stale, ignore_errors=True)
            temporary.mkdir()
            try:
                make(temporary)
                temporary.rename(final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise _storage_error(root, error) from error
    return final, False


@contextmanager
def _lock(root: Path, name: str, wait: bool = True) -> Iterator[None]:
    """Hold an entry's lock; raises BlockingIOError where it is taken and ``wait`` is false."""
    folder = root / _LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@dataclass(frozen=True)
class CachedBuild:
    """A model in the cache.

    Attributes:
        key: hash of everything that went in.
        description: what was built.
        size: bytes.
        used: time of the last use, seconds since the epoch.
    """

    key: str
    description: Mapping[str, object]
    size: int
    used: float


def cached_builds() -> list[CachedBuild]:
    """Models in the cache, the last used first."""
    builds = []
    for folder in _entries(MODELS):
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            used = folder.stat().st_mtime
        except (OSError, ValueError):
            continue  # being made, or just removed
        builds.append(CachedBuild(folder.name, description, _size(folder), used))
    return sorted(builds, key=lambda build: (-build.used, build.key))


def prune(age: float) -> tuple[int, int]:
    """Remove what was not used for ``age`` seconds, and what interrupted builds left.

    Entries that are being built stay.

    Returns:
        Models removed, and bytes freed.

    Raises:
        SystolabError: the cache cannot be written.
    """
    root = cache_directory()
    count, freed = 0, 0
    try:
        for kind in (MODELS, RUNTIMES):
            for folder in _entries(kind):
                partial = folder.suffix == _PARTIAL
                if not partial and time.time() - folder.stat().st_mtime < age:
                    continue
                with suppress(BlockingIOError), _lock(root, f"{kind}-{folder.stem}", wait=False):
                    size = _size(folder)
                    shutil.rmtree(folder)
                    freed += size
                    count += kind == MODELS and not partial
    except OSError as error:
        raise _storage_error(root, error) from error
    return count, freed


def _entries(kind: str) -> list[Path]:
    folder = cache_directory() / kind
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _storage_error(root: Path, error: OSError) -> SystolabError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SystolabError(f"Build cache must have free disk space, not a full disk: {root}")
    return SystolabError(
        f"Build cache must be a writable directory, not {root} ({error.strerror}); "
        f"SYSTOLAB_CACHE chooses another"
    )
