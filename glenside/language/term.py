"""What all terms share: a shape in two parts, operands in order, a text.

An access pattern is a tensor whose dimensions are split in two: the *access* dimensions are
iterated over, the *item* dimensions are what each iteration yields. A term's shape is checked when
the term is built; a term that exists is well formed.

Source: Smith et al., MAPS 2021.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import ClassVar, TypeVar, dataclass_transform, get_type_hints

from systolab.formats.errors import SystolabError

__all__ = [
    "MAX_DEPTH", "Dims", "Operand", "Shape", "ShapeError", "Term", "construct", "require",
    "require_axis", "resized", "signature",
]  # fmt: skip

Dims = tuple[int, ...]

_NAME = re.compile(r"[^\s()]+")

# Constructs within one another: what walks a term recurses, here and in egglog.
MAX_DEPTH = 100


class ShapeError(SystolabError):
    """A term whose operands do not fit together."""


@dataclass(frozen=True)
class Shape:
    """Access and item dimensions of a term."""

    access: Dims
    item: Dims

    @property
    def dims(self) -> Dims:
        """All dimensions, the access ones first."""
        return self.access + self.item

    def __str__(self) -> str:
        access, item = (" ".join(map(str, part)) for part in (self.access, self.item))
        return f"(({access}) ({item}))"


@dataclass(frozen=True)
class Term(ABC):
    """A node of a program. Subclasses state their operands as fields and their shape rule.

    Attributes:
        head: the construct's name in text.
        names: of its operands, in order.
        shape: derived from the operands, by the construct's rule.
        depth: constructs within one another, itself included.

    Raises:
        ShapeError: the operands do not fit together, or more than ``MAX_DEPTH`` constructs would
            stand within one another.
    """

    head: ClassVar[str] = ""
    names: ClassVar[tuple[str, ...]] = ()

    shape: Shape = field(init=False, repr=False, compare=False)
    depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        depth = 1 + max((child.depth for child in self.children()), default=0)
        require(depth <= MAX_DEPTH, "a term", f"at most {MAX_DEPTH} constructs deep", depth)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "shape", self._infer())

    @abstractmethod
    def _infer(self) -> Shape:
        """The shape, from those of the operands."""

    @property
    def access(self) -> Dims:
        """The dimensions that are iterated over."""
        return self.shape.access

    @property
    def item(self) -> Dims:
        """The dimensions of what each iteration yields."""
        return self.shape.item

    @property
    def dims(self) -> Dims:
        """All dimensions, the access ones first."""
        return self.shape.dims

    def operands(self) -> tuple[object, ...]:
        """Field values in order, without the derived shape."""
        return tuple(getattr(self, name) for name in self.names)

    def children(self) -> tuple[Term, ...]:
        """The operands that are terms."""
        return tuple(value for value in self.operands() if isinstance(value, Term))

    def with_children(self, children: tuple[Term, ...]) -> Term:
        """The same construct over other children (its shape is inferred anew)."""
        rest = iter(children)
        return type(self)(
            *(next(rest) if isinstance(value, Term) else value for value in self.operands())
        )

    def walk(self) -> Iterator[Term]:
        """Every distinct subterm, children first."""
        seen: set[Term] = set()

        def visit(term: Term) -> Iterator[Term]:
            if term in seen:
                return
            seen.add(term)
            for child in term.children():
                yield from visit(child)
            yield term

        yield from visit(self)

    def __str__(self) -> str:
        """The term in text, on one line: what ``text.parse`` reads.

        Raises:
            ShapeError: a name in it is not one word.
        """
        return f"({' '.join([self.head, *map(_text, self.operands())])})"


def _text(value: object) -> str:
    if isinstance(value, Term):
        return str(value)
    if isinstance(value, tuple):
        return "(" + " ".join(map(str, value)) + ")"
    text = repr(value) if isinstance(value, float) else str(value)
    if not _NAME.fullmatch(text):
        raise ShapeError(f"a name in a term must be one word, not {text!r}")
    return text


_Construct = TypeVar("_Construct", bound=Term)


@dataclass_transform(frozen_default=True)
def construct(head: str) -> Callable[[type[_Construct]], type[_Construct]]:
    """Makes a class of terms a construct: an immutable value of the operands it lists as fields.

    Args:
        head: its name in text.
    """

    def made(cls: type[_Construct]) -> type[_Construct]:
        cls = dataclass(frozen=True)(cls)
        cls.head = head
        cls.names = tuple(operand.name for operand in fields(cls) if operand.init)
        return cls

    return made


@dataclass(frozen=True)
class Operand:
    """What a construct says about one of its operands.

    Attributes:
        name: of the field.
        kind: ``Term``, ``Dims``, int, float or str.
        default: its value where it is left out; None where it must be given.
    """

    name: str
    kind: object
    default: object


@cache
def signature(construct: type[Term]) -> tuple[Operand, ...]:
    """The operands of a construct, in order."""
    hints = get_type_hints(construct)
    return tuple(
        Operand(f.name, hints[f.name], None if f.default is MISSING else f.default)
        for f in fields(construct)
        if f.init
    )


def require(condition: bool, thing: str, requirement: str, value: object) -> None:
    """States a condition that operands must meet.

    Raises:
        ShapeError: "<thing> must be <requirement>, not <value>"; the condition does not hold.
    """
    if not condition:
        raise ShapeError(f"{thing} must be {requirement}, not {value}")


def require_axis(axis: int, ndim: int, name: str) -> None:
    """States that ``axis`` is one of ``ndim`` dimensions, counted from 0.

    Raises:
        ShapeError: it is not.
    """
    require(0 <= axis < ndim, f"{name}: axis", f"in 0..{ndim - 1}", axis)


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """The shape with another size of one dimension."""
    dims = (*shape.dims[:axis], size, *shape.dims[axis + 1 :])
    split = len(shape.access)
    return Shape(dims[:split], dims[split:])
