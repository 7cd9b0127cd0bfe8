"""Programs that we start, compilers above all, and that end when we do, however we end.

Each is in a process group with a guard: a shell that waits for the end of a pipe which only we hold
open. When we are gone, killed perhaps, the guard ends the group, and with it whatever the programs
have started themselves, which no signal to them would reach.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from systolab.formats.errors import SystolabError

__all__ = ["open_files_error", "pool", "run"]

_GRACE = 1  # seconds in which a program may remove its temporary files
_GUARD = f'trap "" HUP INT TERM; read -r _; kill -TERM 0; sleep {_GRACE}; kill -KILL 0'


def run(
    command: Sequence[str],
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, without input, and return its outputs and status.

    Args:
        command: the program and its arguments.
        directory: where it runs; None: where we do.
        environment: variables; None: ours.
        seconds: time limit; None for none.

    Raises:
        subprocess.TimeoutExpired: the time limit is over; the program has ended.
        SystolabError: it cannot be started.
    """
    group = _group.get()
    if group is not None:
        return group.run(command, directory, environment, seconds)
    with _Group() as alone:
        return alone.run(command, directory, environment, seconds)


@contextmanager
def pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that run programs side by side; an exception that leaves the block ends them all."""
    with _Group() as group:
        executor = ThreadPoolExecutor(workers, initializer=_group.set, initargs=(group,))
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            group.stop()
            raise
        finally:
            executor.shutdown()


class _Group:
    """A process group and its guard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._running: list[subprocess.Popen[str]] = []
        self._guard = _start(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def __enter__(self) -> _Group:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.stop()
        self._signal(signal.SIGKILL)
        self._guard.wait()
        assert self._guard.stdin is not None
        self._guard.stdin.close()

    def run(
        self,
        command: Sequence[str],
        directory: Path | None,
        environment: Mapping[str, str] | None,
        seconds: float | None,
    ) -> subprocess.CompletedProcess[str]:
        """As the function of that name."""
        with self._lock:
            if self._stopped:
                raise SystolabError(f"Program {Path(command[0]).name} must not start any more")
            process = _start(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=self._guard.pid,
            )
            self._running.append(process)
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):  # its children may hold them open
                assert pipe is not None
                pipe.close()
            raise
        finally:
            self._running.remove(process)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def stop(self) -> None:
        """End all programs of the group, politely at first."""
        with self._lock:
            self._stopped = True
        self._signal(signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while self._running and time.monotonic() < end:
            time.sleep(0.01)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._guard.pid, number)


_group: ContextVar[_Group | None] = ContextVar("group", default=None)  # of a pool's threads


def _start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(command, text=True, errors="replace", **options)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise open_files_error() from error
        raise SystolabError(
            f"Program {command[0]} must start, it does not: {error.strerror}"
        ) from error


def open_files_error() -> SystolabError:
    """What to say where no more files can be opened."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return SystolabError(f"Limit of open files must be higher, not {limit}: ulimit -n 1024 sets it")
