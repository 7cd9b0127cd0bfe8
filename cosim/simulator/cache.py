"""The cache of builds: entries by content, made whole under a lock or not at all.

An entry is a directory. It is made beside its final place, sealed with digests and renamed when
complete, so an interrupted build leaves nothing that a later one would trust, and two at once both
succeed. What a builder left that was killed is removed when the next process starts.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from systolab.cosim.processes.children import open_files_error
from systolab.cosim.simulator.trust import check_private, damage, seal
from systolab.formats.errors import SystolabError
from systolab.formats.outside.files import read_regular

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
_MAX_DESCRIPTION = 1 << 20  # bytes

_collected: set[Path] = set()  # caches in which this process has looked for what was left


def cache_directory() -> Path:
    """Root of the build cache: ``$SYSTOLAB_CACHE``, else ``systolab`` in the user's cache.

    Raises:
        SystolabError: it is relative to a working directory that is gone, or there is no home.
    """
    try:
        explicit = os.environ.get("SYSTOLAB_CACHE")
        if explicit:
            return Path(explicit).absolute()
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(base).absolute() / "systolab"
    except (OSError, RuntimeError) as error:  # no working directory, or no home
        raise SystolabError(
            f"Build cache must have a place, which cannot be told here ({error}): "
            f"SYSTOLAB_CACHE gives it one by an absolute path"
        ) from error


def cached(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """Directory of an entry, made if it is not there or damaged, and whether it was there.

    Raises:
        SystolabError: the cache cannot be written, is somebody else's or can be written by others,
            or what ``make`` raises.
    """
    root = cache_directory()
    final = root / kind / key
    try:
        _collect(root)
        if _state(root, final) == "":
            with suppress(OSError):  # a cache that cannot be written may still be used
                os.utime(final)
            return final, True
        _make_folder(root / kind)
        with _lock(root, f"{kind}-{key}"):
            state = _state(root, final)
            if state == "":
                return final, True
            if state is not None:
                print(
                    f"systolab: build cache entry {final} is damaged ({state}): built again",
                    file=sys.stderr,
                )
            for stale in (final, *final.parent.glob(f"{key}*{_PARTIAL}")):
                _remove(stale)
            temporary = Path(tempfile.mkdtemp(_PARTIAL, f"{key}.", final.parent))
            try:
                make(temporary)
                seal(temporary)
                temporary.rename(final)
            finally:
                _remove(temporary)
    except OSError as error:
        raise _storage_error(root, error) from error
    return final, False


def _state(root: Path, final: Path) -> str | None:
    """What is wrong with an entry, "" if nothing; None where there is none.

    Raises:
        SystolabError: the cache or the entry is somebody else's, writable by others or a link.
    """
    try:
        for folder in (root, final.parent):
            check_private(folder, folder.stat())
        status = final.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        raise SystolabError(
            f"Build cache entry must be a directory of its own, not a link: {final}; remove it"
        )
    check_private(final, status)
    return damage(final) if stat.S_ISDIR(status.st_mode) else "it is no directory"


@contextmanager
def _lock(root: Path, name: str, wait: bool = True) -> Iterator[None]:
    """Hold an entry's lock; raises BlockingIOError where it is taken and ``wait`` is false.

    The lock's file is there only while it is held: nothing is left behind.
    """
    folder = root / _LOCKS
    _make_folder(folder)
    path = folder / name
    while True:
        handle = _open_lock(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(path, handle):
                try:
                    yield
                finally:
                    with suppress(OSError):  # the next process to look collects it
                        path.unlink()
                return
            # Its holder has removed it meanwhile: it is nobody's lock any more.
        finally:
            os.close(handle)


def _open_lock(path: Path) -> int:
    """Open a lock, without following a link or changing what is there."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
    else:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
    raise SystolabError(
        f"Lock of the build cache must be a regular file, not a link or anything else: {path}; "
        f"remove it"
    )


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _make_folder(path: Path) -> None:
    """Make a folder that only the user can use, unless it is there; then it must be the user's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    for folder in (path.parent, path):
        check_private(folder, folder.stat())


def _remove(path: Path) -> None:
    """Remove whatever is at a path, as far as that is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _collect(root: Path) -> None:
    """Remove what builders left that were killed: once in a process, as far as possible."""
    if root in _collected:
        return
    _collected.add(root)
    # A lock that can be taken has no living holder.
    with suppress(OSError, SystolabError):
        for kind in (MODELS, RUNTIMES):
            for folder in (root / kind).glob(f"*{_PARTIAL}"):
                with suppress(BlockingIOError), _lock(root, _lock_name(folder), wait=False):
                    _remove(folder)
        for path in (root / _LOCKS).iterdir():
            with suppress(BlockingIOError), _lock(root, path.name, wait=False):
                pass


def _lock_name(folder: Path) -> str:
    return f"{folder.parent.name}-{folder.name.partition('.')[0]}"


@dataclass(frozen=True)
class CachedBuild:
    """A model in the cache.

    Attributes:
        key: hash of everything that went in.
        description: what was built; empty where that cannot be read.
        size: bytes.
        used: time of the last use, seconds since the epoch.
    """

    key: str
    description: Mapping[str, object]
    size: int
    used: float


def cached_builds() -> list[CachedBuild]:
    """Models in the cache, the last used first.

    Raises:
        SystolabError: the cache is somebody else's, or writable by others.
    """
    builds = []
    for folder in _entries(MODELS):
        try:
            used = folder.lstat().st_mtime
            size = _size(folder)
        except OSError:
            continue  # just removed
        if folder.suffix != _PARTIAL:
            builds.append(CachedBuild(folder.name, _description(folder), size, used))
    return sorted(builds, key=lambda build: (-build.used, build.key))


def _description(folder: Path) -> dict[str, object]:
    path = folder / DESCRIPTION
    try:
        found = json.loads(read_regular(path, f"File {path}", _MAX_DESCRIPTION))
    except (SystolabError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
                if not partial and time.time() - folder.lstat().st_mtime < age:
                    continue
                with suppress(BlockingIOError), _lock(root, _lock_name(folder), wait=False):
                    size = _size(folder)
                    _remove(folder)
                    freed += size
                    count += kind == MODELS and not partial
    except OSError as error:
        raise _storage_error(root, error) from error
    return count, freed


def _entries(kind: str) -> list[Path]:
    root = cache_directory()
    folder = root / kind
    try:
        for each in (root, folder):
            check_private(each, each.stat())
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _storage_error(root, error) from error


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _storage_error(root: Path, error: OSError) -> SystolabError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SystolabError(f"Build cache must have free disk space, not a full disk: {root}")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return open_files_error()
    return SystolabError(
        f"Build cache must be a writable directory, not {root} ({error.strerror}); "
        f"SYSTOLAB_CACHE chooses another"
    )
