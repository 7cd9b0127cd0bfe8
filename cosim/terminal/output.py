"""Standard output: what cannot be written there is told, also where nobody asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from systolab.formats.errors import SystolabError

__all__ = ["put", "writing_output"]


def put(text: str) -> None:
    """Write text to standard output as it is.

    Raises:
        SystolabError: it cannot be written.
        BrokenPipeError: nobody reads any more.
    """
    with writing_output():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextmanager
def writing_output() -> Iterator[None]:
    """Have a failure say that it is standard output's.

    Raises:
        SystolabError: as ``put``.
        BrokenPipeError: as ``put``.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SystolabError(f"Standard output must be writable: {error.strerror}") from error
