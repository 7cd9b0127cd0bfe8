"""Compilers as child processes that end with us, however we end.

A compiler is several processes: ``g++`` starts ``cc1plus`` and the assembler, and a signal to the
first, or to its parent, leaves the others at work. So all processes of a build are one group. Its
leader, a shell, waits for the end of a pipe whose other end only we hold, and then kills its group:
the kernel closes the pipe when we end, be it by SIGKILL.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from systolab.formats.errors import SystolabError

__all__ = ["Processes", "open_files_error"]

_LEADER = ("/bin/sh", "-c", "read -r line; kill -KILL 0")


class Processes:
    """A group of child processes, for use in ``with``: none is left behind it.

    Args:
        limit: seconds that each of them may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._closed = False

    def __enter__(self) -> Processes:
        try:
            self._leader = subprocess.Popen(
                _LEADER,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError as error:
            raise _not_run(_LEADER[0], error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._leader.communicate()  # a zombie until now, so its number was nobody else's

    def kill(self) -> None:
        """End all of them; no other can be started."""
        self._closed = True
        os.killpg(self._leader.pid, signal.SIGKILL)

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run a tool and return its output.

        Args:
            command: the tool and its arguments; paths are absolute.
            folder: where it runs and keeps its temporary files.
            environment: variables beside our own.

        Raises:
            SystolabError: it cannot be run, fails, or takes longer than the limit.
        """
        tool = Path(command[0]).name
        if self._closed:
            raise SystolabError(f"Build of the array's model was stopped before {tool}")
        own = {"LC_ALL": "C", "TMPDIR": str(folder)}  # messages are looked at below
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **own, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                process_group=self._leader.pid,
            )
        except OSError as error:
            raise _not_run(command[0], error) from error
        with process:
            try:
                output, message = process.communicate(timeout=self._limit)
            except subprocess.TimeoutExpired as error:
                self.kill()
                raise SystolabError(
                    f"Build of the array's model must take at most {self._limit:g} s in {tool}, "
                    f"not longer: {command[0]} was stopped"
                ) from error
        if process.returncode == 0:
            return output
        raise _failed(tool, process.returncode, message.strip() or output.strip())


def _failed(tool: str, status: int, text: str) -> Exception:
    if "No space left on device" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "Too many open files" in text:
        return open_files_error()
    lines = [line for line in text.splitlines() if "rror" in line] or text.splitlines()
    ended = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    return SystolabError(
        f"Build of the array's model failed in {tool}: {lines[0] if lines else ended}"
    )


def _not_run(tool: str, error: OSError) -> SystolabError:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return open_files_error()
    return SystolabError(
        f"Build of the array's model failed: {tool} cannot be run: {error.strerror or error}"
    )


def open_files_error() -> SystolabError:
    """What to say where no more files can be opened."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return SystolabError(f"Limit of open files must be higher, not {limit}: ulimit -n 1024 sets it")
