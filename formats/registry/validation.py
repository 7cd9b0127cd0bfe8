"""What must hold for every format, checked over all of its codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.decoding import decoded
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.choices import shown
from systolab.formats.projection.rounding import Rounding

__all__ = ["validate"]


def validate(fmt: Format) -> None:
    """Check all 2^n codes of a format.

    ``decode`` returns the same when it is asked again. Values are binary32 and contain zero;
    infinities come in pairs where values are signed; ``encode(decode(c))`` is the canonical code of
    c; ``encode`` is monotone, also between values, and decides as the rounding bounds do; NaN
    becomes NaN where there is one, else zero.

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
    code = int(_encoded(fmt, np.array([np.nan], np.float32))[0])
    if code != fmt.nan_code:
        raise SystolabError(
            f"encode(NaN) of {fmt.name} must be code {fmt.nan_code:#x}, not {code:#x}"
        )


def _decoded(fmt: Format) -> NDArray[np.float64]:
    """The values, asked for a second time in another order."""
    values = fmt.values
    again = decoded(fmt, reversed(range(len(values))))[::-1]
    same = (values == again) & (np.signbit(values) == np.signbit(again))
    differing = np.flatnonzero(~(same | (np.isnan(values) & np.isnan(again))))
    if len(differing):
        code = int(differing[0])
        raise SystolabError(
            f"decode({code:#x}) of {fmt.name} must return the same every time, "
            f"not {_value(values[code])} and then {_value(again[code])}"
        )
    return values


def _encoded(fmt: Format, x: NDArray[np.floating]) -> Codes:
    """What ``encode`` gives, which an author may have written."""
    codes: object = fmt.encode(x)
    if not isinstance(codes, np.ndarray) or codes.shape != x.shape or codes.dtype.kind not in "ui":
        found = f"{codes.dtype} {codes.shape}" if isinstance(codes, np.ndarray) else shown(codes)
        raise SystolabError(
            f"encode of {fmt.name} must give an array of codes of the shape {x.shape}, not {found}"
        )
    beyond = np.flatnonzero((codes < 0) | (codes >= len(fmt.values)))
    if len(beyond):
        raise SystolabError(
            f"encode of {fmt.name} must give codes from 0 to {len(fmt.values) - 1}, "
            f"not {int(codes[beyond[0]])}"
        )
    return codes


def _check_round_trip(fmt: Format, values: NDArray[np.float64]) -> None:
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    # Redundant codes come last, so that they are nobody's first occurrence.
    order = np.argsort(np.isin(np.arange(len(values)), fmt.redundant), kind="stable")
    _, first, group = np.unique(bits[order], return_index=True, return_inverse=True)
    canonical = np.empty(len(values), np.int64)
    canonical[order] = order[first[group]]
    keeps_infinity = fmt.saturation != "finite"
    for kind in (np.float32, np.float64):
        codes = _encoded(fmt, values.astype(kind))
        wrong = (codes != canonical) & (np.isfinite(values) | np.isnan(values) | keeps_infinity)
        if wrong.any():
            code = int(np.argmax(wrong))
            raise SystolabError(
                f"encode(decode({code:#x})) of {fmt.name} must be {int(canonical[code]):#x}, not "
                f"{int(codes[code]):#x}: {_value(values[code])} became "
                f"{_value(values[codes[code]])}"
            )


def _check_bounds(fmt: Format) -> None:
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
    codes = _encoded(fmt, x)
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
