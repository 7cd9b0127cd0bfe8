"""Files from outside: opened only where they are regular files of a bounded size.

A FIFO would wait for ever, a device like ``/dev/zero`` never ends, and opening some devices has
effects of its own; so the kind is looked at before and after opening, and nothing is read before
the size is known.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from systolab.formats.errors import Parameter, SystolabError

__all__ = ["open_regular", "read_regular"]

_MORE = 1 << 20  # bytes read at once beyond what a file says it has

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def open_regular(path: str | Path, what: str | Parameter, limit: int) -> BinaryIO:
    """Open a regular file for reading, if it has at most ``limit`` bytes.

    A file may grow while it is read: read no more of it than ``limit``, as ``read_regular`` does.

    Args:
        path: the file; symbolic links are followed.
        what: subject of the sentence that refuses, with the path: ``Model 'net.onnx'``; or
            the parameter that names it.
        limit: largest size, in bytes.

    Raises:
        SystolabError: it cannot be opened, is no regular file, or is too large.
    """
    try:
        _check(os.stat(path), what, limit)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            _check(os.fstat(handle), what, limit)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
    except OSError as error:
        raise _unreadable(what, error) from error
    except ValueError as error:  # a NUL, or what the file system's encoding does not have
        reason = "its name has a null character" if "\0" in str(path) else error
        raise SystolabError(what, f" must be a readable file: {reason}") from error


def read_regular(path: str | Path, what: str | Parameter, limit: int) -> bytes:
    """All bytes of a regular file, if they are at most ``limit``.

    Args:
        path: the file; symbolic links are followed.
        what: subject of the sentence that refuses, with the path: ``Model 'net.onnx'``; or
            the parameter that names it.
        limit: largest size, in bytes.

    Raises:
        SystolabError: it cannot be read, is no regular file, or is too large.
    """
    with open_regular(path, what, limit) as file:
        try:
            # As much as the file says it has: a read of the limit would allocate the limit.
            content = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)
            while len(content) <= limit and (more := file.read(min(_MORE, limit + 1))):
                content += more
        except OSError as error:
            raise _unreadable(what, error) from error
    if len(content) > limit:  # grown since, or a file of /proc, which says it has no bytes
        raise SystolabError(what, f" must have at most {limit} bytes, not more")
    return content


def _check(status: os.stat_result, what: str | Parameter, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise SystolabError(what, f" must be a regular file, not {kind}")
    if status.st_size > limit:
        raise SystolabError(what, f" must have at most {limit} bytes, not {status.st_size}")


def _unreadable(what: str | Parameter, error: OSError) -> SystolabError:
    return SystolabError(what, f" must be a readable file: {error.strerror or error}")
