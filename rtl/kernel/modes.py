"""The modes of the machine: one description each, which everything else looks up.

A kernel is a nest of five kinds of loops. A mode says which kinds every stream walks, outermost
first, and which kind feeds its lanes; what is summed, how many accumulator rows an outer iteration
needs and where a stream forgets the line it holds all follow from that. What differs in more than
these loops (when each unit is busy, ``systolab.rtl.timing``) is looked up by mode in its own room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

__all__ = ["DEFAULT_MODE", "DESCRIPTIONS", "Description", "Dimension", "Mode", "Walk"]


class Dimension(StrEnum):
    """The five kinds of loops of a kernel's nest."""

    OUTER = "outer"
    REDUCTION = "reduction"
    ROWS = "rows"
    A_LANES = "A lanes"
    W_LANES = "W lanes"


@dataclass(frozen=True)
class Walk:
    """The loops of one stream, outermost first, and the loop in its lanes.

    ``lanes`` is None for a stream of single words.
    """

    loops: tuple[Dimension, ...]
    lanes: Dimension | None


@dataclass(frozen=True)
class Description:
    """What a mode is.

    Attributes:
        short: its name in a table.
        code: word 0 of the configuration.
        tile: loops of which every iteration is a tile: streams A and W start anew with each, and
            share no line with the one before.
        walks: every stream it can have, by name. SA and SW are those of block-scaled operands.
    """

    short: str
    code: int
    tile: tuple[Dimension, ...]
    walks: Mapping[str, Walk]

    @cached_property
    def rows(self) -> tuple[Dimension, ...]:
        """Loops over the accumulator rows of an outer iteration."""
        return tuple(x for x in self.walks["O"].loops if x is not Dimension.OUTER)

    @cached_property
    def reduced(self) -> tuple[Dimension, ...]:
        """Loops that are summed over, outermost first: those of A that O does not have."""
        a, o = self.walks["A"], self.walks["O"]
        kinds = a.loops if a.lanes is None else (*a.loops, a.lanes)
        return tuple(kind for kind in kinds if kind not in (*o.loops, o.lanes))

    @property
    def sums_lanes(self) -> bool:
        """Whether A's lanes run along the reduction: a column's sum goes to an accumulator row.

        Otherwise they run along the output's rows, every processing element keeps a sum of its
        own, and the mesh is drained row by row.
        """
        return Dimension.A_LANES in self.reduced

    @property
    def has_rows(self) -> bool:
        """Whether a kernel may have row loops."""
        return Dimension.ROWS in self.rows

    @property
    def block_scaled(self) -> bool:
        """Whether operands may be block-scaled."""
        return "SA" in self.walks


class Mode(StrEnum):
    """Dataflow of a kernel."""

    WEIGHT_STATIONARY = "weight-stationary"
    OUTPUT_STATIONARY = "output-stationary"

    @property
    def description(self) -> Description:
        """What the mode is."""
        return DESCRIPTIONS[self]


# Runs on every array, block-scaled ones included.
DEFAULT_MODE = Mode.WEIGHT_STATIONARY

_OUTER, _REDUCTION, _ROWS = Dimension.OUTER, Dimension.REDUCTION, Dimension.ROWS
_A, _W = Dimension.A_LANES, Dimension.W_LANES

# A tile of A lanes x W lanes weights is held while the row loops' vectors of A pass.
_WEIGHT_STATIONARY = Description(
    short="WS",
    code=0,
    tile=(_OUTER, _REDUCTION),
    walks=MappingProxyType({
        "A": Walk((_OUTER, _REDUCTION, _ROWS), _A),
        "W": Walk((_OUTER, _REDUCTION, _A), _W),
        "O": Walk((_OUTER, _ROWS), _W),
        "P": Walk((_OUTER,), _W),
        "SA": Walk((_OUTER, _REDUCTION, _ROWS), None),
        "SW": Walk((_OUTER, _REDUCTION), _W),
    }),
)  # fmt: skip

# Every processing element holds one output; a vector of A and one of W make a step.
_OUTPUT_STATIONARY = Description(
    short="OS",
    code=1,
    tile=(_OUTER,),
    walks=MappingProxyType({
        "A": Walk((_OUTER, _REDUCTION), _A),
        "W": Walk((_OUTER, _REDUCTION), _W),
        "O": Walk((_OUTER, _A), _W),
        "P": Walk((_OUTER,), _W),
    }),
)  # fmt: skip

DESCRIPTIONS: Mapping[Mode, Description] = MappingProxyType(
    {Mode.WEIGHT_STATIONARY: _WEIGHT_STATIONARY, Mode.OUTPUT_STATIONARY: _OUTPUT_STATIONARY}
)
