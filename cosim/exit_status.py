"""One way out of a command: whatever happens, a status, and on standard error at most one sentence.

==== ==============================================================================
0    good
1    a real difference was found, and nothing else
2    usage, input, or what the system does not give: memory, files, a place to write
70   a defect of ours; the sentence names a file with all that is needed to mend it
130  interrupted (129, 143: the terminal is gone, terminated)
==== ==============================================================================
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import printable

__all__ = ["DEFECT", "UNUSABLE", "guarded"]

UNUSABLE = 2
DEFECT = 70  # EX_SOFTWARE of sysexits.h

_TERMINATED = {signal.SIGHUP: "the terminal is gone", signal.SIGTERM: "terminated"}


class _TerminatedError(KeyboardInterrupt):
    """A signal asks us to end; who lets an interrupt pass lets this pass."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


def guarded(work: Callable[[], int]) -> int:
    """Do the work of a command and return the exit status; its outputs are flushed.

    Raises:
        SystemExit: the work did, to end with a status that is decided: after usage or help.
    """
    _prepare_streams()
    with _signals():
        try:
            status = _worked(work)
        except SystemExit as decided:
            raise SystemExit(_flushed(decided.code)) from None
        return int(_flushed(status) or 0)


def _worked(work: Callable[[], int]) -> int:
    try:
        _require_folder()
        return work()
    except SystolabError as error:
        return _say(f"error: {error}", UNUSABLE)
    except BrokenPipeError:
        return UNUSABLE  # the reader of our output went away: nobody is left to tell
    except OSError as error:
        return _say(f"error: {_refusal(error)}", UNUSABLE)
    except MemoryError as error:
        return _say(f"error: Memory must suffice, it does not{_after(error)}", UNUSABLE)
    except _TerminatedError as error:
        return _say(_TERMINATED[error.number], 128 + error.number)
    except KeyboardInterrupt:
        return _say("interrupted", 128 + signal.SIGINT)
    except SystemExit:
        raise
    except BaseException as error:
        cause = _refused(error)
        if cause is not None:
            return _say(f"error: {_refusal(cause)}", UNUSABLE)
        return _say(_defect(error), DEFECT)


def _require_folder() -> None:
    try:
        Path.cwd()
    except OSError:
        raise SystolabError("Working directory must exist, it was removed") from None


def _refusal(error: OSError) -> str:
    """What the system does not give, in a sentence."""
    named = "" if error.filename is None else f" ({error.filename})"
    return f"Operating system must not refuse what is needed: {error.strerror or error}{named}"


def _refused(error: BaseException) -> OSError | None:
    """The refusal of the system that others made something else of: imports do."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and isinstance(error, ImportError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _after(error: BaseException) -> str:
    return f": {error}" if str(error) else ""


def _say(text: str, status: int) -> int:
    with suppress(OSError, ValueError):
        print(printable(f"systolab: {text}"), file=sys.stderr, flush=True)
    return status


def _defect(error: BaseException) -> str:
    """What to say of an unexpected exception, whose report is in a file."""
    what = f"defect: {type(error).__name__}{_after(error)}"
    try:
        return f"{what}; all that is needed to mend it is in {_report(error)}"
    except Exception as second:
        return f"{what}; no report of it could be written{_after(second)}"


def _report(error: BaseException) -> Path:
    """Write a report into the cache, or where temporary files are."""
    import platform
    import tempfile
    import time
    import traceback
    from importlib.metadata import version

    from systolab.cosim.simulator.cache import cache_directory
    from systolab.formats.outside.writing import write_text

    lines = [
        f"systolab {version('systolab')}, Python {platform.python_version()}, "
        f"{platform.platform()}",
        f"arguments: {sys.argv}",
        f"folder: {Path.cwd()}",
        "",
        *"".join(traceback.format_exception(error)).rstrip().split("\n"),
    ]
    text = "\n".join(map(printable, lines)) + "\n"
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    path = cache_directory() / "reports" / name
    try:
        write_text(path, text)
    except SystolabError:
        path = Path(tempfile.gettempdir()) / f"systolab-{name}"
        write_text(path, text)
    return path


def _prepare_streams() -> None:
    """Have standard streams that are open and take every text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by whoever started us, who wants to see nothing. The number must not go to the
            # next file that is opened: what is printed would end up in it.
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flushed(status: str | int | None) -> str | int | None:
    """Write what is still to be printed; the status becomes another where that fails."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        if status != UNUSABLE and isinstance(error, OSError) and error.errno != errno.EPIPE:
            _say(f"error: Standard output must be writable: {error.strerror}", UNUSABLE)
        _discard()
        return UNUSABLE
    return status


def _discard() -> None:
    """Have what is still to be printed go nowhere, at the end of the process, too."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)


@contextmanager
def _signals() -> Iterator[None]:
    """Have signals that end us be exceptions, so that files, folders and children are put away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in _TERMINATED if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _TerminatedError(signal.Signals(number))
