"""From accumulators to real values: the binary32 steps between a dot product and its encoder.

``y = clamp(round(round(x * scale) + bias))``, where ``x`` is the accumulator rounded once to
binary32. Every rounding is to nearest even, subnormals are kept, a NaN is the canonical one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic import softfloat as sf
from systolab.formats.dot.product import DotResult
from systolab.formats.engines.engine import Result
from systolab.formats.engines.pure_numpy import canonical
from systolab.formats.errors import SystolabError
from systolab.formats.native import available
from systolab.formats.native.library import library
from systolab.formats.projection.odd import from_objects
from systolab.formats.selfcheck import require_ieee

__all__ = ["postprocess", "to_binary32"]

_F32 = NDArray[np.float32]


def to_binary32(acc: Result, lsb: int, softfloat: bool = False) -> _F32:
    """``acc * 2**lsb`` rounded once to binary32.

    Overflow gives an infinity, subnormals are kept, an integer zero is +0. binary32 sums are
    returned as they are, NaN, infinities and -0 among them.

    Args:
        acc: int64 or Python integers (dtype object) in units of ``2**lsb``, or float32.
        lsb: log2 of the unit.
        softfloat: every step by Berkeley SoftFloat instead of the processor.
    """
    if acc.dtype == np.float32:
        return acc.astype(np.float32, copy=False)
    if acc.dtype == np.object_:
        return _from_wide(acc, lsb, softfloat)
    values = acc.astype(np.int64, copy=False)
    if softfloat:
        return sf.from_int64(values, lsb)
    # Beyond 53 bits keep the upper ones and a sticky bit: the rounding to 24 bits is the same.
    wide = (values > 2**53) | (values < -(2**53))
    jammed = np.where(wide, (values >> 11) | ((values & 0x7FF) != 0), values)
    with np.errstate(over="ignore", under="ignore"):
        units = np.where(wide, lsb + 11, lsb)
        return np.ldexp(jammed.astype(np.float64), units).astype(np.float32)


def postprocess(
    result: DotResult,
    scale: _F32,
    bias: _F32,
    lo: float | np.float32,
    hi: float | np.float32,
    softfloat: bool = False,
) -> _F32:
    """Values [M, N] of the accumulators of a dot product.

    NaN passes the clamp, which is ``y < lo ? lo : hi < y ? hi : y``, and comes out canonical;
    infinities are clamped like any number, and -0 is not below +0.

    Args:
        result: accumulators [M, N].
        scale: a factor for each column [N].
        bias: a term for each column [N].
        lo: lower limit; -inf: none.
        hi: upper limit; inf: none.
        softfloat: every step by Berkeley SoftFloat instead of the processor.

    Raises:
        SystolabError: ``scale`` or ``bias`` is not N binary32 values, or ``lo > hi``.
    """
    require_ieee()
    columns = result.acc.shape[-1]
    for name, values in (("Scale", scale), ("Bias", bias)):
        if values.shape != (columns,) or values.dtype != np.float32:
            raise SystolabError(
                f"{name} must be {columns} float32 values, not {values.dtype} {values.shape}"
            )
    low, high = np.float32(lo), np.float32(hi)
    if not low <= high:
        raise SystolabError(f"Clamp must have lo <= hi, not {low} and {high}")
    if softfloat:
        x = to_binary32(result.acc, result.lsb, softfloat=True)
        return canonical(sf.scale_and_clamp(x, scale, bias, low, high))
    if available() and result.acc.dtype != np.object_:
        return _native(result, scale, bias, low, high)
    x = to_binary32(result.acc, result.lsb)
    with np.errstate(all="ignore"):
        y = x * scale
        y += bias
    if low > -np.inf:
        np.copyto(y, low, where=y < low)
    if high < np.inf:
        np.copyto(y, high, where=high < y)
    return canonical(y)


def _native(result: DotResult, scale: _F32, bias: _F32, low: np.float32, high: np.float32) -> _F32:
    integers = result.acc.dtype != np.float32
    acc = np.ascontiguousarray(result.acc, dtype=np.int64 if integers else np.float32)
    factor, addend = np.ascontiguousarray(scale), np.ascontiguousarray(bias)
    out = np.empty(acc.shape, dtype=np.float32)
    rest = (
        acc.size // max(1, factor.size),
        factor.size,
        factor.ctypes.data,
        addend.ctypes.data,
        low,
        high,
        out.ctypes.data,
    )
    if integers:
        library().systolab_postprocess_int64(acc.ctypes.data, 2.0**result.lsb, *rest)
    else:
        library().systolab_postprocess_binary32(acc.ctypes.data, *rest)
    return out


def _from_wide(acc: Result, lsb: int, softfloat: bool) -> _F32:
    """Python integers, by way of a binary64 rounded to odd: a rounding to 24 bits is the same."""
    odd, _ = from_objects(acc.astype(np.object_, copy=False))
    if softfloat:
        return sf.from_binary64(odd, lsb)
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(odd, lsb).astype(np.float32)
