"""Formats by name: ``get("adaptivfloat:8,3")``.

A spelling is ``family[:parameter,...][,option=value,...]`` and means the same in Python and on the
command line. Every format takes the options ``rounding``, ``saturation``, ``seed``, ``scale``,
``rule`` and ``block``; families may add their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, TypeVar

from formats.adaptivfloat import AdaptivFloat
from formats.errors import SystolabError
from formats.format import Format
from formats.rounding import Rounding, Saturation
from formats.scaling import ScaleKind, ScaleRule

__all__ = ["Arguments", "Family", "families", "get"]

_E = TypeVar("_E", bound=StrEnum)


class Arguments:
    """Parameters and options of one spelling, taken one by one by a family."""

    def __init__(self, spec: str, items: Iterable[str]) -> None:
        """Sort the items into parameters and options."""
        self.spec = spec
        self.parameters: list[str] = []
        self._options: dict[str, str] = {}
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
                f"Parameters of {self.spec!r} must be {wanted}, not {','.join(self.parameters)!r}"
            )
        return tuple(map(self._integer, names, self.parameters))

    def optional_integer(self, name: str, default: int) -> int:
        """One integer parameter, or its default."""
        return self.integers(name)[0] if self.parameters else default

    def _integer(self, name: str, text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise SystolabError(
                f"Parameter {name} of {self.spec!r} must be an integer, not {text!r}"
            ) from None

    def integer_option(self, key: str) -> int | None:
        """An integer option, or None."""
        text = self._options.pop(key, None)
        return None if text is None else self._integer(key, text)

    def choice(self, key: str, kind: type[_E]) -> _E | None:
        """An option that is a member of an enumeration, or None."""
        text = self._options.pop(key, None)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError:
            known = ", ".join(kind)
            raise SystolabError(
                f"Option {key} of {self.spec!r} must be one of {known}, not {text!r}"
            ) from None

    def finish(self) -> None:
        """Raise if an option was not taken."""
        for key in self._options:
            raise SystolabError(f"Option {key!r} of {self.spec!r} is not known")


@dataclass(frozen=True)
class Family:
    """A family of formats.

    Attributes:
        name: The spelling before the colon.
        parameters: The parameters' names, comma-separated.
        summary: One line.
        example: A spelling that works.
        make: Builds a format; takes its own options out of the arguments.
    """

    name: str
    parameters: str
    summary: str
    example: str
    make: Callable[[Arguments], Format]


class _Switches(TypedDict):
    rounding: Rounding | None
    saturation: Saturation | None
    seed: int | None
    scale: ScaleKind | None
    rule: ScaleRule | None
    block: int | None


def _adaptivfloat(arguments: Arguments) -> Format:
    bits, exponent_bits = arguments.integers("n", "e")
    return AdaptivFloat(bits, exponent_bits)


_FAMILIES = {
    family.name: family
    for family in (
        Family(
            "adaptivfloat",
            "n,e",
            "AdaptivFloat as in the paper: nearest value, half the minimum goes up",
            "adaptivfloat:8,3",
            _adaptivfloat,
        ),
    )
}


def families() -> tuple[Family, ...]:
    """All families, in the order of their names."""
    return tuple(_FAMILIES[name] for name in sorted(_FAMILIES))


def get(spec: str) -> Format:
    """The format that a spelling names.

    Raises:
        SystolabError: Unknown family, wrong parameters or options.
    """
    head, _, rest = spec.strip().partition(":")
    family = _FAMILIES.get(head)
    if family is None:
        known = ", ".join(sorted(_FAMILIES))
        raise SystolabError(f"Format family must be one of {known}, not {head!r}")
    arguments = Arguments(spec, rest.split(",") if rest else ())
    return _configured(family.make(arguments), arguments)


def _configured(fmt: Format, arguments: Arguments) -> Format:
    switches = _Switches(
        rounding=arguments.choice("rounding", Rounding),
        saturation=arguments.choice("saturation", Saturation),
        seed=arguments.integer_option("seed"),
        scale=arguments.choice("scale", ScaleKind),
        rule=arguments.choice("rule", ScaleRule),
        block=arguments.integer_option("block"),
    )
    arguments.finish()
    if all(value is None for value in switches.values()):
        return fmt
    changed = fmt.replace(**switches)
    _ = changed.projection  # an impossible combination must fail here, not at the first use
    return changed
