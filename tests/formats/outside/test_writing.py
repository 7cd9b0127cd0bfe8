"""Files and folders that we write: whole or absent, whatever goes wrong, and checked beforehand."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from systolab.formats.errors import SystolabError
from systolab.formats.outside import writing
from systolab.formats.outside.writing import (
    check_file,
    check_folder,
    check_new_folder,
    replacing,
    write_folder,
    write_text,
)

LARGE = "x" * 100_000


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file may grow beyond a size: what a full disk is to a program, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this process may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a", "x\r\ny\n\u2603")
    assert (tmp_path / "new" / "a").read_bytes() == "x\r\ny\n\u2603".encode()
    write_text(tmp_path / "new" / "a", "b\ud800")
    assert (tmp_path / "new" / "a").read_bytes() == rb"b\ud800"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with limited(5000), pytest.raises(SystolabError, match="/a must be writable: File too large$"):
        write_text(path, LARGE)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_folder(tmp_path: Path) -> None:
    files = {"a": "x", "sub/b": LARGE}
    with limited(5000), pytest.raises(SystolabError, match="Output folder .*: File too large$"):
        write_folder(tmp_path / "new", files)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    with limited(5000), pytest.raises(SystolabError, match="Output folder .*: File too large$"):
        write_folder(tmp_path / "there", files)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_disk_that_is_full(small_disk: Path) -> None:
    (small_disk / "a").write_text("old")
    with pytest.raises(SystolabError, match="/a must be writable: No space left on device$"):
        write_text(small_disk / "a", LARGE)
    with pytest.raises(SystolabError, match="/rtl must be writable: No space left on device$"):
        write_folder(small_disk / "rtl", {"x": "x", "y": LARGE})
    assert [path.name for path in small_disk.iterdir()] == ["a"]
    assert (small_disk / "a").read_text() == "old"


def half(path: Path, error: BaseException) -> None:
    with replacing(path) as stream:
        stream.write(b"half")
        raise error


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        half(tmp_path / "a", KeyboardInterrupt())
    with pytest.raises(ValueError, match="^other$"):
        half(tmp_path / "b", ValueError("other"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_reader_meets_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a"
    texts = ["a" * 300_000, "b" * 200_000]
    write_text(path, texts[0])
    met, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            met.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        write_text(path, texts[number % 2])
    stop.set()
    reader.join()
    assert met <= set(texts)


def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    program = (
        "import sys; from pathlib import Path\n"
        "from systolab.formats.outside.writing import replacing\n"
        "with replacing(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); print(flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "a").read_text() == "old"


def test_modes_and_links_stay(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    (tmp_path / "a").chmod(0o604)
    (tmp_path / "link").symlink_to("a")
    write_text(tmp_path / "link", "2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "2"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604


def test_what_is_no_regular_file_is_written_to_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        check_file(tmp_path / "pipe")
        write_text(tmp_path / "pipe", "said")
        assert reader.communicate()[0] == b"said"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    write_text(Path("/dev/null"), "said")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(SystolabError, match="^File /dev/full must be writable: No space left"):
        write_text(Path("/dev/full"), "said")


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_file_is_written_on(tmp_path: Path, path: str) -> None:
    program = (
        "import sys; from pathlib import Path; from systolab.formats.outside import writing\n"
        "print('before', flush=True); writing.check_file(Path(sys.argv[1]))\n"
        "writing.write_text(Path(sys.argv[1]), 'file\\n'); print('after')\n"
    )
    with (tmp_path / "a").open("w") as stream:
        subprocess.run([sys.executable, "-c", program, path], stdout=stream, check=True)
    assert (tmp_path / "a").read_text() == "before\nfile\nafter\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_folder_appears_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fill = writing.fill

    def watched(folder: Path, files: dict[str, str]) -> list[Path]:
        seen.append((tmp_path / "deep" / "new").exists())
        return fill(folder, files)

    monkeypatch.setattr(writing, "fill", watched)
    write_folder(tmp_path / "deep" / "new", {"a": "1", "sub/b": "2"})
    assert seen == [False]
    assert (tmp_path / "deep" / "new" / "sub" / "b").read_text() == "2"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_an_old_folder_keeps_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    write_folder(tmp_path, {"b": "1", "sub/c": "2"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "sub"]
    with pytest.raises(SystolabError, match="must be writable: sub is there already$"):
        write_folder(tmp_path, {"sub/d": "3"})
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "sub"]


def test_outputs_are_checked_without_a_trace(tmp_path: Path) -> None:
    check_file(tmp_path / "new" / "a")
    check_folder(tmp_path / "new" / "b")
    check_new_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(SystolabError, match="^File .*/file/a must be writable: Not a directory$"):
        check_file(tmp_path / "file" / "a")
    with pytest.raises(SystolabError, match="^File .* must be writable: Is a directory$"):
        check_file(tmp_path)
    with pytest.raises(SystolabError, match="^File /proc/no/a must be writable: No such file"):
        check_file(Path("/proc/no/a"))
    with pytest.raises(SystolabError, match="^Output folder .*/file must be writable: Not a dir"):
        check_folder(tmp_path / "file")
    with pytest.raises(SystolabError, match="^Output folder must be new or empty, not "):
        check_new_folder(tmp_path)
    check_folder(tmp_path)
    with pytest.raises(SystolabError, match="must be writable: its name has a null character"):
        check_file(tmp_path / "a\0b")
    with pytest.raises(SystolabError, match="must be writable: File name too long"):
        check_file(tmp_path / ("a" * 300))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_rights_are_respected() -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from systolab.formats.outside.writing import check_file\n"
        "os.setgroups([]); os.setuid(65534)\n"
        "for name in sys.argv[1:]:\n"
        "    try: check_file(Path(name))\n"
        "    except Exception as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        file, locked = folder / "file", folder / "locked" / "a"
        locked.parent.mkdir()
        file.write_text("")
        file.chmod(0o444)
        command = [sys.executable, "-c", program, str(file), str(locked), str(folder / "a")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"File {file} must be writable: Permission denied\n"
        f"File {locked} must be writable: Permission denied\n"
    )


def test_a_folder_that_is_there_gets_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target.name == "c":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    (tmp_path / "mine").touch()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        with pytest.raises(SystolabError, match="must be writable: Input/output error"):
            write_folder(tmp_path, {"a": "1", "b/x": "2", "c": "3"})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(SystolabError, match="mine is there already"):
        write_folder(tmp_path, {"a": "1", "mine": "2"})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
