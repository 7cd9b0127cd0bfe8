"""The parts of a format's spelling, and what a family of formats is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from systolab.formats.errors import SystolabError, meant
from systolab.formats.format import Format

__all__ = ["Arguments", "Family", "Switch"]

_E = TypeVar("_E", bound=StrEnum)


class Switch(StrEnum):
    """A yes-or-no option."""

    YES = "yes"
    NO = "no"


class Arguments:
    """Parameters and options of one spelling, taken one by one by a family."""

    def __init__(self, spec: str, items: Iterable[str]) -> None:
        """Sort the items into parameters and options."""
        self.spec = spec
        self.parameters: list[str] = []
        self._options: dict[str, str] = {}
        self._asked: set[str] = set()
        for item in items:
            key, equals, value = item.strip().partition("=")
            if not equals:
                if self._options:
                    raise SystolabError(f"Parameters of {spec!r} must come before its options")
                self.parameters.append(key)
            elif key in self._options:
                raise SystolabError(f"Option {key!r} of {spec!r} must be given once, not twice")
            else:
                self._options[key] = value

    def integers(self, *names: str) -> tuple[int, ...]:
        """Exactly the named integer parameters."""
        if len(self.parameters) != len(names):
            wanted = " and ".join(names) if names else "nothing"
            raise SystolabError(
                f"Parameters of {self.spec!r} must be {wanted}, "
                f"not {','.join(self.parameters)!r}; 'systolab formats' says what they are"
            )
        return tuple(map(self._integer, names, self.parameters))

    def _integer(self, name: str, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise SystolabError(
                f"Parameter {name} of {self.spec!r} must be an integer, not {text!r}"
            ) from None

    def integer_option(self, key: str) -> int | None:
        """An integer option, or None."""
        text = self._take(key)
        return None if text is None else self._integer(key, text)

    def choice(self, key: str, kind: type[_E]) -> _E | None:
        """An option that is a member of an enumeration, or None."""
        text = self._take(key)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError:
            known = ", ".join(kind)
            raise SystolabError(
                f"Option {key} of {self.spec!r} must be one of {known}, "
                f"not {text!r}{meant(text, kind)}"
            ) from None

    def _take(self, key: str) -> str | None:
        self._asked.add(key)
        return self._options.pop(key, None)

    def finish(self) -> None:
        """Raise if an option was not taken."""
        for key in self._options:
            hint = meant(key, self._asked)
            raise SystolabError(
                f"Option of {self.spec!r} must be one of {', '.join(sorted(self._asked))}, "
                f"not {key!r}{hint}"
            )


@dataclass(frozen=True)
class Family:
    """A family of formats.

    Attributes:
        name: the spelling before the colon.
        parameters: the parameters' names, comma-separated.
        summary: one line.
        example: a spelling that works.
        make: builds a format; takes its own options out of the arguments.
    """

    name: str
    parameters: str
    summary: str
    example: str
    make: Callable[[Arguments], Format]
