"""What a format's table says about it, and what quantising did to a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format, QuantizedTensor

__all__ = ["Loss", "Properties", "loss", "properties", "worst_errors"]


@dataclass(frozen=True)
class Properties:
    """Facts about a format, all read off its table.

    Attributes:
        name, bits: spelling and width.
        values: number of distinct finite values, zeros of both signs apart.
        smallest: smallest nonzero magnitude.
        largest: largest magnitude.
        quantum: largest power of two of which every value is a multiple.
        log2_ratio: log2 of ``max / quantum``.
        dynamic_range_db: ``20 log10(largest / smallest)``.
        decimals: fewest and most decimal digits of accuracy between two neighbours of the same
            sign, ``-log10 |log10(middle / lower)|`` (Gustafson's decimal accuracy).
        zero, negative_zero, nan, plus_inf, minus_inf: canonical codes, where they exist.
        unused: codes that repeat another code's value, NaNs included.
        rounding, saturation, scaling: the switches.
    """

    name: str
    bits: int
    values: int
    smallest: float
    largest: float
    quantum: float
    log2_ratio: float
    dynamic_range_db: float
    decimals: tuple[float, float] | None
    zero: int
    negative_zero: int | None
    nan: int | None
    plus_inf: int | None
    minus_inf: int | None
    unused: int
    rounding: str
    saturation: str
    scaling: str


def properties(fmt: Format) -> Properties:
    """Describe a format."""
    book = fmt.codebook
    magnitudes = np.unique(np.abs(book.points[book.points != 0]))
    specials = (book.nan, book.plus_inf, book.minus_inf)
    distinct = len(book.points) + sum(code is not None for code in specials)
    scaling = str(fmt.scaling.kind)
    if scaling == "pow2":
        scaling += f", {fmt.scaling.rule}"
    if fmt.scaling.block is not None:
        scaling += f", blocks of {fmt.scaling.block}"
    return Properties(
        name=fmt.name,
        bits=fmt.bits,
        values=len(book.points),
        smallest=float(magnitudes[0]) if len(magnitudes) else 0.0,
        largest=fmt.max,
        quantum=fmt.quantum,
        log2_ratio=float(np.log2(fmt.max) - np.log2(fmt.quantum)) if fmt.max else 0.0,
        dynamic_range_db=(
            float(20 * (np.log10(magnitudes[-1]) - np.log10(magnitudes[0])))
            if len(magnitudes)
            else 0.0
        ),
        decimals=_decimals(book.points[book.points > 0]),
        zero=book.zero,
        negative_zero=None if book.zero_pair is None else int(book.codes[book.zero_pair]),
        nan=book.nan,
        plus_inf=book.plus_inf,
        minus_inf=book.minus_inf,
        unused=(1 << fmt.bits) - distinct,
        rounding=str(fmt.rounding),
        saturation=str(fmt.saturation),
        scaling=scaling,
    )


def _decimals(positive: NDArray[np.float64]) -> tuple[float, float] | None:
    if len(positive) < 2:
        return None
    middle = (positive[1:] + positive[:-1]) / 2
    accuracy = -np.log10(np.log10(middle / positive[:-1]))
    return float(accuracy.min()), float(accuracy.max())


def worst_errors(fmt: Format) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where between positive neighbours the projection decides, and its relative error there."""
    pairs = fmt.codebook.neighbours
    positive = pairs.lower > 0
    lower, upper = pairs.lower[positive], pairs.upper[positive]
    # Beside a bound the error is that of the neighbour further away.
    bounds = fmt.rounding_bounds(pairs)[positive]
    return bounds, np.maximum(bounds - lower, upper - bounds) / bounds


@dataclass(frozen=True)
class Loss:
    """What quantising lost, over the values of a tensor that were finite and stayed so.

    Attributes:
        sqnr_db: signal to quantisation noise; None where there is no noise (or no signal).
        max_error: largest absolute error.
        clipped: fraction of values more than half a step beyond the outermost representable ones.
        flushed: fraction of nonzero values that became zero.
        nonfinite: number of NaN and infinities before or after, left out above.
        codes_used: number of distinct codes.
    """

    sqnr_db: float | None
    max_error: float
    clipped: float
    flushed: float
    nonfinite: int
    codes_used: int


def loss(x: NDArray[np.floating], tensor: QuantizedTensor) -> Loss:
    """Compare a tensor with its quantised form (same shape).

    NaN and infinities are counted and left out of everything else.
    """
    dequantized = tensor.dequantize()
    finite = np.isfinite(x) & np.isfinite(dequantized)
    count = max(int(finite.sum()), 1)
    exact = x[finite].astype(np.float64)
    value = dequantized[finite].astype(np.float64)
    error = value - exact
    points = tensor.format.codebook.points
    scale = np.broadcast_to(tensor.full_scale(), x.shape)[finite].astype(np.float64)
    low = points[0] - (points[1] - points[0]) / 2
    high = points[-1] + (points[-1] - points[-2]) / 2
    clipped = (exact < low * scale) | (exact > high * scale)
    return Loss(
        sqnr_db=_decibels(exact, error),
        max_error=float(np.abs(error).max(initial=0.0)),
        clipped=float(clipped.sum() / count),
        flushed=float(((value == 0) & (exact != 0)).sum() / count),
        nonfinite=int(x.size - finite.sum()),
        codes_used=len(np.unique(tensor.codes)),
    )


def _decibels(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> float | None:
    """Ratio of the powers of finite numbers; None where either is zero. No power overflows."""
    powers, exponents = [], []
    for x in (signal, noise):
        exponent = int(np.frexp(np.abs(x).max(initial=0.0))[1])
        scaled = np.ldexp(x, -exponent)
        powers.append(float(scaled @ scaled))
        exponents.append(exponent)
    if 0 in powers:
        return None
    octaves = 2 * (exponents[0] - exponents[1])
    return float(10 * np.log10(powers[0] / powers[1]) + octaves * 10 * np.log10(2))
