"""What must hold for every format, checked over all of its codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.rounding import Rounding

__all__ = ["validate"]


def validate(fmt: Format) -> None:
    """Check all 2^n codes of a format.

    Values are binary32 and contain zero; infinities come in pairs where values are signed;
    ``encode(decode(c))`` is the canonical code of c; ``encode`` is monotone, also between values,
    and decides as the rounding bounds do; NaN becomes NaN where there is one, else zero.

    Raises:
        SystolabError: names the first offending code and its values.
    """
    values = _decoded(fmt)
    book = fmt.codebook
    signed = book.points[0] < 0
    if signed and (book.plus_inf is None) != (book.minus_inf is None):
        present, absent = ("+inf", "-inf") if book.minus_inf is None else ("-inf", "+inf")
        raise SystolabError(
            f"Infinities of {fmt.name} must come in pairs: {present} without {absent}"
        )
    if fmt.rounding is not Rounding.STOCHASTIC:
        _check_bounds(fmt)
        _check_round_trip(fmt, values)
        _check_monotone(fmt)
    code = int(fmt.encode(np.array([np.nan], np.float32))[0])
    if code != fmt.nan_code:
        raise SystolabError(
            f"encode(NaN) of {fmt.name} must be code {fmt.nan_code:#x}, not {code:#x}"
        )


def _decoded(fmt: Format) -> NDArray[np.float64]:
    if not isinstance(getattr(fmt, "bits", None), int):
        raise SystolabError(f"Format {fmt.name} must set bits to an integer from 1 to 16")
    for code in range(1 << fmt.bits if 1 <= fmt.bits <= 16 else 0):
        try:
            float(fmt.decode(code))
        except Exception as error:
            raise SystolabError(
                f"decode({code:#x}) of {fmt.name} must return a number, "
                f"not raise {type(error).__name__}: {error}"
            ) from error
    return fmt.values


def _check_round_trip(fmt: Format, values: NDArray[np.float64]) -> None:
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    # Redundant codes come last, so that they are nobody's first occurrence.
    order = np.argsort(np.isin(np.arange(len(values)), fmt.redundant), kind="stable")
    _, first, group = np.unique(bits[order], return_index=True, return_inverse=True)
    canonical = np.empty(len(values), np.int64)
    canonical[order] = order[first[group]]
    keeps_infinity = fmt.saturation != "finite"
    for kind in (np.float32, np.float64):
        codes = fmt.encode(values.astype(kind))
        wrong = (codes != canonical) & (np.isfinite(values) | np.isnan(values) | keeps_infinity)
        if wrong.any():
            code = int(np.argmax(wrong))
            raise SystolabError(
                f"encode(decode({code:#x})) of {fmt.name} must be {int(canonical[code]):#x}, not "
                f"{int(codes[code]):#x}: {_value(values[code])} became "
                f"{_value(values[codes[code]])}"
            )


def _check_bounds(fmt: Format) -> None:
    pairs = fmt.codebook.neighbours
    shape = np.shape(fmt.rounding_bounds(pairs))
    if shape != pairs.lower.shape:
        raise SystolabError(
            f"Rounding bounds of {fmt.name} must have the shape of the pairs {pairs.lower.shape}, "
            f"not {shape}"
        )
    bounds = fmt.projection.bounds
    backwards = np.flatnonzero(bounds[1:] < bounds[:-1])
    if len(backwards):
        first = int(backwards[0])
        raise SystolabError(
            f"Rounding bounds of {fmt.name} must ascend, not go from {_value(bounds[first])} to "
            f"{_value(bounds[first + 1])} at code {int(fmt.projection.codes[first + 1]):#x}"
        )


def _check_monotone(fmt: Format) -> None:
    bounds = fmt.projection.bounds
    with np.errstate(over="ignore"):
        before = np.nextafter(bounds, -np.inf)
    x = np.sort(np.concatenate([bounds, before, fmt.codebook.points]))
    codes = fmt.encode(x)
    value = fmt.values[codes]
    defined = fmt.projection.encode64(x)
    steps_back = np.flatnonzero(value[1:] < value[:-1])
    if len(steps_back):
        i = int(steps_back[0])
        raise SystolabError(
            f"encode of {fmt.name} must be monotone: {_value(x[i])} becomes code "
            f"{int(codes[i]):#x} = {_value(value[i])}, but {_value(x[i + 1])} becomes code "
            f"{int(codes[i + 1]):#x} = {_value(value[i + 1])}"
        )
    # Engines and hardware use the bounds; an own ``encode`` may only be a faster way to the same.
    differing = np.flatnonzero(codes != defined)
    if len(differing):
        i = int(differing[0])
        raise SystolabError(
            f"encode of {fmt.name} must follow its rounding bounds: {_value(x[i])} becomes code "
            f"{int(codes[i]):#x} = {_value(value[i])}, not {int(defined[i]):#x} = "
            f"{_value(fmt.values[defined[i]])}"
        )


def _value(value: float) -> str:
    return repr(float(value))
