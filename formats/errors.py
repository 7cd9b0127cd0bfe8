"""The one exception that users see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["Parameter", "SystolabError", "meant"]


@dataclass(frozen=True)
class Parameter:
    """A parameter that a message is about: callers of a function and users of a command spell it
    differently.

    Attributes:
        name: as the function has it: ``out_format``.
        value: what was given for it, where the message says so.
    """

    name: str
    value: str | None = None

    def __str__(self) -> str:
        """As Python has it: ``data`` or ``data='digits'``."""
        return self.name if self.value is None else f"{self.name}={self.value!r}"


class SystolabError(Exception):
    """A user's input cannot be used; the message is one clear sentence.

    The command line prints the message and exits with status 2.

    >>> error = SystolabError(Parameter("images"), " must be at least 1, not 0")
    >>> str(error)
    'images must be at least 1, not 0'
    >>> error.spelt(lambda parameter: f"--{parameter.name}")
    '--images must be at least 1, not 0'

    Args:
        parts: the sentence in pieces; a parameter that it names is a piece of its own.
    """

    def __init__(self, *parts: str | Parameter) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        """The sentence for those who call a function."""
        return self.spelt(str)

    def spelt(self, spelling: Callable[[Parameter], str]) -> str:
        """The sentence with its parameters spelt in another way."""
        return "".join(spelling(p) if isinstance(p, Parameter) else str(p) for p in self.args)


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
