"""Values that callers give as text or number, checked with one clear sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from systolab.formats.errors import Parameter, SystolabError, meant

__all__ = ["choice", "integer"]

_E = TypeVar("_E", bound=StrEnum)


def choice(name: str, kind: type[_E], value: str) -> _E:
    """The member of an enumeration with this value.

    Args:
        name: of the parameter.
        kind: the enumeration.
        value: the member or its value.

    Raises:
        SystolabError: there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise SystolabError(
            Parameter(name), f" must be one of {known}, not {value!r}{meant(value, kind)}"
        ) from None


def integer(name: str, value: int, least: int) -> int:
    """An integer that is not too small, as it is.

    Args:
        name: of the parameter.
        value: what was given for it.
        least: the smallest that is allowed.

    Raises:
        SystolabError: it is no integer, or below ``least``.
    """
    if not isinstance(value, int):
        raise SystolabError(Parameter(name), f" must be an integer, not {value!r}")
    if value < least:
        raise SystolabError(Parameter(name), f" must be at least {least}, not {value}")
    return value
