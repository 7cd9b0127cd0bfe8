"""Immutable instances: what defines one is taken when its ``__init__`` is through.

Tables, proofs and simulators are kept for as long as there is a format, here and elsewhere. So
nothing of it may change: not by assignment, not through a list that ``__init__`` was given, and
not by what becomes of its class.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from types import FunctionType, MappingProxyType, MemberDescriptorType
from typing import Any, Self, TypeVar

import numpy as np

from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import integer, shown
from systolab.formats.read_only import read_only
from systolab.formats.switches import Switches

__all__ = ["Sealed", "require_own"]

_COPIES = {
    "name": "named(...)",
    "rounding": "replace(rounding=...)",
    "saturation": "replace(saturation=...)",
    "scaling": "replace(scale=..., rule=..., block=...)",
    "seed": "replace(seed=...)",
}

_RESERVING = (__name__, "systolab.formats.format")  # modules whose classes keep names to themselves

_Made = TypeVar("_Made")

_SWITCHES = tuple(field.name for field in fields(Switches))
_DEFINING = ("name", "bits", *_SWITCHES, "redundant", "hardware")


class _Sealing(ABCMeta):
    """Makes instances, and seals them."""

    def __call__(cls: type[_Made], *args: Any, **kwargs: Any) -> _Made:
        """Make an instance, and keep what defines it: what its class does later is too late.

        Raises:
            SystolabError: the class lacks what a format must have, or has what none may have.
        """
        _check_class(cls)
        made: _Made = ABCMeta.__call__(cls, *args, **kwargs)
        if isinstance(made, cls) and "_definition" not in vars(made):
            _seal(made)
        return made


class Sealed(metaclass=_Sealing):
    """Instances can be changed until their ``__init__`` is through, and never again.

    Equal are those of one name that are the same in what else makes them up; equal ones share
    tables and proofs.
    """

    name: str
    _definition: Mapping[str, Any]  # what __init__ set

    def _made(self, **changes: object) -> Self:
        """A copy with other attributes; nothing that was computed from the old ones is kept.

        Raises:
            SystolabError: ``__init__`` is not through yet.
        """
        if "_definition" not in vars(self):
            raise SystolabError(
                f"Format {self.name} must be made before it is copied, not copied in __init__"
            )
        new = object.__new__(type(self))
        _define(new, {**self._definition, **changes})
        return new

    def __getstate__(self) -> dict[str, Any]:
        """What defines the instance, for copies and pickles."""
        return {name: _thawed(value) for name, value in self._definition.items()}

    def __setstate__(self, definition: Mapping[str, Any]) -> None:
        """Become what the definition says, as a copy or out of a pickle.

        Raises:
            SystolabError: it is something already.
        """
        self._require_unsealed("__setstate__")
        _define(self, definition)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: what is computed from a format, here and elsewhere, is kept for good.

        Raises:
            SystolabError: always, but in ``__init__``; there, of what follows from the table.
        """
        self._require_unsealed(name)
        require_own(type(self), name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse, as ``__setattr__`` does."""
        self._require_unsealed(name)
        super().__delattr__(name)

    def _require_unsealed(self, name: str) -> None:
        if "_definition" not in vars(self):
            return
        instead = (
            f"use {_COPIES[name]} for a copy"
            if name in _COPIES
            else f"set {name} in __init__, or compute it in a functools.cached_property"
        )
        raise SystolabError(f"Format {self.name} must not be changed: {instead}")

    @abstractmethod
    def _is_same(self, other: Self) -> bool:
        """Whether everything but the name is the same."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        return self is other or (self.name == other.name and self._is_same(other))

    def __hash__(self) -> int:
        return hash(self.name)


def require_own(cls: type, name: str) -> None:
    """Refuse a name that a format has for what follows from its table, or for itself.

    Raises:
        SystolabError: it is such a name.
    """
    for base in cls.__mro__:
        value = vars(base).get(name) if base.__module__ in _RESERVING else None
        if isinstance(value, property | cached_property) or (
            isinstance(value, FunctionType) and name.startswith("_") and not name.startswith("__")
        ):
            raise SystolabError(
                f"Attribute {name} of {cls.__name__} must not be set: formats have one of that "
                "name that follows from the table; call yours another name"
            )


def _check_class(cls: type) -> None:
    """Refuse a class whose instances could not be sound."""
    for name in sorted(getattr(cls, "__abstractmethods__", ())):
        raise SystolabError(f"Format {cls.__name__} must define the method {name}, it does not")
    own = cls.__mro__[: cls.__mro__.index(Sealed)]
    if any(name in vars(base) for base in own for name in ("__eq__", "__hash__")):
        raise SystolabError(
            f"Format {cls.__name__} must keep the equality of formats, not define __eq__ or "
            "__hash__ of its own: of a dataclass, write @dataclass(eq=False)"
        )
    for name in _DEFINING:
        if isinstance(getattr(cls, name, None), property):
            raise SystolabError(
                f"Attribute {name} of {cls.__name__} must be a class attribute, be set in "
                "__init__ or be a functools.cached_property, not a property"
            )


def _seal(made: Any) -> None:
    """Take what defines an instance, and forget what was computed before all of it was set."""
    cls = type(made)
    for name in [name for name in vars(made) if _is_computed(cls, name)]:
        del vars(made)[name]
    for name in _DEFINING:
        if not hasattr(made, name):
            raise SystolabError(f"Format {cls.__name__} must set {name}, it does not")
    attributes = {
        name: _frozen(value)
        for name, value in _attributes(made)
        if name not in _DEFINING and not _is_computed(cls, name)
    }
    switches = Switches(*(getattr(made, name) for name in _SWITCHES))
    bits = _bits(cls, made.bits)
    defining = {
        "name": _name(cls, made.name),
        "bits": bits,
        **{name: getattr(switches, name) for name in _SWITCHES},
        "redundant": _redundant(cls, made.redundant, bits),
        "hardware": _hardware(cls, made.hardware),
    }
    _define(made, attributes | defining)


def _define(made: object, definition: Mapping[str, Any]) -> None:
    """Give an instance what defines it; from here on it cannot be changed."""
    kept = {name: _frozen(value) for name, value in definition.items()}
    for name, value in kept.items():
        object.__setattr__(made, name, value)
    object.__setattr__(made, "_definition", MappingProxyType(kept))


def _attributes(made: object) -> Iterator[tuple[str, Any]]:
    """What an instance holds, in its dictionary and in slots."""
    yield from vars(made).items()
    for base in type(made).__mro__:
        for name, value in vars(base).items():
            if isinstance(value, MemberDescriptorType) and hasattr(made, name):
                yield name, getattr(made, name)


def _is_computed(cls: type, name: str) -> bool:
    return isinstance(getattr(cls, name, None), cached_property)


def _frozen(value: Any) -> Any:
    """A copy that cannot be changed, of arrays and of Python's own containers."""
    if isinstance(value, np.ndarray):
        return read_only(value)
    kind = type(value)
    if kind in (list, tuple):
        return tuple(_frozen(item) for item in value)
    if kind in (dict, MappingProxyType):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if kind is set:
        return frozenset(value)
    return bytes(value) if kind is bytearray else value


def _thawed(value: Any) -> Any:
    """What ``_frozen`` gave, with dictionaries that can be copied and pickled."""
    if isinstance(value, MappingProxyType):
        return {key: _thawed(item) for key, item in value.items()}
    return tuple(_thawed(item) for item in value) if type(value) is tuple else value


def _name(cls: type, name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise SystolabError(f"Name of {cls.__name__} must be a text, not {shown(name)}")
    return name


def _bits(cls: type, bits: Any) -> int:
    try:
        width = integer("Width", bits)
    except SystolabError:
        raise SystolabError(
            f"Format {cls.__name__} must set bits to an integer from 1 to 16, not {shown(bits)}"
        ) from None
    if not 1 <= width <= 16:
        raise SystolabError(f"Width of {cls.__name__} must be 1 to 16 bits, not {width}")
    return width


def _redundant(cls: type, codes: Any, bits: int) -> tuple[int, ...]:
    what = f"Redundant codes of {cls.__name__}"
    try:
        listed = tuple(codes)
    except TypeError:
        raise SystolabError(f"{what} must be a tuple of codes, not {shown(codes)}") from None
    return tuple(integer(what, code, 0, 2**bits - 1) for code in listed)


def _hardware(cls: type, files: object) -> dict[str, Path]:
    if not isinstance(files, Mapping) or not all(
        isinstance(block, str) and isinstance(file, str | Path) for block, file in files.items()
    ):
        raise SystolabError(
            f"Hardware of {cls.__name__} must map blocks to Verilog files, as "
            f"{{'decoder': Path('my_decoder.v')}}, not be {shown(files)}"
        )
    return {block: Path(file) for block, file in files.items()}
