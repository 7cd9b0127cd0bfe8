"""Whether a folder of the build cache is what was put there, and nobody else's.

What the cache holds is executed. So it must belong to the user and be writable by nobody else; and
as disks fill up, machines lose power and files get damaged, a folder carries the digests of its
files and is looked at before it is used. Where a digest is wrong, the folder is made again.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from systolab.formats.errors import SystolabError
from systolab.formats.outside.files import read_regular
from systolab.formats.outside.writing import fill

__all__ = ["DIGESTS", "check_private", "damage", "load_library", "seal"]

#: Digests of all other files of a folder, as ``sha256sum --check`` reads them.
DIGESTS = "SHA256SUMS"

_MAX_DIGESTS = 1 << 20  # bytes
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_DESCRIPTORS = Path("/proc/self/fd")

_Identity = tuple[int, ...]
_digests: dict[_Identity, str] = {}  # of files that this process has read
_names: dict[_Identity, str] = {}  # under which this process has loaded libraries
_slashes = itertools.count(1)


def check_private(path: str | Path, status: os.stat_result) -> None:
    """Refuse a file or folder of the cache that somebody else owns or can write.

    Raises:
        SystolabError: it is somebody else's, or writable by the group or everybody.
    """
    if status.st_uid != os.geteuid():
        raise SystolabError(
            f"Build cache must belong to you, not to {_user(status.st_uid)}, as what it holds is "
            f"executed: {path}; remove it, or choose another cache with SYSTOLAB_CACHE"
        )
    if status.st_mode & _OTHERS_WRITE:
        raise SystolabError(
            f"Build cache must be writable by you alone, not by others (mode "
            f"{stat.S_IMODE(status.st_mode):o}), as what it holds is executed: {path}; remove it, "
            f"or where you trust what it holds: chmod -R go-w {path}"
        )


def seal(folder: Path) -> None:
    """Write the digests of a folder's files, and take others' permission to write them."""
    lines = []
    for name, _ in _files(folder, private=False):
        _withdraw(folder / name)
        with _opened(folder / name) as (handle, status):
            lines.append(f"{_digest(handle, status)}  {name}\n")
    (digests,) = fill(folder, {DIGESTS: "".join(lines)})
    for path in (digests, *(Path(inner) for inner, _, _ in os.walk(folder))):
        _withdraw(path)


def _withdraw(path: Path) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS_WRITE)


def damage(folder: Path) -> str:
    """What is wrong with a folder that was sealed, in a few words; nothing for nothing.

    A file is read once in a process, and again when its inode, size or times have changed.

    Raises:
        SystolabError: a part is somebody else's, or others can write it.
    """
    try:
        present = dict(_files(folder))
        if DIGESTS not in present:
            return f"{DIGESTS} is missing"
        del present[DIGESTS]
        listed = _listed(folder)
        if odd := sorted(listed.keys() ^ present.keys()):
            return f"{odd[0]} is {'missing' if odd[0] in listed else 'not listed'}"
        for name, status in present.items():
            found = _digests.get(_identity(status))
            if found is None:
                with _opened(folder / name) as (handle, opened):
                    found = _digest(handle, opened)
            if found != listed[name]:
                return f"{name} has another digest"
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return ""


def load_library(path: Path) -> ctypes.CDLL:
    """Load a shared library of a sealed folder: the very file whose digest was verified.

    Raises:
        SystolabError: it cannot be loaded, or is not what was built.
    """
    try:
        with _opened(path) as (handle, status):
            if _digest(handle, status) != _listed(path.parent).get(path.name):
                raise SystolabError(
                    f"Library {path} must be as it was built, not changed; run again to mend it"
                )
            return ctypes.CDLL(_loadable(path, handle, status))
    except (OSError, ValueError) as error:
        raise SystolabError(f"Library {path} cannot be loaded: {error}; run again") from error


def _loadable(path: Path, handle: int, status: os.stat_result) -> str:
    """A name of an open file for the dynamic linker, its own for as long as the process lives."""
    # The linker takes a name that it knows for the library that it knows, whatever is behind the
    # name by then; descriptors are used again, so each name gets one slash more than the last.
    identity = _identity(status)
    if identity not in _names:
        _names[identity] = (
            f"{_DESCRIPTORS}{'/' * next(_slashes)}{handle}"
            if _DESCRIPTORS.is_dir()
            else str(path)  # no /proc, as in some containers
        )
    return _names[identity]


def _files(
    folder: Path, prefix: str = "", private: bool = True
) -> Iterator[tuple[str, os.stat_result]]:
    """Names and states of all files below a folder, in order.

    Raises:
        ValueError: a link or a special file is among them.
        SystolabError: one is somebody else's, or others can write it.
    """
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda item: item.name):
            status = item.stat(follow_symlinks=False)
            name = prefix + item.name
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                raise ValueError(f"{name} is no regular file")
            if private:
                check_private(item.path, status)
            if stat.S_ISDIR(status.st_mode):
                yield from _files(Path(item.path), f"{name}/", private)
            else:
                yield name, status


def _listed(folder: Path) -> dict[str, str]:
    """Digests by name, as the folder lists them."""
    path = folder / DIGESTS
    try:
        text = read_regular(path, f"File {path}", _MAX_DIGESTS).decode()
    except SystolabError as error:
        raise ValueError(str(error)) from error
    lines = [line.split("  ", 1) for line in text.splitlines()]
    if any(len(line) != 2 for line in lines):
        raise ValueError(f"{DIGESTS} is no list of digests")
    return {name: digest for digest, name in lines}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """A regular file that is no link, and its state.

    Raises:
        ValueError: it is something else.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    handle = os.open(path, flags)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path.name} is no regular file")
        yield handle, status
    finally:
        os.close(handle)


def _digest(handle: int, status: os.stat_result) -> str:
    identity = _identity(status)
    if identity not in _digests:
        with open(handle, "rb", closefd=False) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if _identity(os.fstat(handle)) != identity:
            raise ValueError("it changed while it was read")
        _digests[identity] = found
    return _digests[identity]


def _identity(status: os.stat_result) -> _Identity:
    """What changes when a file's content does: the change time cannot be set back."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
