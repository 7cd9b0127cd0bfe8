"""Arrays from NumPy's files, which may be damaged or hostile.

NumPy's own reader allocates what a header claims, unpacks members that nobody asked for, and raises
a dozen kinds of exceptions. Here a header is checked before anything is allocated: it must agree
with the bytes that are there, and these are limited, before and after they are unpacked.
"""

from __future__ import annotations

import io
import math
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.files import open_regular

__all__ = ["LIMIT", "read_archive", "read_array"]

#: Bytes of a file, and of an array.
LIMIT = 1 << 30

_MAX_HEADER = 10_000  # bytes; NumPy's own limit
_MAX_DIMENSIONS = 32
_PIECE = 1 << 20  # bytes read at once; also the most that an archive's directory may have
_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
_LENGTHS = {b"\x01\x00": struct.Struct("<H"), b"\x02\x00": struct.Struct("<I")}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_NAMED = 8  # members that a sentence names

_BAD_HEADER = (
    *(ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError),
    *(TypeError, ValueError, tokenize.TokenError),
)
_BAD_ARCHIVE = (
    *(ArithmeticError, EOFError, LookupError, OSError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_array(path: str | Path, what: str | Parameter) -> NDArray[Any]:
    """The array of an ``.npy`` file, in native byte order.

    Args:
        path: the file.
        what: subject of the sentence that refuses, with the path: ``Array file x.npy``; or
            the parameter that names it.

    Raises:
        SystolabError: it cannot be read, is another or a damaged file, is larger than ``LIMIT``, or
            holds objects or records.
    """
    with open_regular(path, what, LIMIT) as file:
        try:
            if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
                raise SystolabError(what, " must hold one array, not an archive of several")
            file.seek(0)
            return _read(file, os.fstat(file.fileno()).st_size, "it")
        except MemoryError as error:
            raise SystolabError(what, " must fit into memory") from error
        except (OSError, ValueError) as error:
            raise SystolabError(what, f" must be an .npy file of a plain array: {error}") from error


def read_archive(
    path: str | Path, what: str | Parameter, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Arrays of an ``.npz`` file by name, in native byte order; no other member is looked at.

    Args:
        path: the file.
        what: subject of the sentence that refuses, with the path: ``Data file x.npz``; or
            the parameter that names it.
        required: names that must be there.
        optional: names that may be there.

    Raises:
        SystolabError: it cannot be read, is another or a damaged file, is encrypted, lacks a name,
            or one of these arrays is larger than ``LIMIT`` or holds objects or records.
    """
    arrays: dict[str, NDArray[Any]] = {}
    with open_regular(path, what, LIMIT) as file:
        try:
            if file.read(len(_MAGIC)) == _MAGIC:
                raise SystolabError(what, " must be an .npz file, not a single array")
            with zipfile.ZipFile(_Pieces(file)) as archive:
                members = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
                for name in required:
                    if name not in members:
                        raise SystolabError(
                            what, f" must hold an array named {name}, not {_few(members)}"
                        )
                for name in (*required, *optional):
                    if name in members:
                        arrays[name] = _member(archive, members[name], name)
        except MemoryError as error:
            raise SystolabError(what, " must fit into memory") from error
        except _BAD_ARCHIVE as error:
            reason = str(error) or type(error).__name__
            raise SystolabError(what, f" must be an .npz file of plain arrays: {reason}") from error
    return arrays


class _Pieces:
    """A file of which no large part is read at once, whatever an archive says its directory has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(_PIECE + 1 if size < 0 else min(size, _PIECE + 1))
        if len(content) > _PIECE:
            raise ValueError(f"its directory has more than {_PIECE} bytes")
        return content


def _few(names: Sequence[str] | dict[str, Any]) -> str:
    every = sorted(names)
    more = [f"{len(every) - _NAMED} more"] if len(every) > _NAMED else []
    return ", ".join([*(name[:40] for name in every[:_NAMED]), *more]) or "none"


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    if member.flag_bits & _ENCRYPTED:
        raise ValueError(f"array {name} is encrypted")
    if member.compress_type not in _METHODS:
        raise ValueError(f"array {name} has compression method {member.compress_type}, not 0 or 8")
    with archive.open(member) as stream:
        return _read(stream, member.file_size, f"array {name}")


def _read(stream: _Stream, size: int, subject: str) -> NDArray[Any]:
    """Read the ``size`` bytes of an ``.npy`` file, and see that there are no more.

    Raises:
        ValueError: they are not what the header says, or the header is refused; the text begins
            with ``subject``.
        MemoryError: there is no memory for it.
    """
    head = stream.read(len(_MAGIC) + 2)
    if head[:-2] != _MAGIC:
        raise ValueError(f"{subject} is no NumPy array")
    length = _LENGTHS.get(head[-2:])
    if length is None:  # 3.0 is for records with names beyond Latin-1
        raise ValueError(f"{subject} has an unknown version")
    prefix = stream.read(length.size)
    count = length.unpack(prefix)[0] if len(prefix) == length.size else 0
    if count > _MAX_HEADER:
        raise ValueError(f"{subject} has a header of {count} bytes, more than {_MAX_HEADER}")
    header = head + prefix + stream.read(count)
    shape, fortran, dtype = _parsed(header, subject)
    if dtype.hasobject or dtype.names is not None or dtype.kind == "V" or dtype.itemsize == 0:
        raise ValueError(f"{subject} holds objects or records, not numbers")
    if len(shape) > _MAX_DIMENSIONS or any(extent < 0 for extent in shape):
        raise ValueError(f"{subject} has an impossible shape")
    # Empty extents count as 1: the others must be possible, too.
    if math.prod(max(extent, 1) for extent in shape) * dtype.itemsize > LIMIT:
        raise ValueError(f"{subject} has more than {LIMIT} bytes")
    declared = math.prod(shape) * dtype.itemsize
    present = size - len(header)
    if declared != present:
        raise ValueError(f"{subject} has {declared} bytes by its header, but {present} in the file")
    raw = np.empty(declared, dtype=np.uint8)
    done = 0
    while piece := stream.read(_PIECE):
        if done + len(piece) > declared:
            raise ValueError(f"{subject} has more bytes than its header says")
        raw[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        done += len(piece)
    if done < declared:
        raise ValueError(f"{subject} ends after {done} of {declared} bytes")
    flat = raw.view(dtype)
    flat = flat.astype(dtype.newbyteorder("="), copy=False)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _parsed(header: bytes, subject: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = header[len(_MAGIC)]
    parse = (
        np.lib.format.read_array_header_1_0 if version == 1 else np.lib.format.read_array_header_2_0
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged literals
            shape, fortran, dtype = parse(io.BytesIO(header[len(_MAGIC) + 2 :]))
    except _BAD_HEADER as error:
        raise ValueError(f"{subject} has a damaged header") from error
    return shape, fortran, dtype
