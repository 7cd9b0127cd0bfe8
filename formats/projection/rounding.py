"""Names of the projection's two switches (vocabulary of IEEE P3109)."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Rounding", "Saturation"]


class Rounding(StrEnum):
    """How a value between two neighbours of the codebook chooses one of them."""

    NEAREST_EVEN = "nearest-even"  #: nearest; a tie goes to the even code
    NEAREST_AWAY = "nearest-away"  #: nearest; a tie goes to the larger magnitude
    TOWARD_ZERO = "toward-zero"  #: the neighbour of smaller magnitude
    UP = "up"  #: the larger neighbour
    DOWN = "down"  #: the smaller neighbour
    ODD = "odd"  #: the neighbour with the odd code
    STOCHASTIC = "stochastic"  #: the upper one with probability (x - lower) / (upper - lower)


class Saturation(StrEnum):
    """What becomes of values beyond the largest finite one, and of infinities."""

    FINITE = "finite"  #: everything saturates, infinities too
    PROPAGATE = "propagate"  #: finite values saturate; an infinity stays one (NaN if there is none)
    NONE = "none"  #: overflow gives an infinity (NaN if the format has no infinity)
