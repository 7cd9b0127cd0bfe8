"""Files from outside: regular ones of a bounded size are read, others refused in a sentence."""

from __future__ import annotations

import os
import socket
import tracemalloc
from pathlib import Path

import pytest

from systolab.formats.errors import SystolabError
from systolab.formats.outside.files import open_regular, read_regular

WHAT = "Thing 'x'"


def _refusal(path: str | Path, limit: int = 10) -> str:
    with pytest.raises(SystolabError) as caught:
        read_regular(path, WHAT, limit)
    with pytest.raises(SystolabError):
        open_regular(path, WHAT, limit)
    return str(caught.value)


def test_a_regular_file_and_a_link_to_it_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(path, WHAT, 10) == b"0123456789"
    assert read_regular(str(tmp_path / "link"), WHAT, 10) == b"0123456789"
    with open_regular(path, WHAT, 10) as file:
        assert file.read(3) == b"012"
        assert not os.get_inheritable(file.fileno())


def test_what_is_no_regular_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert _refusal("socket") == "Thing 'x' must be a regular file, not a socket"
    assert _refusal("fifo") == "Thing 'x' must be a regular file, not a FIFO"
    assert _refusal(tmp_path) == "Thing 'x' must be a regular file, not a directory"
    assert _refusal("/dev/zero") == "Thing 'x' must be a regular file, not a character device"


def test_a_file_that_became_a_fifo_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fifo = tmp_path / "x", tmp_path / "fifo"
    path.write_bytes(b"")
    os.mkfifo(fifo)
    before = path.stat()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda _: before)
        with pytest.raises(SystolabError, match="^Thing 'x' must be a regular file, not a FIFO$"):
            open_regular(fifo, WHAT, 10)


def test_what_is_too_large_is_refused_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert _refusal(path) == "Thing 'x' must have at most 10 bytes, not 1099511627776"
    # Files of /proc say that they are empty.
    with pytest.raises(SystolabError, match="^Thing 'x' must have at most 10 bytes, not more$"):
        read_regular("/proc/self/status", WHAT, 10)


def test_what_cannot_be_opened_is_refused_with_the_reason(tmp_path: Path) -> None:
    missing = "Thing 'x' must be a readable file: No such file or directory"
    assert _refusal(tmp_path / "missing") == missing
    said = "Thing 'x' must be a readable file: its name has a null character"
    assert _refusal("a\0b") == said
    assert "must be a readable file: File name too long" in _refusal("x" * 300)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "must be a readable file: Too many levels of symbolic links" in _refusal(loop)


def test_a_high_limit_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"content")
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "small", "File", 1 << 34) == b"content"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="Linux")
def test_a_file_that_says_it_has_no_bytes() -> None:
    assert read_regular("/proc/version", "File", 1 << 34) == Path("/proc/version").read_bytes()
