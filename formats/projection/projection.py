"""From a table of values to the ordered search that projects a value onto it.

A deterministic projection is a step function, so it is stored as its steps: ``bounds[i]`` is the
smallest binary64 value that is projected beyond ``codes[i]``. That is complete for binary64 and
for binary32 inputs: no decision ever depends on how a midpoint was rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import choice, shown
from systolab.formats.projection.codebook import Codebook, Neighbours
from systolab.formats.projection.rounding import Rounding
from systolab.formats.read_only import read_only

__all__ = [
    "EncoderTable",
    "Projection",
    "binary32_key",
    "binary64_key",
    "build_projection",
    "checked_bounds",
    "default_bounds",
    "midpoint_bounds",
    "overflow_bound",
]


def binary32_key(x: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Order-preserving unsigned keys of binary32 values.

    -0 sorts just below +0, infinities outermost; a NaN beyond the infinity of its sign.
    """
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    sign = (bits.view(np.int32) >> np.int32(31)).view(np.uint32)
    return np.asarray(bits ^ (sign | np.uint32(0x8000_0000)), dtype=np.uint32)


def binary64_key(x: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Order-preserving unsigned keys of binary64 values; specials as in ``binary32_key``."""
    bits = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64)
    sign = (bits.view(np.int64) >> np.int64(63)).view(np.uint64)
    return np.asarray(bits ^ (sign | np.uint64(1 << 63)), dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class EncoderTable:
    """The projection restricted to binary32 inputs, as an ordered search.

    ``code(x) = nan_code if isnan(x) else codes[number of keys <= binary32_key(x)]``

    Attributes:
        keys: strictly ascending uint32, shape [m].
        codes: uint16, shape [m + 1].
        nan_code: what NaN becomes.
    """

    keys: NDArray[np.uint32]
    codes: NDArray[np.uint16]
    nan_code: int

    def __post_init__(self) -> None:
        """Make the arrays as immutable as the format they belong to."""
        object.__setattr__(self, "keys", read_only(self.keys))
        object.__setattr__(self, "codes", read_only(self.codes))


@dataclass(frozen=True, eq=False)
class Projection:
    """The projection of binary64 inputs: ``codes[number of bounds <= x]``.

    Attributes:
        bounds: ascending float64, shape [m]; -0 counts as smaller than +0.
        codes: uint16, shape [m + 1].
        nan_code: what NaN becomes.
    """

    bounds: NDArray[np.float64]
    codes: NDArray[np.uint16]
    nan_code: int

    def __post_init__(self) -> None:
        """Make the arrays as immutable as the format they belong to."""
        object.__setattr__(self, "bounds", read_only(self.bounds))
        object.__setattr__(self, "codes", read_only(self.codes))

    def encode64(self, x: NDArray[np.float64]) -> NDArray[np.uint16]:
        """Project binary64 values, each rounded once.

        NaN becomes ``nan_code``; infinities, overflow and -0 are steps like any other.
        """
        index = np.searchsorted(binary64_key(self.bounds), binary64_key(x), side="right")
        codes = self.codes[index]
        codes[np.isnan(x)] = self.nan_code
        return codes

    def encoder(self) -> EncoderTable:
        """The same step function on binary32 inputs."""
        with np.errstate(over="ignore"):
            first = self.bounds.astype(np.float32)
        below = first.astype(np.float64) < self.bounds
        first[below] = np.nextafter(first[below], np.float32(np.inf))
        keys = binary32_key(first)
        # Two steps between the same binary32 neighbours: the code between them is unreachable.
        last = np.append(keys[1:] != keys[:-1], True) if len(keys) else np.zeros(0, np.bool_)
        codes = np.concatenate([self.codes[:1], self.codes[1:][last]])
        return EncoderTable(keys[last], codes, self.nan_code)


def _after(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest binary64 values greater than x."""
    return np.nextafter(x, np.inf)


def midpoint_bounds(
    lower: NDArray[np.float64], upper: NDArray[np.float64], tie_up: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Smallest binary64 values nearer to ``upper``; an exact tie goes up where ``tie_up``."""
    total = lower + upper
    virtual = total - lower
    error = (lower - (total - virtual)) + (upper - virtual)  # TwoSum: exact, as binary32 values are
    middle = total / 2
    goes_up = np.where(error == 0, tie_up, error < 0)
    bounds = np.where(goes_up, middle, _after(middle))
    return np.asarray(bounds, dtype=np.float64)


def default_bounds(pairs: Neighbours, rounding: Rounding) -> NDArray[np.float64]:
    """The smallest binary64 value that goes to the upper one of each pair.

    Where both codes of a pair have the same parity, "even" means the smaller magnitude.

    Raises:
        SystolabError: there is no such rounding.
    """
    smaller_is_lower = np.abs(pairs.lower) < np.abs(pairs.upper)
    lower_odd = (pairs.lower_code & 1).astype(np.bool_)
    upper_odd = (pairs.upper_code & 1).astype(np.bool_)
    prefer_lower = np.where(lower_odd == upper_odd, smaller_is_lower, ~lower_odd)
    match choice("Rounding", Rounding, rounding):
        case Rounding.NEAREST_EVEN:
            return midpoint_bounds(pairs.lower, pairs.upper, ~prefer_lower)
        case Rounding.NEAREST_AWAY:
            return midpoint_bounds(pairs.lower, pairs.upper, smaller_is_lower)
        case Rounding.TOWARD_ZERO:
            return np.where(pairs.lower >= 0, pairs.upper, _after(pairs.lower))
        case Rounding.UP:
            return _after(pairs.lower)
        case Rounding.DOWN | Rounding.STOCHASTIC:
            return pairs.upper.copy()
        case Rounding.ODD:
            return np.where(prefer_lower, _after(pairs.lower), pairs.upper)


def checked_bounds(given: object, pairs: Neighbours, owner: str) -> NDArray[np.float64]:
    """Rounding bounds that a format gave: a number for each pair.

    Raises:
        SystolabError: they are no such array.
    """
    try:
        bounds = np.asarray(given)
    except (ValueError, TypeError):  # ragged
        bounds = np.array(None)
    if bounds.dtype.kind not in "fiu" or np.isnan(bounds).any():
        raise SystolabError(f"Rounding bounds of {owner} must be numbers, not {shown(given)}")
    if bounds.shape != pairs.lower.shape:
        raise SystolabError(
            f"Rounding bounds of {owner} must have the shape of the pairs {pairs.lower.shape}, "
            f"not {bounds.shape}"
        )
    return bounds.astype(np.float64)


def overflow_bound(last: float, step: float, code: int, rounding: Rounding, upward: bool) -> float:
    """First magnitude beyond ``last`` > 0 that overflows (inf: only an infinity does).

    Args:
        last: magnitude of the outermost finite value.
        step: distance to the value that would follow it with an unbounded exponent.
        code: its code; an odd one gives a tie to the overflow.
        rounding: the rounding mode.
        upward: whether this is the positive end.
    """
    match rounding:
        case Rounding.NEAREST_EVEN | Rounding.NEAREST_AWAY | Rounding.STOCHASTIC:
            tie_overflows = rounding is Rounding.NEAREST_AWAY or code % 2 == 1
            middle = last + step / 2
            return middle if tie_overflows else float(np.nextafter(middle, np.inf))
        case Rounding.UP | Rounding.DOWN:
            outward = (rounding is Rounding.UP) == upward
            return float(np.nextafter(last, np.inf)) if outward else float(np.inf)
        case Rounding.TOWARD_ZERO | Rounding.ODD:
            return float(np.inf)


def build_projection(
    book: Codebook,
    interior: NDArray[np.float64],
    overflow: tuple[float, float],
    outer_codes: tuple[int, int],
    nan_code: int,
) -> Projection:
    """Join the steps between finite values with what lies beyond them.

    Args:
        book: the codebook.
        interior: first value of the upper one of each pair of ``book.neighbours``, shape [k].
        overflow: (negative, positive) bounds: values at most / at least these overflow.
        outer_codes: (negative, positive) codes of overflow; the outermost finite code: none.
        nan_code: what NaN becomes.
    """
    interior = np.where(interior == 0, -0.0, interior)  # both zeros round alike
    if book.zero_pair is not None:
        interior = np.insert(interior, book.zero_pair, 0.0)  # but stay apart from each other
    codes = book.codes
    if outer_codes[0] != codes[0]:
        first = np.nextafter(overflow[0], np.inf)
        interior = np.concatenate([[first], interior])
        codes = np.concatenate([[outer_codes[0]], codes])
    if outer_codes[1] != codes[-1]:
        interior = np.append(interior, overflow[1])
        codes = np.append(codes, outer_codes[1])
    return Projection(interior, codes.astype(np.uint16), nan_code)
