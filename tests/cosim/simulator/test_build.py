"""The build cache: hits, healing, two builders at once, and errors in one sentence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from systolab.cosim.cli import main
from systolab.cosim.simulator import build as module
from systolab.cosim.simulator.build import build_library
from systolab.cosim.simulator.cache import cached_builds, prune
from systolab.formats.errors import SystolabError
from tests.cosim.simulator.tiny import SOURCE, small_build


def test_the_second_build_is_cached_and_leaves_nothing_behind(cache: Path, tmp_path: Path) -> None:
    first = small_build(tmp_path)
    assert not first.cached
    assert first.library.is_file()
    assert sorted(path.name for path in first.directory.iterdir()) == [
        "SHA256SUMS",
        "build.json",
        "model.so",
        "sv",
    ]
    second = small_build(tmp_path)
    assert second.cached
    assert second.directory == first.directory
    assert [path.name for path in (cache / "models").iterdir()] == [first.key]


def test_the_key_depends_on_sources_and_options(tmp_path: Path) -> None:
    builds = [
        small_build(tmp_path),
        small_build(tmp_path, "1'b1"),
        small_build(tmp_path, trace=True),
    ]
    assert len({done.key for done in builds}) == 3


def test_an_interrupted_build_heals(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> list[Path]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_merge", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small_build(tmp_path)
    assert list((cache / "models").iterdir()) == []
    done = small_build(tmp_path)
    # A builder that was killed could not even clean up.
    library = done.library.read_bytes()
    (done.directory.parent / f"{done.key}.partial").mkdir()
    done.library.unlink()
    healed = small_build(tmp_path)
    assert not healed.cached
    assert len(healed.library.read_bytes()) == len(library)
    assert [path.name for path in (cache / "models").iterdir()] == [done.key]


def test_two_builders_at_once_both_succeed(cache: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.cosim.simulator.tiny import small_build\n"
        "done = small_build(Path(sys.argv[1]))\n"
        "print(done.library.stat().st_size, done.cached)\n"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "src")))}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    results = [run.communicate()[0].split() for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert results[0][0] == results[1][0]
    assert sorted(cached for _, cached in results) == ["False", "True"]


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SystolabError, match=r"^C\+\+ compiler must be .*no-such-compiler"):
        small_build(tmp_path)


def test_cache_that_is_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(SystolabError, match="^Build cache must be a writable directory, not "):
        small_build(tmp_path)


def test_full_disk(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> list[Path]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_merge", full)
    with pytest.raises(SystolabError, match="^Build cache must have free disk space, not a full"):
        small_build(tmp_path)
    assert list((cache / "models").iterdir()) == []


def test_sources_that_do_not_compile(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match="^Build of the array's model failed in verilator_bin"):
        small_build(tmp_path, "no_such_signal")
    assert list((cache / "models").iterdir()) == []


def test_a_broken_driver_is_named(cache: Path, tmp_path: Path) -> None:
    driver = tmp_path / "broken.cpp"
    driver.write_text("int answer( {")
    with pytest.raises(SystolabError, match=r"^Build of the array's model failed in g\+\+"):
        build_library({"tiny.sv": SOURCE.replace("{value}", "d_i")}, "tiny", driver, {}, {})
    assert list((cache / "models").iterdir()) == []


def test_listing_and_pruning(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = small_build(tmp_path)
    (entry,) = cached_builds()
    assert entry.key == done.key
    assert entry.description == {"what": "tiny"}
    (cache / "models" / "0123.partial").mkdir()
    (cache / "runtime").unlink()  # the user's
    assert prune(3600)[0] == 0
    assert [path.name for path in (cache / "models").iterdir()] == [done.key]
    assert main(["cache"]) == 0
    assert "what=tiny" in capsys.readouterr().out
    assert main(["cache", "--prune", "0"]) == 0
    assert "removed 1 builds" in capsys.readouterr().out
    assert cached_builds() == []
