"""The one exception that users see."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["SystolabError", "meant"]


class SystolabError(Exception):
    """A user's input cannot be used; the message is one clear sentence.

    The command line prints the message and exits with status 2.
    """


def meant(name: object, known: Iterable[str]) -> str:
    """What to add to an error about an unknown name: the known one that looks most like it.

    >>> meant("softfloats", ["blas64", "softfloat"])
    "; did you mean 'softfloat'?"
    >>> meant("x", ["blas64", "softfloat"])
    ''
    """
    by_lower = {each.lower(): str(each) for each in known}
    given = str(name).lower()
    begun = [each for each in by_lower if given and each.startswith(given)]
    close = begun or get_close_matches(given, by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""
