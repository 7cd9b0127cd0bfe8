"""Runs cases in children of one preloaded process, within 2 GiB and 20 seconds each.

A child is forked for every case: an abort, a hang or a leak is its own. What it may end with is a
result or one sentence; everything else is a finding.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["SECONDS", "Case", "Found", "Maker", "Outcome", "run"]

MEMORY = 2 << 30  # bytes of address space
SECONDS = 20.0

Outcome: TypeAlias = str  # "ran", "mapped", "refused", ... in a report

#: Writes its input into a folder, and returns what is done with it.
Maker: TypeAlias = Callable[[random.Random, Path], Callable[[], Outcome]]


@dataclass(frozen=True)
class Case:
    """One damaged or hostile input: what it is is decided by its seed and number alone."""

    kind: str
    seed: int
    number: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.seed}-{self.number}-{self.kind.replace(' ', '_')}"

    def random(self) -> random.Random:
        """The case's own source of randomness."""
        return random.Random(f"{self.seed}:{self.number}:{self.kind}")


@dataclass(frozen=True)
class Found:
    """How a case ended.

    Attributes:
        case: which.
        outcome: what its work returned, or what was wrong.
        wrong: whether it is a finding.
        text: of a finding, what the child said.
    """

    case: Case
    outcome: Outcome
    wrong: bool
    text: str = ""


@dataclass
class _Child:
    case: Case
    folder: Path
    pid: int
    deadline: float


def run(
    cases: Iterator[Case],
    makers: Mapping[str, Maker],
    folder: Path,
    workers: int = 2,
    seconds: float = SECONDS,
) -> Iterator[Found]:
    """Runs cases, and yields each as it ends.

    Args:
        cases: what to run.
        makers: of inputs, by kind.
        folder: findings leave their inputs in a folder of their own there.
        workers: cases at once.
        seconds: after which a case hangs; a busy machine needs more than an idle one.
    """
    children: dict[int, _Child] = {}
    try:
        while True:
            while len(children) < workers and (case := next(cases, None)) is not None:
                child = _start(case, makers[case.kind], folder, seconds)
                children[child.pid] = child
            if not children:
                return
            pid, status, late = _ended(children)
            child = children.pop(pid)
            # What a case leaves running, compilers for example, is a finding too.
            left = not late and _end_group(pid)
            found = _judge(child, status, late, left)
            if not found.wrong:
                shutil.rmtree(child.folder)
            yield found
    finally:
        for pid in children:
            _end_group(pid)


def _ended(children: Mapping[int, _Child]) -> tuple[int, int, bool]:
    """The next child that ends: process, status, and whether it had to be ended."""
    while True:
        for pid, child in children.items():
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return pid, status, False
            if time.monotonic() > child.deadline:
                _end_group(pid)
                _, status = os.waitpid(pid, 0)
                return pid, status, True
        time.sleep(0.002)


def _end_group(pid: int) -> bool:
    """End what is left of a child's process group; whether anything was."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _start(case: Case, maker: Maker, folder: Path, seconds: float) -> _Child:
    place = folder / case.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _work(case, maker, place)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    return _Child(case, place, pid, time.monotonic() + seconds)


def _work(case: Case, maker: Maker, place: Path) -> None:
    """The child: never returns."""
    status = 3
    try:
        os.setpgid(0, 0)
        # Nothing of the child may reach the parent's terminal.
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(place / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        faulthandler.enable(sys.__stderr__ or sys.stderr)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        (place / "work").mkdir()
        os.chdir(place / "work")
        os.environ["SYSTOLAB_CACHE"] = str(place / "cache")
        outcome = maker(case.random(), place)()
        (place / "outcome").write_text(outcome)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _judge(child: _Child, status: int, late: bool, left: bool) -> Found:
    case, place = child.case, child.folder
    stderr = (place / "stderr").read_text(errors="replace") if (place / "stderr").exists() else ""

    def wrong(outcome: str, text: str = stderr) -> Found:
        return Found(case, outcome, True, text[-3000:])

    if late:
        return wrong("hang")
    if os.WIFSIGNALED(status):
        return wrong(f"abort ({signal.Signals(os.WTERMSIG(status)).name})")
    if status != 0:
        return wrong(f"traceback ({stderr.strip().rpartition(chr(10))[2][:100]})")
    if left:
        return wrong("orphan")
    outcome = (place / "outcome").read_text()
    if outcome.startswith("status"):
        return wrong(outcome)
    if partial := _partial(place, outcome):
        return wrong("partial file", partial)
    return Found(case, outcome, False)


def _partial(place: Path, outcome: Outcome) -> str:
    """A file that is not whole: a temporary one, JSON that is none, or a result of what failed."""
    for path in place.rglob("*"):
        if path.name.startswith(".systolab-") or path.name.endswith(".partial"):
            return str(path)
        if path.name.startswith("result") and path.is_file():
            if outcome == "refused":
                return f"{path}: written although the input was refused"
            try:
                json.loads(path.read_text())
            except ValueError as problem:
                return f"{path}: {problem}"
    return ""
