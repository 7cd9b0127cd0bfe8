"""Values that people give as text, number or path: what is meant, or one clear sentence."""

from __future__ import annotations

import operator
from enum import StrEnum
from pathlib import Path
from typing import SupportsIndex, TypeVar

from systolab.formats.errors import Parameter, SystolabError, meant

__all__ = ["choice", "integer", "path", "shown"]

_E = TypeVar("_E", bound=StrEnum)


_LONGEST = 60  # characters of a value in an error


def shown(value: object) -> str:
    """A value as an error shows it: in one line, and not all of a long one.

    >>> shown("9" * 99)
    "'9999999999999999999999999999999999999999999999999999999 ..."
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an author's own object
        text = f"an object of the class {type(value).__name__}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."


def choice(name: str | Parameter, kind: type[_E], value: str) -> _E:
    """The member of an enumeration with this value.

    Args:
        name: what is chosen, as it begins an error: ``"Level"``, or the parameter that says it.
        kind: the enumeration.
        value: the member, or its value as the command line spells it.

    Raises:
        SystolabError: there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise SystolabError(
            name, f" must be one of {known}, not {shown(value)}{meant(value, kind)}"
        ) from None


def integer(
    name: str | Parameter, value: SupportsIndex, least: int | None = None, most: int | None = None
) -> int:
    """A Python integer of any library's integer; True and False are none.

    Args:
        name: what it counts, as it begins an error: ``"Seed"``, or the parameter that gives it.
        value: the integer.
        least: the smallest allowed; None: no limit.
        most: the largest allowed; None: no limit.

    Raises:
        SystolabError: it is no integer, too small or too large.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise SystolabError(name, f" must be an integer, not {shown(value)}")
    try:
        number = operator.index(value)
    except TypeError:  # of an array: only one without dimensions is a number
        raise SystolabError(name, f" must be an integer, not {shown(value)}") from None
    if least is not None and most is not None and not least <= number <= most:
        raise SystolabError(name, f" must be from {least} to {most}, not {number}")
    if least is not None and number < least:
        raise SystolabError(name, f" must be at least {least}, not {number}")
    if most is not None and number > most:
        raise SystolabError(name, f" must be at most {most}, not {number}")
    return number


def path(name: str | Parameter, value: str | Path) -> Path:
    """The path of a file or folder.

    Args:
        name: what it is the path of, as it begins an error, or the parameter that gives it.
        value: what was given for it.

    Raises:
        SystolabError: it is neither text nor a path.
    """
    if not isinstance(value, str | Path):
        raise SystolabError(name, f" must be a path, not {shown(value)}")
    return Path(value)
