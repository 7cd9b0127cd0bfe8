"""Codes of scaled data: the projection of ``x / scale``, by the cheapest way that is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.codes import Codes, blocked_shape, expand_blocks, split_blocks
from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import shown
from systolab.formats.projection.odd import (
    divide_odd,
    from_integers,
    from_long_doubles,
    from_objects,
)
from systolab.formats.projection.rounding import Rounding
from systolab.formats.scaling.quantizer import Quantizer
from systolab.formats.scaling.scaling import as_scales, check_axis, largest_scale, magnitudes

__all__ = [
    "Quantized",
    "Real",
    "as_real",
    "block_magnitudes",
    "dequantize",
    "quantize",
    "require_decided",
]

_CHUNK = 1 << 16
_SCALE_BITS = 24
_SHORT_RUN = 64  # below: one call for each run of equal scales would cost more than it saves


class Quantized(NamedTuple):
    """Codes and scales; block and axis as in ``QuantizedTensor``."""

    codes: Codes
    scale: NDArray[np.float32]
    block: int | None = None
    axis: int = -1


class Real(NamedTuple):
    """Data as binary32 or binary64.

    Attributes:
        values: what they are, or what they are rounded to odd.
        inexact: which of them are rounded; None: none is.
    """

    values: NDArray[np.floating]
    inexact: NDArray[np.bool_] | None = None


def as_real(x: ArrayLike) -> Real:
    """binary64 for binary64 and integers, binary32 for the narrower floats.

    NaN, infinities and -0 stay; what binary64 cannot hold of an integer, a fraction or a longer
    float is rounded to odd.

    Raises:
        SystolabError: the data are not real numbers.
    """
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise SystolabError(f"Data must be an array of real numbers: {error}") from None
    if isinstance(x, np.ma.MaskedArray) and x.mask.any():
        raise SystolabError("Data must not be masked: fill or leave out what is behind the mask")
    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):  # types of ml_dtypes
        return Real(array.astype(np.float32))
    if array.dtype == np.float64 and isinstance(x, list | tuple) and (np.abs(array) >= 2**53).any():
        array = np.asarray(x, dtype=np.object_)  # there may be integers among the floats
    if array.dtype.kind == "O":
        return Real(*from_objects(array))
    if array.dtype.kind not in "fiub":
        raise SystolabError(f"Data must be real numbers, not {array.dtype}")
    if array.dtype.kind == "b" or array.dtype == np.float64:
        return Real(array.astype(np.float64, copy=False))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return Real(*from_long_doubles(array))
    if array.dtype.itemsize == 8:
        return Real(*from_integers(array))
    return Real(array.astype(np.float32 if array.dtype.kind == "f" else np.float64, copy=False))


def require_decided(
    fmt: Quantizer, x: Real, codes: Codes, encode: Callable[[NDArray[np.floating]], Codes]
) -> None:
    """Make sure that rounded data have the codes of the numbers before.

    Rounding to odd does not move a number across a threshold of less than 53 bits, nor across its
    product with a scale. Where they are longer, both neighbours must have the code of the number.

    Raises:
        SystolabError: there is a threshold beside a rounded number.
    """
    if x.inexact is None or fmt.rounding is Rounding.STOCHASTIC:
        return
    if fmt.projector.trailing_zeros > _SCALE_BITS:
        return
    for toward in (-np.inf, np.inf):
        with np.errstate(over="ignore"):
            beside = np.nextafter(x.values, toward)
        differs = x.inexact & (encode(beside) != codes)
        if differs.any():
            raise SystolabError(
                f"Data must be binary64 beside the thresholds of {fmt.name}, not longer numbers "
                f"next to {float(x.values[differs].flat[0])!r}: round them before"
            )


def quantize(fmt: Quantizer, x: ArrayLike, axis: int | None, scale: ArrayLike | None) -> Quantized:
    """Codes and scales; special cases, arguments and errors as of ``Format.quantize``."""
    data = as_real(x)
    made = _quantize(fmt, data.values, axis, scale)
    require_decided(
        fmt, data, made.codes, lambda beside: _quantize(fmt, beside, axis, made.scale).codes
    )
    return made


def _quantize(
    fmt: Quantizer, array: NDArray[np.floating], axis: int | None, scale: ArrayLike | None
) -> Quantized:
    if fmt.scaling.block is not None:
        return _quantize_blocks(fmt, array, fmt.scaling.block, -1 if axis is None else axis, scale)
    used = fmt.fit_scale(array, axis) if scale is None else _checked(scale)
    codes = _encode_quotients(fmt, array, _broadcast(used, array.shape))
    return Quantized(codes, used)


def dequantize(fmt: Quantizer, codes: Codes, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of codes under scales that broadcast to them, as of ``QuantizedTensor``."""
    table = fmt.values.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.asarray(table[codes] * scale, dtype=np.float32)
    if scale.max(initial=0) > largest_scale(fmt.max):
        overflow = np.isinf(x) & np.isfinite(table)[codes]
        x = np.where(overflow, np.copysign(np.finfo(np.float32).max, x), x)
    return x


def _quantize_blocks(
    fmt: Quantizer, x: NDArray[np.floating], block: int, axis: int, scale: ArrayLike | None
) -> Quantized:
    check_axis(x, axis)
    length = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = -(-length // block)
    given = fmt.fit_scale(x, axis) if scale is None else _checked(scale)
    used = np.ascontiguousarray(_broadcast(given, tuple(shape)))
    if length and length % block == 0:
        # Blocks as a dimension of their own broadcast their scale.
        codes = _encode_quotients(fmt, *split_blocks(x, used, block, axis)).reshape(x.shape)
    else:
        codes = _encode_quotients(fmt, x, expand_blocks(used, length, block, axis))
    return Quantized(codes, used, block, axis)


def _checked(scale: ArrayLike) -> NDArray[np.float32]:
    scales = as_scales(scale)
    if scales is None:
        raise SystolabError(f"Scale must be a positive binary32 number, not {shown(scale)}")
    return scales


def _broadcast(scale: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        return np.broadcast_to(scale, shape)
    except ValueError:
        raise SystolabError(
            f"Scale must broadcast to the shape {shape}, not have shape {scale.shape}"
        ) from None


def _encode_quotients(fmt: Quantizer, x: NDArray[np.floating], scale: NDArray[np.float32]) -> Codes:
    """Codes of ``x / scale``; ``scale`` has the shape of ``x``, repeated by strides of zero."""
    if x.size == 0:
        return fmt.encode(x)
    if x.ndim == 0:
        return _encode_quotients(fmt, x.reshape(1), scale.reshape(1)).reshape(())
    if fmt.rounding is Rounding.STOCHASTIC:  # in one piece: its words count from the start
        return fmt.encode(divide_odd(x, scale, 1))
    # A binary64 quotient of binary32 numbers is on the same side of a threshold of up to 28
    # significant bits as the exact one.
    shared = _shared_dimensions(scale)
    run = int(np.prod(x.shape[x.ndim - shared :]))
    if shared == x.ndim and scale.flat[0] == 1:
        return fmt.encode(x)
    if x.dtype != np.float32 or run < _SHORT_RUN or not fmt.projector.odd_is_enough:
        return _encode_rows(fmt, x, scale, _quotient_type(fmt, x, scale))
    out: Codes = np.empty(x.shape, fmt.code_type)
    runs, codes = np.ascontiguousarray(x, np.float32).reshape(-1, run), out.reshape(-1, run)
    one_each = (slice(None),) * (x.ndim - shared) + (0,) * shared
    for i, divisor in enumerate(scale[one_each].reshape(-1).tolist()):
        fmt.projector.project_quotients(runs[i], divisor, codes[i])
    return out


def _shared_dimensions(scale: NDArray[np.float32]) -> int:
    """How many trailing dimensions share one scale."""
    shared = 0
    for length, stride in zip(reversed(scale.shape), reversed(scale.strides), strict=True):
        if stride != 0 and length != 1:
            break
        shared += 1
    return shared


def _encode_rows(
    fmt: Quantizer,
    x: NDArray[np.floating],
    scale: NDArray[np.float32],
    kind: type[np.float32] | type[np.float64],
) -> Codes:
    """Divide in ``kind`` and encode, a few rows at a time to save memory."""
    zeros = fmt.projector.trailing_zeros
    out: Codes = np.empty(x.shape, fmt.code_type)
    rows = max(_CHUNK * len(x) // x.size, 1)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        if kind is np.float32:
            out[part] = fmt.encode(np.divide(x[part], scale[part], dtype=kind))
        else:
            out[part] = fmt.encode(divide_odd(x[part], scale[part], zeros))
    return out


def _quotient_type(
    fmt: Quantizer, x: NDArray[np.floating], scale: NDArray[np.float32]
) -> type[np.float32] | type[np.float64]:
    """The narrowest type whose quotients are projected as the exact ones.

    Powers of two make binary32 quotients exact, but for underflow; that stays between the
    thresholds next to zero where those are larger.
    """
    if x.dtype != np.float32:
        return np.float64
    bounds = fmt.projection.bounds
    distinct = scale[tuple(slice(1 if stride == 0 else None) for stride in scale.strides)]
    smallest = float(distinct.min())
    powers_of_two = not (distinct.view(np.uint32) & np.uint32(0x7FFFFF)).any()
    no_overflow = float(magnitudes(x)) / smallest < 2.0**127
    wide_zero = float(np.abs(bounds[bounds != 0]).min(initial=np.inf)) >= 2.0**-120
    exact = powers_of_two and smallest >= 2.0**-126 and no_overflow and wide_zero
    return np.float32 if exact else np.float64


def block_magnitudes(x: NDArray[np.floating], block: int, axis: int) -> NDArray[np.float64]:
    """Largest finite magnitude of each block along ``axis``; the last block may be short.

    NaN and infinities are left out; nothing finite gives 0.

    Raises:
        SystolabError: ``x`` has no such axis.
    """
    check_axis(x, axis)
    whole = x.shape[axis] // block * block
    inside, rest = np.split(x, [whole], axis=axis)
    parts = [_largest_of_blocks(inside, block, axis)]
    if rest.shape[axis]:
        parts.append(_largest_of_blocks(rest, rest.shape[axis], axis))
    joined: NDArray[np.float64] = np.concatenate(parts, axis=axis)
    return joined


def _largest_of_blocks(x: NDArray[np.floating], block: int, axis: int) -> NDArray[np.float64]:
    blocks, inner = x.reshape(blocked_shape(x.shape, block, axis)), axis % x.ndim + 1
    amax = np.maximum(blocks.max(axis=inner, initial=0), -blocks.min(axis=inner, initial=0))
    if not np.isfinite(amax).all():
        finite = np.where(np.isfinite(blocks), blocks, 0)
        amax = np.abs(finite).max(axis=inner, initial=0)
    return np.asarray(np.abs(amax), dtype=np.float64)  # a maximum of zeros may be -0
