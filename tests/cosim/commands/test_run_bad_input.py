"""Bad input to `systolab run`: one clear sentence each, exit status 2, and builds that survive."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cosim.runs import SMALL, TINY, Systolab, matmul


def _error(systolab: Systolab, *arguments: str) -> str:
    status, out, err, result = systolab(*arguments)
    assert status == 2
    assert out == ""
    assert result is None
    assert err.startswith("systolab: error: ")
    assert err.count("\n") == 1
    return str(err.removeprefix("systolab: error: ").strip())


def test_a_file_that_is_not_onnx(systolab: Systolab, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("not a network")
    error = _error(systolab, str(tmp_path / "model.onnx"), *SMALL[1:])
    assert error == f"File '{tmp_path / 'model.onnx'}' must be an ONNX model"


def test_an_unsupported_operator(systolab: Systolab, tmp_path: Path) -> None:
    path = matmul(tmp_path / "m.onnx", np.eye(4), "Relu", "Shrink")
    error = _error(systolab, path, "--format", "adaptivfloat:6,3")
    assert error == "Operator Shrink (node 'after1') is not supported"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_numbers(systolab: Systolab, tmp_path: Path, value: float) -> None:
    path = matmul(tmp_path / "m.onnx", np.array([[1, value], [0, 1]]))
    assert "'w'" in _error(systolab, path, "--format", "adaptivfloat:6,3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--array", "0x4"], "Array must be ROWSxCOLS with both from 1 to 64, not '0x4'"),
        (["--array", "16"], "Array must be ROWSxCOLS with both from 1 to 64, not '16'"),
        (["--array", "65x1"], "Array must be ROWSxCOLS with both from 1 to 64, not '65x1'"),
        (
            ["--format", "adaptivfloat:8,9"],
            "AdaptivFloat's exponent must be 0 to 6 bits, not 9",
        ),
        (
            ["--format", "adaptivfloat"],
            "Parameters of 'adaptivfloat' must be n and e, not ''; "
            "'systolab formats' says what they are",
        ),
        (
            ["--format", "posit:16,1"],
            "Activation format of an array must have at most 10 bits or a closed form, "
            "not 16 bits without one (posit:16,1)",
        ),
        (
            ["--accumulator", "saturate:8"],
            "Accumulator saturate:8 must be at least 21 bits wide to hold one product of "
            "adaptivfloat:6,3 and adaptivfloat:6,3, not 8",
        ),
        (["--images", "0"], "--images must be at least 1, not 0"),
        (
            ["--data", "none.npz"],
            "--data none.npz must be 'digits' or a readable .npz file: No such file or directory",
        ),
    ],
)
def test_bad_options(systolab: Systolab, arguments: list[str], message: str) -> None:
    assert _error(systolab, *SMALL, *arguments) == message


def test_unknown_names_are_told_with_the_known_ones(systolab: Systolab) -> None:
    error = _error(systolab, *SMALL, "--format", "adaptivflaot:8,3")
    assert re.fullmatch(
        r"Format family must be one of the known ones, not 'adaptivflaot'; did you mean "
        r"'adaptivfloat'\? 'systolab formats' lists them",
        error,
    )
    error = _error(systolab, *SMALL, "--engine", "nope")
    assert re.fullmatch(r"Engine must be auto or one of .*softfloat.*, not 'nope'", error)
    error = _error(systolab, *SMALL, "--accumulator", "bogus")
    assert re.fullmatch(r"Accumulator must be exact, float32, .*, not 'bogus'", error)


def test_a_folder_that_cannot_be_written(systolab: Systolab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "out"
    error = _error(systolab, *TINY, "--out", str(below))
    assert error == f"Output folder {below} must be writable: Not a directory"


def test_no_compiler(systolab: Systolab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    error = _error(systolab, *TINY)
    assert re.fullmatch(
        r"C\+\+ compiler must be installed and on PATH .* \('g\+\+'\): .* apt install g\+\+ make; "
        "CXX names one program, without options",
        error,
    )


def test_a_cache_that_cannot_be_written(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYSTOLAB_CACHE", str(tmp_path / "file" / "cache"))
    assert _error(systolab, *TINY).startswith("Build cache must be a writable directory, not ")


def _process(model: str, cache: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, with a cache of its own, leading its process group."""
    arguments = [model, "--format", "adaptivfloat:4,2", "--array", "2x2", "--images", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "systolab", "run", *arguments],
        env={**os.environ, "SYSTOLAB_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_runs_building_at_once_both_succeed(tmp_path: Path) -> None:
    path = matmul(tmp_path / "m.onnx", np.eye(4))
    processes = [_process(path, tmp_path / "cache") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        assert "verdict         identical" in out
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 1


def test_an_interrupted_build_heals(tmp_path: Path) -> None:
    path, cache = matmul(tmp_path / "m.onnx", np.eye(4)), tmp_path / "cache"
    victim = _process(path, cache)
    while not list(cache.glob("models/*.partial/cpp/*.o")):
        assert victim.poll() is None, "the build ended before it could be interrupted"
        time.sleep(0.01)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert not list(cache.glob("models/*/model.so"))
    again = _process(path, cache)
    out, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert "verdict         identical" in out
    assert not list(cache.glob("models/*.partial"))


def test_a_budget_alone_is_refused(systolab: Systolab) -> None:
    assert _error(systolab, *SMALL, "--budget", "1%") == ("--budget must come with --trace-error")
