"""What the 2^n codes of a format mean, put in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.read_only import read_only

__all__ = ["Codebook", "Neighbours"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Adjacent finite values of a codebook, ascending, with their canonical codes.

    All four arrays have shape [k]; a pair of signed zeros is never among them.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower_code: NDArray[np.int64]
    upper_code: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Codebook:
    """A table of values and its distinct finite values in ascending order.

    Where several codes share a value, the lowest is the canonical one. Zeros of both signs are
    distinct values, -0 below +0.

    Attributes:
        values: float64, shape [2^bits]; every value is a binary32 (NaN and infinities allowed).
        points: distinct finite values, ascending, shape [k].
        codes: their canonical codes, shape [k].
        zero: canonical code of zero (of +0 if the table has it).
        zero_pair: index in ``points`` of -0 when both zeros exist.
        minus_inf, plus_inf, nan: canonical codes of the specials, where they exist.
    """

    values: NDArray[np.float64]
    points: NDArray[np.float64]
    codes: NDArray[np.int64]
    zero: int
    zero_pair: int | None
    minus_inf: int | None
    plus_inf: int | None
    nan: int | None

    def __post_init__(self) -> None:
        """Make the arrays as immutable as the format they belong to."""
        for name in ("values", "points", "codes"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @classmethod
    def from_values(
        cls, values: NDArray[np.float64], owner: str, redundant: tuple[int, ...] = ()
    ) -> Codebook:
        """Order a table of 2^n values; ``redundant`` codes are never canonical.

        Raises:
            SystolabError: a value is not a binary32, zero is missing, there is no other number, or
                a redundant code repeats no other.
        """
        with np.errstate(over="ignore"):
            single = values.astype(np.float32).astype(np.float64)
        inexact = ~((single == values) | np.isnan(values))
        if inexact.any():
            code = int(np.argmax(inexact))
            raise SystolabError(
                f"Value of code {code:#x} of {owner} must be a binary32 value, "
                f"not {float(values[code])!r}: {_nearest(values[code])}"
            )
        if not (values == 0).any():
            raise SystolabError(f"Codebook of {owner} must contain zero")
        if not (np.isfinite(values) & (values != 0)).any():
            raise SystolabError(f"Codebook of {owner} must contain a finite value that is not zero")
        canonical = np.ones(len(values), np.bool_)
        canonical[list(redundant)] = False
        bits = _bits(values)
        alone = ~canonical & ~np.isin(bits, bits[canonical])
        if alone.any():
            code = int(np.argmax(alone))
            raise SystolabError(
                f"Redundant codes of {owner} must repeat the value of another code, "
                f"not be the only ones of {float(values[code])!r}, as {code:#x} is"
            )
        finite = np.flatnonzero(np.isfinite(values) & canonical)
        order = finite[np.lexsort((finite, ~np.signbit(values[finite]), values[finite]))]
        ordered = values[order]
        fresh = np.ones(len(order), np.bool_)
        fresh[1:] = (ordered[1:] != ordered[:-1]) | (
            np.signbit(ordered[1:]) != np.signbit(ordered[:-1])
        )
        points, codes = ordered[fresh], order[fresh]
        zeros = np.flatnonzero(points == 0)
        return cls(
            values=values,
            points=points,
            codes=codes,
            zero=int(codes[zeros[-1]]),
            zero_pair=int(zeros[0]) if len(zeros) == 2 else None,
            minus_inf=_first(values == -np.inf),
            plus_inf=_first(values == np.inf),
            nan=_first(np.isnan(values) & canonical),
        )

    @property
    def neighbours(self) -> Neighbours:
        """Adjacent finite values, the pair of signed zeros left out."""
        lower, upper = self.points[:-1], self.points[1:]
        apart = ~((lower == 0) & (upper == 0))
        return Neighbours(lower[apart], upper[apart], self.codes[:-1][apart], self.codes[1:][apart])


def _bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Values as what they are told apart by: signs of zeros count, payloads of NaN do not."""
    return np.where(np.isnan(values), np.nan, values).view(np.uint64)


def _first(mask: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None


def _nearest(value: np.float64) -> str:
    """How to make a value a binary32."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    if np.isinf(single):
        return f"binary32 ends at {float(np.finfo(np.float32).max)!r}"
    return f"float(numpy.float32({float(value)!r})) is the nearest"
