"""What the cache holds is used only if it is what was built, and nobody else can change it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from systolab.cosim.cli import main
from systolab.cosim.simulator import cache as cache_module
from systolab.cosim.simulator import trust
from systolab.cosim.simulator.cache import cached, cached_builds
from systolab.cosim.simulator.trust import damage, load_library
from systolab.formats.errors import SystolabError
from tests.cosim.simulator.tiny import DRIVER, small_build


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path: Path) -> None:
    """One bit, in place, at the same size and with the old time of modification."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _list(path: Path) -> None:
    path.write_text("[1]\n")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _unreadable(path: Path) -> None:
    path.chmod(0)


def _more(path: Path) -> None:
    path.with_name("more").write_text("")


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("model.so", _half, "model.so has another digest"),
    ("model.so", _flip, "model.so has another digest"),
    ("model.so", _empty, "model.so has another digest"),
    ("model.so", Path.unlink, "model.so is missing"),
    ("model.so", _directory, "model.so is missing"),
    ("model.so", _link, "elsewhere is not listed"),
    ("model.so", _fifo, "model.so is no regular file"),
    ("model.so", _more, "more is not listed"),
    ("build.json", _list, "build.json has another digest"),
    ("build.json", _directory, "build.json is missing"),
    ("sv/tiny.sv", _flip, "sv/tiny.sv has another digest"),
    ("SHA256SUMS", Path.unlink, "SHA256SUMS is missing"),
    ("SHA256SUMS", _half, "SHA256SUMS"),
    ("SHA256SUMS", _list, "SHA256SUMS is no list of digests"),
    ("SHA256SUMS", _empty, "build.json is not listed"),
]


KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Entry:
    directory: Path
    cached: bool

    @property
    def library(self) -> Path:
        return self.directory / "model.so"


def entry() -> Entry:
    """An entry of the cache, put there as builds are but without a compiler."""

    def make(folder: Path) -> None:
        (folder / "sv").mkdir()
        (folder / "sv" / "tiny.sv").write_text("module tiny; endmodule\n")
        (folder / "model.so").write_bytes(bytes(range(256)) * 16)
        (folder / "build.json").write_text('{"what": "tiny"}')

    return Entry(*cached("models", KEY, make))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("part", "harm", "reason"),
    DAMAGES,
    ids=[f"{part.replace('/', '-')}-{harm.__name__}" for part, harm, _ in DAMAGES],
)
def test_a_damaged_entry_is_built_again(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    part: str,
    harm: Callable[[Path], None],
    reason: str,
) -> None:
    done = entry()
    harm(done.directory / part)
    capsys.readouterr()
    again = entry()
    assert not again.cached
    assert damage(again.directory) == ""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"systolab: build cache entry {done.directory} is damaged (")
    assert err.endswith("): built again\n")
    if harm is not _link:  # which of the two is named
        assert reason in err
    assert entry().cached
    assert capsys.readouterr().err == ""
    assert [path.name for path in (root / "models").iterdir()] == [KEY]


def test_an_entry_that_is_a_file_is_built_again(root: Path, tmp_path: Path) -> None:
    done = entry()
    done.directory.rename(tmp_path / "away")
    done.directory.write_text("")
    assert not entry().cached


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_entry_that_cannot_be_read_is_built_again(root: Path, tmp_path: Path) -> None:
    done = entry()
    _unreadable(done.library)
    assert not entry().cached


def test_a_sound_entry_of_a_cache_that_cannot_be_written_is_used(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    done = entry()
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(cache_module, "_open_lock", refuse)
    assert entry().cached
    _half(done.library)
    with pytest.raises(SystolabError) as caught:
        entry()
    assert str(caught.value) == (
        f"Build cache must be a writable directory, not {root} (Read-only file system); "
        f"SYSTOLAB_CACHE chooses another"
    )


@pytest.mark.parametrize("part", ["", "models", "models/KEY", "models/KEY/model.so"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_can_write_is_refused(root: Path, tmp_path: Path, part: str, mode: int) -> None:
    done = entry()
    path = root / part.replace("KEY", KEY)
    path.chmod(stat.S_IMODE(path.stat().st_mode) | mode)
    with pytest.raises(SystolabError) as caught:
        entry()
    assert str(caught.value) == (
        f"Build cache must be writable by you alone, not by others (mode "
        f"{stat.S_IMODE(path.stat().st_mode):o}), as what it holds is executed: {path}; remove "
        f"it, or where you trust what it holds: chmod -R go-w {path}"
    )
    assert done.library.exists()
    subprocess.run(["chmod", "-R", "go-w", str(path)], check=True)
    assert entry().cached


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("part", ["", "models", "models/KEY", "models/KEY/model.so", "locks"])
def test_what_another_user_owns_is_refused(root: Path, tmp_path: Path, part: str) -> None:
    done = entry()
    path = root / part.replace("KEY", KEY)
    os.chown(path, 54321, -1)
    if part == "locks":
        done.library.unlink()
    with pytest.raises(SystolabError) as caught:
        entry()
    assert str(caught.value) == (
        f"Build cache must belong to you, not to user 54321, as what it holds is executed: "
        f"{path}; remove it, or choose another cache with SYSTOLAB_CACHE"
    )


def test_a_cache_of_somebody_else_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry()
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(SystolabError, match="^Build cache must belong to you, not to "):
        entry()
    with pytest.raises(SystolabError, match="^Build cache must belong to you, not to "):
        cached_builds()


def test_what_is_built_under_a_lax_umask_is_private(root: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        done = entry()
    finally:
        os.umask(before)
    for path in (done.directory.parent, done.directory, *done.directory.rglob("*")):
        assert not path.stat().st_mode & 0o022, path
    assert entry().cached


def test_the_digests_are_those_of_coreutils(root: Path, tmp_path: Path) -> None:
    done = entry()
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", trust.DIGESTS],
        cwd=done.directory,
        check=True,
    )


def test_an_entry_that_is_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    done = entry()
    done.directory.rename(tmp_path / "away")
    done.directory.symlink_to(tmp_path / "away")
    with pytest.raises(SystolabError) as caught:
        entry()
    assert str(caught.value) == (
        f"Build cache entry must be a directory of its own, not a link: {done.directory}; remove it"
    )


@pytest.mark.parametrize("kind", ["link", "directory", "FIFO"])
def test_a_lock_that_is_no_file_is_refused_and_its_target_left_alone(
    root: Path, tmp_path: Path, kind: str
) -> None:
    done = entry()
    _half(done.library)
    target, lock = tmp_path / "precious", root / "locks" / f"models-{KEY}"
    target.write_text("precious")
    if kind == "link":
        lock.symlink_to(target)
    elif kind == "directory":
        lock.mkdir()
    else:
        os.mkfifo(lock)
    with pytest.raises(SystolabError) as caught:
        entry()
    assert str(caught.value) == (
        f"Lock of the build cache must be a regular file, not a link or anything else: {lock}; "
        f"remove it"
    )
    assert target.read_text() == "precious"


def test_no_lock_is_left_behind(root: Path, tmp_path: Path) -> None:
    entry()
    assert list((root / "locks").iterdir()) == []


def test_what_a_killed_builder_left_is_removed_and_what_a_living_one_makes_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, locks = root / "models", root / "locks"
    for folder in (models / "dead.x1.partial" / "cpp", models / "alive.x2.partial", locks):
        folder.mkdir(mode=0o700, parents=True)
    for name in ("models-dead", "models-alive"):
        (locks / name).write_text("")
    with (locks / "models-alive").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        entry()
        assert sorted(path.name for path in models.iterdir()) == [KEY, "alive.x2.partial"]
        assert [path.name for path in locks.iterdir()] == ["models-alive"]
    monkeypatch.setattr(cache_module, "_collected", set())  # as in the next process
    entry()
    assert [path.name for path in models.iterdir()] == [KEY]
    assert list(locks.iterdir()) == []


def test_a_library_that_changed_after_it_was_found_is_not_loaded(
    cache: Path, tmp_path: Path
) -> None:
    done = small_build(tmp_path)
    _flip(done.library)
    with pytest.raises(SystolabError) as caught:
        done.load()
    assert str(caught.value) == (
        f"Library {done.library} must be as it was built, not changed; run again to mend it"
    )


@pytest.mark.parametrize("descriptors", ["/proc/self/fd", "/no/proc"])
def test_each_library_is_its_own(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, descriptors: str
) -> None:
    """The dynamic linker knows libraries by name, and descriptors are used again."""
    monkeypatch.setattr(trust, "_DESCRIPTORS", Path(descriptors))
    first = small_build(tmp_path, driver=DRIVER.replace("42", "1"))
    second = small_build(tmp_path, driver=DRIVER.replace("42", "234"))
    answers = [int(build.load().answer()) for build in (first, second, first, second)]
    assert answers == [1, 234, 1, 234]


def test_a_file_is_hashed_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = small_build(tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    assert damage(done.directory) == ""
    load_library(done.library)


@pytest.mark.parametrize("content", ["[1]", "", "{", "[" * 100_000, '"\xff"', "null"])
def test_an_entry_whose_description_is_damaged_is_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    done = entry()
    (done.directory / "build.json").write_text(content, encoding="latin-1")
    assert [(build.key, build.description) for build in cached_builds()] == [(KEY, {})]
    assert main(["cache"]) == 0
    assert KEY[:12] in capsys.readouterr().out
