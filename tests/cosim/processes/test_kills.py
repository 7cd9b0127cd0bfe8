"""Runs that are killed at random moments, two at once: what comes after is as if none had been.

``make kills`` prints the seed and the figures; SYSTOLAB_KILLS and SYSTOLAB_KILLS_SEED choose how
many and which.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from systolab.cosim.simulator.trust import damage
from tests.cosim.runs import matmul

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# Finished before the signal, or ended by it; nothing that says "differs" or "wrong input".
ENDS = {0, 128 + signal.SIGINT, 128 + signal.SIGTERM, *(-number for number in SIGNALS)}
GRACE = 10.0  # seconds in which the kernel ends what it was told to end


class _Place:
    """A cache and a folder for temporary files, and runs of one small network on them."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.temporary, self.work = (folder / n for n in ("cache", "tmp", "work"))
        self.temporary.mkdir()
        self.work.mkdir()
        self.model = matmul(folder / "m.onnx", np.eye(4))

    def start(self) -> subprocess.Popen[str]:
        """A run, which reports on standard output."""
        arguments = [self.model, "--format", "adaptivfloat:4,2", "--array", "2x2", "--images", "2"]
        paths = {"SYSTOLAB_CACHE": self.cache, "TMPDIR": self.temporary}
        return subprocess.Popen(
            [sys.executable, "-m", "systolab", "run", *arguments],
            cwd=self.work,
            env={
                **os.environ,
                "PYTHONFAULTHANDLER": "1",  # says where a crash was
                **{name: str(path) for name, path in paths.items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background jobs ignore it, and so would what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def processes(self) -> list[int]:
        """Everything alive that was started on this cache, at any depth."""
        mark = f"SYSTOLAB_CACHE={self.cache}\0".encode()
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if int(path.parent.name) != os.getpid() and mark in _content(path)
        ]

    def orphans(self) -> list[int]:
        """What is still alive after a while."""
        end = time.monotonic() + GRACE
        while (alive := self.processes()) and time.monotonic() < end:
            time.sleep(0.02)
        return alive

    def leftovers(self) -> Iterator[Path]:
        """Files that a finished run must not leave, and entries that are not sound."""
        yield from self.temporary.iterdir()
        yield from self.work.iterdir()
        yield from (self.cache / "locks").iterdir()
        for kind in ("models", "runtime"):
            yield from (entry for entry in (self.cache / kind).iterdir() if damage(entry))

    def forget(self, kind: str) -> None:
        """Empty a part of the cache, so that the next run builds it."""
        shutil.rmtree(self.cache / kind, ignore_errors=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # gone, or a zombie


def _finished(process: subprocess.Popen[str]) -> str:
    """Output of a run that must succeed."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "verdict         identical" in out
    timed = ("wall time", "simulated")
    return "".join(line for line in out.splitlines(True) if not line.startswith(timed))


@pytest.mark.slow
def test_killed_runs_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = int(os.environ.get("SYSTOLAB_KILLS", "200"))
    seed = int(os.environ.get("SYSTOLAB_KILLS_SEED", "1"))
    rng = random.Random(seed)
    place = _Place(tmp_path)
    expected = _finished(place.start())
    place.forget("models")
    begin = time.monotonic()
    assert _finished(place.start()) == expected
    duration = time.monotonic() - begin  # of a build and a run
    ends: Counter[str] = Counter()
    killed = building = emptied = 0
    while killed < count:
        if cold := rng.random() < 0.7:
            place.forget("models")
        if cold and rng.random() < 0.1:
            place.forget("runtime")
        pair = [place.start() for _ in range(2)]
        begin = time.monotonic()
        # Either both are killed, or the other one has to finish while its neighbour dies.
        victims = pair if rng.random() < 0.8 else pair[:1]
        longest = 1.3 * duration * (1.0 if cold else 0.3)
        moments = sorted(rng.uniform(0, longest) for _ in victims)
        for moment, victim in zip(moments, victims, strict=True):
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            number = rng.choice(SIGNALS)
            building += bool(list(place.cache.glob("*/*.partial")))
            victim.send_signal(number)
            _, err = victim.communicate(timeout=60)
            killed += 1
            ends[f"{number.name} {victim.returncode}"] += 1
            assert victim.returncode in ENDS, (
                f"kill {killed}, {number.name} after {moment} s: {err}"
            )
        for other in pair:
            if other not in victims:
                assert _finished(other) == expected
        assert place.orphans() == []
        again = place.start()
        assert _finished(again) == expected
        emptied += cold
        assert list(place.leftovers()) == []
        assert place.orphans() == []
    figures = ", ".join(f"{end}: {number}" for end, number in sorted(ends.items()))
    with capsys.disabled():
        print(
            f"\nseed {seed}: {killed} kills, {building} of them in a build, and {emptied} builds "
            f"after them; signal and exit status: {figures}; every later run correct, nothing "
            f"left behind, no orphans"
        )
