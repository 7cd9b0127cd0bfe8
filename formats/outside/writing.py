"""Writes files and folders: each is there whole, or not at all.

What is written goes beside its target, onto the disk, and takes the target's place in one step: a
full disk, a kill or a reader at the wrong moment never meets a half. Everything that the project
writes goes through here. Folders that are missing on the way are made.

A device or a pipe (``/dev/stdout``, ``>(program)``) has no beside: it is written to directly.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import writable

__all__ = [
    "check_file",
    "check_folder",
    "check_new_folder",
    "fill",
    "partial_file",
    "replacing",
    "write_folder",
    "write_text",
]

_PREFIX = ".systolab-"  # of what is not whole yet
_OPEN = re.compile(r"/dev/(?:(stdout|stderr)|fd/(\d+))|/proc/self/fd/(\d+)")  # by us, already


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, line ends as they are; lone surrogates are spelt out.

    Raises:
        SystolabError: the file cannot be written; what was there before still is.
    """
    with replacing(path) as stream:
        stream.write(_encoded(text))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends, unless by an exception.

    Raises:
        SystolabError: the file cannot be written; what was there before still is.
    """
    if _is_direct(path):
        descriptor = _descriptor(path)
        with (
            _told("File", path),
            open(path if descriptor is None else os.dup(descriptor), "wb") as stream,
        ):
            yield stream
    else:
        with partial_file(path) as partial, partial.open("wb") as stream:
            yield stream


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Name of a file, for a writer that opens it itself, which takes the place of ``path``.

    Raises:
        SystolabError: as ``replacing``.
    """
    with _told("File", path):
        target, mode = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(target)
        try:
            os.close(_created(partial))
            yield partial
            _sync(partial)
            if mode is not None:
                partial.chmod(mode)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_names(target.parent)


def write_folder(path: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder, all of them or none.

    A folder that is not there appears in one step. One that is there is its owner's: the files are
    on the disk before the first appears in it.

    Args:
        path: the folder.
        files: text by name; ``/`` in a name makes folders in the folder.

    Raises:
        SystolabError: the folder cannot be written, or has something of such a name in it.
    """
    with _told("Output folder", path):
        target = Path(os.path.realpath(path))
        inside = target.is_dir()
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target / _name() if inside else _beside(target)
        moved: list[Path] = []
        try:
            partial.mkdir()
            fill(partial, files)
            for name in files:
                _sync(partial / name)
            if inside:
                for part in sorted(partial.iterdir()):
                    if os.path.lexists(target / part.name):
                        raise FileExistsError(errno.EEXIST, f"{part.name} is there already")
                    part.rename(target / part.name)
                    moved.append(target / part.name)
                partial.rmdir()
            else:
                partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            for part in moved:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
            raise
        _sync_names(target if inside else target.parent)


def fill(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files into a folder that nobody else uses yet, as ``write_text`` but in place.

    Returns:
        The files in order.

    Raises:
        OSError: a file cannot be written.
    """
    paths = [folder / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encoded(text))
    return paths


def check_file(path: Path) -> None:
    """See before the work that its result can be written; nothing is changed.

    Raises:
        SystolabError: the file is a folder, or cannot be written.
    """
    with _told("File", path):
        if not _is_direct(path):
            _probe(_target(path)[0].parent)


def check_folder(path: Path) -> None:
    """See before the work that files can be written into a folder; nothing is changed.

    Raises:
        SystolabError: they cannot.
    """
    with _told("Output folder", path):
        _probe(path)


def check_new_folder(path: Path) -> None:
    """As ``check_folder``, of a folder for results that must not mix with others.

    Raises:
        SystolabError: files cannot be written there, or there are some.
    """
    check_folder(path)
    with _told("Output folder", path):
        if path.exists() and any(path.iterdir()):
            raise SystolabError(f"Output folder must be new or empty, not {path}")


@contextmanager
def _told(what: str, path: Path) -> Iterator[None]:
    """Have a failure of the system say which output it concerns."""
    try:
        yield
    except OSError as error:
        raise SystolabError(f"{what} {path} must be writable: {error.strerror}") from error
    except ValueError as error:  # a name with a null character
        if "\0" not in str(path):
            raise
        raise SystolabError(
            f"{what} {path} must be writable: its name has a null character"
        ) from error


def _target(path: Path) -> tuple[Path, int | None]:
    """The file itself, where the path is a link to one, and its mode, if it is there."""
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target, None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "Is a directory")
    if not os.access(target, os.W_OK):  # to replace it the folder's mode would be enough
        raise PermissionError(None, "Permission denied")
    return target, stat.S_IMODE(mode)


def _is_direct(path: Path) -> bool:
    """Whether a path is no regular file: a device, a pipe or what we have open."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _descriptor(path: Path) -> int | None:
    """Of what is open: to open it again would write over what is written there besides."""
    found = _OPEN.fullmatch(os.path.abspath(path))
    if found is None:
        return None
    return {"stdout": 1, "stderr": 2}[found[1]] if found[1] else int(found[2] or found[3])


def _probe(folder: Path) -> None:
    """Make a file in the nearest folder that is there, and remove it."""
    folder = Path(os.path.abspath(folder))
    while not os.path.lexists(folder):
        folder = folder.parent
    probe = folder / _name()
    os.close(_created(probe))
    probe.unlink()


def _created(path: Path) -> int:
    """A new file, with the rights that new files have."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _beside(target: Path) -> Path:
    return target.parent / _name()


def _name() -> str:
    return f"{_PREFIX}{secrets.token_hex(8)}"


def _encoded(text: str) -> bytes:
    return writable(text).encode()


def _sync(path: Path) -> None:
    """Wait until a file's contents are on the disk; a disk may turn out to be full only now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_names(folder: Path) -> None:
    """Have the disk know a folder's names; not every file system can say that it does."""
    with suppress(OSError):
        _sync(folder)
