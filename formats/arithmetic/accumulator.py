"""Accumulators: what happens to a running sum of products.

Every accumulator sees the same order of operations (see ``systolab.formats.dot``): within a group
of consecutive reduction indices ``s = +0; s = s + p`` in index order, then ``acc = acc + s``, with
``acc`` starting at +0. The classes differ in what ``+`` means and in how a product is rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from systolab.formats.errors import SystolabError, meant
from systolab.formats.format import Format
from systolab.formats.outside.choices import integer, shown
from systolab.formats.projection.rounding import Rounding

__all__ = [
    "MAX_SATURATE_BITS",
    "MAX_WRAP_BITS",
    "Accumulator",
    "AccumulatorLike",
    "Exact",
    "Float",
    "Float32",
    "Saturate",
    "Wrap",
    "parse_accumulator",
    "parse_array_accumulator",
]

MAX_WRAP_BITS = 64
MAX_SATURATE_BITS = 63  # so that the sum before clamping fits an int64
_MAX_LSB = 1000


@dataclass(frozen=True)
class Exact:
    """As wide as the formats and the length of the reduction need: nothing is ever lost.

    The order of operations does not matter. Unit: the product of the two quanta.
    """

    def __str__(self) -> str:
        return "exact"


@dataclass(frozen=True)
class Wrap:
    """A two's complement register of ``bits`` bits: every add is taken modulo ``2**bits``.

    The order of operations does not matter (modular addition is associative). ``lsb`` is the
    base-2 logarithm of the register's unit; None means the product of the two quanta.
    """

    bits: int
    lsb: int | None = None

    def __post_init__(self) -> None:
        _check_register(self, MAX_WRAP_BITS)

    def __str__(self) -> str:
        return _register_name("wrap", self.bits, self.lsb)


@dataclass(frozen=True)
class Saturate:
    """A two's complement register of ``bits`` bits: every add is clamped to its range.

    Both the group sum ``s`` and ``acc`` are ``bits`` wide, so the order of operations matters and
    is the one of ``systolab.formats.dot``. The register must be able to hold any single product
    (else adding a product directly and through a group of one would differ); a narrower one is an
    error. ``lsb`` as in ``Wrap``.
    """

    bits: int
    lsb: int | None = None

    def __post_init__(self) -> None:
        _check_register(self, MAX_SATURATE_BITS)

    def __str__(self) -> str:
        return _register_name("saturate", self.bits, self.lsb)


@dataclass(frozen=True)
class Float32:
    """IEEE 754 binary32: the product is rounded once, every add is rounded, to nearest even.

    Subnormals are kept, a NaN result is the canonical one (0x7FC00000), and the order of
    operations is the one of ``systolab.formats.dot``. Nothing is fused.
    """

    def __str__(self) -> str:
        return "float32"


@dataclass(frozen=True)
class Float:
    """A register that holds a code of ``format``: everything is projected after each operation.

    The exact product is projected once, and the exact sum of two register values is projected
    after every add (group sum and ``acc`` alike); projection is that of ``format.encode``,
    including its treatment of overflow and NaN. A zero is +0. The order of operations is the
    one of ``systolab.formats.dot``. A register has no scale: what its format does to tensors by
    default is not done to sums.

    Raises:
        SystolabError: there is no such format, it needs scales for its blocks, or it rounds
            stochastically.
    """

    format: Format

    def __post_init__(self) -> None:
        from systolab.formats.registry.registry import get

        fmt = get(self.format)
        if fmt.scaling.block is not None:
            raise SystolabError(
                f"Format of a float accumulator must have one value for each code, not {fmt.name}, "
                "whose blocks share a scale: take the format of its elements"
            )
        if fmt.rounding is Rounding.STOCHASTIC:
            raise SystolabError(
                f"Format of a float accumulator must round in one way, not stochastically as "
                f"{fmt.name} does"
            )
        object.__setattr__(self, "format", fmt)

    def __str__(self) -> str:
        return f"float:{self.format.name}"


Accumulator: TypeAlias = Exact | Wrap | Saturate | Float32 | Float
AccumulatorLike: TypeAlias = str | Accumulator

_ARRAY_KINDS = ("exact", "float32", "wrap", "saturate")
_KINDS = (*_ARRAY_KINDS, "float")
_ARRAY_SYNTAX = "exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB]"
_SYNTAX = "exact, float32, wrap:BITS[,LSB], saturate:BITS[,LSB] or float:FORMAT"
_REGISTER = re.compile(r"(wrap|saturate):(\d{1,9})(?:,([+-]?\d{1,9}))?", re.ASCII)


def parse_accumulator(text: AccumulatorLike) -> Accumulator:
    """The accumulator that a spelling names; one itself is returned as it is.

    >>> import systolab as sl
    >>> sl.accumulator("saturate:24")
    Saturate(bits=24, lsb=None)

    Args:
        text: ``"exact"``, as wide as sums need; ``"float32"``; ``"wrap:BITS"`` or
            ``"saturate:BITS"``, registers of two's complement; ``"float:FORMAT"``, a register that
            holds a code of a number format (in software only). Behind the bits, ``",LSB"`` is the
            base-2 logarithm of the register's unit.

    Returns:
        An ``Exact``, ``Float32``, ``Wrap``, ``Saturate`` or ``Float``; its ``str`` is its spelling.

    Raises:
        SystolabError: it is none of these, or the register is impossible.
    """
    if isinstance(text, Accumulator):
        return text
    if not isinstance(text, str):
        raise SystolabError(f"Accumulator must be {_SYNTAX}, not {shown(text)}")
    spelt = text.strip()
    if spelt.startswith("float:"):
        from systolab.formats.registry.registry import get

        return Float(get(spelt.removeprefix("float:")))
    found = _parsed(spelt)
    if found is None:
        hint = meant(spelt.partition(":")[0], _KINDS)
        raise SystolabError(f"Accumulator must be {_SYNTAX}, not {text!r}{hint}")
    return found


def parse_array_accumulator(text: AccumulatorLike) -> Accumulator:
    """The accumulator of an array: what ``parse_accumulator`` takes, but for float:FORMAT.

    Raises:
        SystolabError: it is none of these, or the register is impossible.
    """
    if isinstance(text, Exact | Float32 | Wrap | Saturate):
        return text
    found = _parsed(text.strip()) if isinstance(text, str) else None
    if found is None:
        hint = meant(text.partition(":")[0], _ARRAY_KINDS) if isinstance(text, str) else ""
        value = str(text) if isinstance(text, Float) else shown(text)
        raise SystolabError(f"Accumulator must be {_ARRAY_SYNTAX}, not {value}{hint}")
    return found


def _parsed(spelt: str) -> Accumulator | None:
    """What a spelling without a format names, or None."""
    if spelt == "exact":
        return Exact()
    if spelt == "float32":
        return Float32()
    match = _REGISTER.fullmatch(spelt)
    if match is None:
        return None
    bits = int(match[2])
    lsb = None if match[3] is None else int(match[3])
    return Wrap(bits, lsb) if match[1] == "wrap" else Saturate(bits, lsb)


def _check_register(register: Wrap | Saturate, most: int) -> None:
    bits = integer("Accumulator width", register.bits)
    if not 2 <= bits <= most:
        raise SystolabError(f"Accumulator width must be 2 to {most} bits, not {bits}")
    object.__setattr__(register, "bits", bits)
    if register.lsb is None:
        return
    lsb = integer("Accumulator lsb", register.lsb)
    if not -_MAX_LSB <= lsb <= _MAX_LSB:
        raise SystolabError(f"Accumulator lsb must be -{_MAX_LSB} to {_MAX_LSB}, not {lsb}")
    object.__setattr__(register, "lsb", lsb)


def _register_name(kind: str, bits: int, lsb: int | None) -> str:
    return f"{kind}:{bits}" if lsb is None else f"{kind}:{bits},{lsb}"
