"""Programs that we start end with us, with all that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from systolab.cosim.processes import children
from systolab.formats.errors import SystolabError

# Starts a shell that starts a sleep: only the group reaches the latter.
PROGRAM = """
import sys
from systolab.cosim.processes import children
from systolab.cosim.exit_status import guarded
def work():
    with children.pool(2) as pool:
        script = "sleep 300.5 & touch $0; wait"
        pool.submit(children.run, ["sh", "-c", script, sys.argv[1]]).result()
    return 0
sys.exit(guarded(work))
"""


def heed() -> None:
    """Heed interrupts: a shell has its background jobs ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def running(word: str) -> list[str]:
    """Command lines of running processes that contain a word, but for this one's."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and int(folder.name) != os.getpid():
            found.append(line)
    return found


def ends(word: str) -> bool:
    """Whether no such process is left, at once or soon."""
    end = time.monotonic() + 10
    while running(word) and time.monotonic() < end:
        time.sleep(0.05)
    return not running(word)


def test_outputs_and_status(tmp_path: Path) -> None:
    done = children.run(["sh", "-c", "echo $A; pwd >&2; cat; exit 3"], environment={"A": "b"})
    assert (done.returncode, done.stdout) == (3, "b\n")
    assert children.run(["pwd"], directory=tmp_path).stdout == f"{tmp_path}\n"


def test_a_program_that_is_none() -> None:
    with pytest.raises(SystolabError, match="^Program /no/g.. must start, it does not: No such"):
        children.run(["/no/g++"])


def test_a_time_limit_ends_the_program_and_its_children() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        children.run(["sh", "-c", "sleep 300.25 & wait"], seconds=0.2)
    assert ends("sleep 300.25")


def test_an_exception_ends_the_programs_of_a_pool() -> None:
    start = time.monotonic()

    def leave() -> None:
        with children.pool(1) as pool:
            waiting = [pool.submit(children.run, ["sleep", "300.125"]) for _ in range(3)]
            while not waiting[0].running() or not running("sleep 300.125"):
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert time.monotonic() - start < 30
    assert ends("sleep 300.125")


def test_pools_do_not_disturb_each_other() -> None:
    with children.pool(1) as pool:
        other = pool.submit(children.run, ["sh", "-c", "sleep 1; echo done"])
        with pytest.raises(subprocess.TimeoutExpired):
            children.run(["sleep", "300"], seconds=0.1)
        assert other.result().stdout == "done\n"


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_however_we_end(number: signal.Signals, status: int, tmp_path: Path) -> None:
    started = tmp_path / "started"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(started)],
        stderr=subprocess.DEVNULL,
        preexec_fn=heed,
    )
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(timeout=60) == status
    assert ends(str(started))
    assert ends("sleep 300.5")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_compiler_outlives_a_build(number: signal.Signals, tmp_path: Path) -> None:
    cache, temporary = tmp_path / "cache", tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "systolab", "check", "int:4", "--array", "2x2", "--quick"],
        env={**os.environ, "SYSTOLAB_CACHE": str(cache), "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
    )
    while not any("cc1plus" in line for line in running(str(cache))):
        assert process.poll() is None, "the build ended before it could be interrupted"
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said in ("systolab: terminated\n", "systolab: interrupted\n")
    assert ends(str(cache))
    assert list(temporary.iterdir()) == []
    assert list(cache.glob("models/*")) == []
