"""Code that is not ours, an author's methods or a plug-in's file: its faults become sentences."""

from __future__ import annotations

import functools
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, TextIO

from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import shown

__all__ = ["PASSING", "contained", "contained_method", "fault", "quiet"]

#: What goes through an author's code: what it refuses itself, and the user's own interrupt.
PASSING = (SystolabError, KeyboardInterrupt)

_OURS = Path(__file__).resolve().parents[2]
_FOLDERS = tuple(_OURS / name for name in ("formats", "rtl", "glenside", "cosim"))
_LIBRARY = Path(sysconfig.get_path("stdlib")).resolve()


class _Diversion:
    """Standard output, sent to standard error while somebody asks for it.

    Counted, since threads overlap: with ``contextlib.redirect_stdout`` the last one out would put
    back what it found, the first one's diversion.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._output: TextIO | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._output, sys.stdout = sys.stdout, sys.stderr
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._output is not None:
                sys.stdout, self._output = self._output, None


_DIVERSION = _Diversion()


def quiet() -> AbstractContextManager[None]:
    """What is printed inside goes to standard error: standard output is the report's alone."""
    return _DIVERSION


@contextmanager
def contained(rule: str) -> Iterator[None]:
    """Run an author's code: prints go to standard error, a fault becomes one sentence.

    Args:
        rule: what the code breaks by a fault, for example "encode of X must give codes".

    Raises:
        SystolabError: what the author's code itself refuses, or the rule and the fault.
    """
    with quiet():
        try:
            yield
        except PASSING:
            raise
        except BaseException as error:
            raise SystolabError(f"{rule}, not raise {fault(error)}") from error


def contained_method(
    method: Callable[..., Any], rule: str, taken: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """An author's method of a format, contained.

    Args:
        method: the method; what is no function is returned as it is.
        rule: what it breaks by a fault; ``{}`` is the format's name.
        taken: what is made of its result, None where that breaks the rule.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with contained(rule.format(self.name)):
            result = method(self, *args, **kwargs)
        if taken is None:
            return result
        made = taken(result)
        if made is None:
            raise SystolabError(f"{rule.format(self.name)}, not {shown(result)}")
        return made

    return call if isinstance(method, FunctionType) else method


def fault(error: BaseException) -> str:
    """What was raised, in one line, and the author's line that did it.

    >>> fault(KeyError("a"))
    "KeyError: 'a'"
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # the author's own exception, whose text is code as well
        text = ""
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SyntaxError):  # whose text says where
        return said
    frames = [(Path(x.filename), x.lineno) for x in traceback.extract_tb(error.__traceback__)]
    theirs = [frame for frame in frames if _is_an_authors(frame[0])]
    if not theirs:
        return said
    file = theirs[0][0]  # the first that we called; the rest may be libraries that it calls
    line = [number for name, number in theirs if name == file][-1]
    return f"{said} (line {line} of {file.name})"


def _is_an_authors(file: Path) -> bool:
    """Whether a line is neither of this package nor of Python's own library."""
    if file.name.startswith("<frozen"):
        return False
    path = file.resolve()
    if any(path.is_relative_to(folder) for folder in _FOLDERS):
        return False
    inside = path.is_relative_to(_LIBRARY)
    return not inside or any(part.endswith("-packages") for part in path.parts)
