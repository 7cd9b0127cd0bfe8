"""Number formats described: one in detail, and the list of families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from systolab.cosim.terminal.shown import Facts, Part, Shown, text
from systolab.cosim.terminal.table import Column, Narrow, Table, headings
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.describe.properties import Properties, properties
from systolab.formats.dot.product import choose_engine, exact_k
from systolab.formats.families.arguments import Family
from systolab.formats.format import Format
from systolab.formats.projection.rounding import Rounding
from systolab.formats.registry.registry import FormatLike, families, get

__all__ = ["OPTIONS", "SAMPLES", "Description", "FormatList", "describe", "list_formats"]

SAMPLES = (0.0, -0.0, 0.1, 1.0, 1.5, -2.7, 100.0, float("inf"), float("nan"))
_REDUCTION = 512

OPTIONS = """\
A format is spelt family[:item,...]: its parameters, then option=value. Some are
posit:8,2 and e4m3fn:saturation=none and int:8,rounding=stochastic,seed=7.
Options of every format:
  rounding    nearest-even, nearest-away, toward-zero, up, down, odd, stochastic
  saturation  finite, propagate (infinities stay), none (gives infinity or NaN)
  seed        key of stochastic rounding
  scale       none, pow2, binary32
  rule        of pow2 scales: floor, ceil, even, rceil
  block       elements that share a scale
path/to/mine.py:MyFormat (a class of a file, which is executed) and
binary{K}p{P}{s|u}{e|f} (IEEE P3109) are formats, too."""


@dataclass(frozen=True, repr=False)
class Description(Shown):
    """A number format in detail: range, precision, special codes, exactness, encodings.

    Attributes:
        format: the format.
        facts: what its table says.
        exact_k: the longest reduction whose every partial sum is a binary64.
        engines: what emulates a reduction of 512 terms, by accumulator.
        samples: values, with the code of each.
    """

    format: Format = field(repr=False)
    facts: Properties
    exact_k: int
    engines: dict[str, str]
    samples: tuple[tuple[float, int], ...]

    @property
    def headline(self) -> str:
        """Name and range, in a line."""
        facts = self.facts
        return f"{facts.name}: {facts.values} values, {facts.smallest:.9g} to {facts.largest:.9g}"

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        encodings = [{"value": repr(x), "code": code} for x, code in self.samples]
        return asdict(self.facts) | {
            "exact_k": self.exact_k,
            "engines": self.engines,
            "encodings": encodings,
        }

    def parts(self, table: bool = False) -> list[Part]:
        """Facts and encodings of the samples; with ``table``, the value of every code."""
        fmt = self.format
        digits = 2 + (fmt.bits + 3) // 4
        samples = [
            (repr(x), f"{code:#0{digits}x}", f"{code:0{fmt.bits}b}", self._value(code))
            for x, code in self.samples
        ]
        parts: list[Part] = [
            Facts(self.lines()),
            "",
            Table(headings(("value", "code", "bits", "means"), (0, 3)), samples),
        ]
        if table:
            every = [
                (f"{code:#x}", f"{code:0{fmt.bits}b}", self._value(code))
                for code in range(2**fmt.bits)
            ]
            parts += ["", Table(headings(("code", "bits", "means"), (2,)), every)]
        return parts

    def text(self, width: int | None = None, *, table: bool = False) -> str:
        """The description for people.

        Args:
            width: characters in a line; None: as many as it needs.
            table: show the value of every code.
        """
        return text(self.parts(table), width)

    def _value(self, code: int) -> str:
        return repr(float(self.format.values[code]))

    def lines(self) -> list[tuple[str, str]]:
        """Labels and facts."""
        facts, bound, engines = self.facts, self.exact_k, self.engines
        specials = {
            "zero": facts.zero,
            "-0": facts.negative_zero,
            "NaN": facts.nan,
            "+inf": facts.plus_inf,
            "-inf": facts.minus_inf,
        }
        present = [f"{key} {code:#x}" for key, code in specials.items() if code is not None]
        nan = "NaN" if facts.nan is not None else f"code {self.format.nan_code:#x} (zero)"
        lines = [
            ("format", facts.name),
            ("bits", str(facts.bits)),
            ("values", f"{facts.values} finite, {facts.unused} codes repeat another"),
            ("range", f"{facts.smallest:.9g} to {facts.largest:.9g}, unscaled magnitudes"),
            ("quantum", f"{facts.quantum:.9g} = 2^{np.log2(facts.quantum):.0f}"),
            ("max / quantum", f"2^{facts.log2_ratio:.2f}"),
            ("dynamic range", f"{facts.dynamic_range_db:.1f} dB"),
            ("special codes", ", ".join(present)),
            ("NaN becomes", nan),
            (
                "rounding",
                facts.rounding
                + (
                    ""
                    if self.format.rounding is not Rounding.STOCHASTIC
                    else f", seed {self.format.seed}"
                ),
            ),
            ("saturation", facts.saturation),
            ("scale", facts.scaling),
            (
                "exact binary64",
                f"sums of up to {bound:,} products" if bound else "one product, no sums",
            ),
            ("engines", ", ".join(f"{key}: {value}" for key, value in engines.items())),
        ]
        if facts.decimals is not None:
            low, high = facts.decimals
            lines.insert(7, ("decimal digits", f"{low:.2f} to {high:.2f}"))
        return lines


def describe(format: FormatLike, *, encode: Sequence[float] = SAMPLES) -> Description:
    """Describe a number format.

    >>> import systolab as sl
    >>> facts = sl.describe("adaptivfloat:8,3").facts
    >>> facts.values, facts.largest
    (255, 248.0)

    Args:
        format: number format.
        encode: values whose codes are shown.

    Raises:
        SystolabError: there is no such format.
    """
    fmt = get(format)
    engines = {
        name: choose_engine(fmt, fmt, parse_accumulator(name), _REDUCTION)
        for name in ("exact", "float32")
    }
    codes = fmt.encode(encode).tolist()
    samples = tuple(zip(encode, codes, strict=True))
    return Description(fmt, properties(fmt), exact_k(fmt, fmt), engines, samples)


@dataclass(frozen=True, repr=False)
class FormatList(Shown):
    """The families of number formats, plug-ins included.

    Attributes:
        families: in the order of their names.
    """

    families: tuple[Family, ...]

    @property
    def headline(self) -> str:
        """How many there are, in a line."""
        return f"of {len(self.families)} families"

    def as_data(self) -> list[dict[str, object]]:
        """Plain data for JSON."""
        return [
            {"name": f.name, "parameters": f.parameters, "example": f.example, "summary": f.summary}
            for f in self.families
        ]

    def parts(self) -> list[Part]:
        """The table, and how formats are spelt."""
        rows = [(_spelling(f), f.example, f.summary) for f in self.families]
        return [
            Table(
                (*headings(("format", "example")), Column("what it is", narrow=Narrow.WRAP)), rows
            ),
            "",
            OPTIONS,
        ]


def list_formats() -> FormatList:
    """List the families of number formats, plug-ins included.

    >>> import systolab as sl
    >>> [family.example for family in sl.list_formats().families if family.name == "posit"]
    ['posit:8,2']
    """
    return FormatList(families())


def _spelling(family: Family) -> str:
    """How a family is written: optional parameters stand in brackets with their colon."""
    if family.parameters.startswith("["):
        return f"{family.name}[:{family.parameters[1:]}"
    return f"{family.name}:{family.parameters}" if family.parameters else family.name
