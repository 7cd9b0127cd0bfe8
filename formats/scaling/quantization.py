"""Codes of scaled data: the projection of ``x / scale``, by the cheapest way that is exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.codes import Codes, blocked_shape, expand_blocks, split_blocks
from systolab.formats.errors import SystolabError
from systolab.formats.projection.rounding import Rounding
from systolab.formats.scaling.quantizer import Quantizer
from systolab.formats.scaling.scaling import check_axis, magnitudes

__all__ = ["Quantized", "as_real", "block_magnitudes", "quantize"]

_CHUNK = 1 << 16
_SHORT_RUN = 64  # below: one call for each run of equal scales would cost more than it saves


class Quantized(NamedTuple):
    """Codes and scales; block and axis as in ``QuantizedTensor``."""

    codes: Codes
    scale: NDArray[np.float32]
    block: int | None = None
    axis: int = -1


def as_real(x: ArrayLike) -> NDArray[np.floating]:
    """binary64 for binary64 and integers, binary32 for the narrower floats.

    NaN, infinities and -0 stay; what binary64 cannot hold of an integer or a longer float is
    rounded.

    Raises:
        SystolabError: the data are not real numbers.
    """
    array = np.asarray(x)
    if array.dtype.kind == "V" and np.can_cast(array.dtype, np.float32):  # types of ml_dtypes
        return array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise SystolabError(f"Data must be real numbers, not {array.dtype}")
    if array.dtype.kind != "f" or array.dtype.itemsize > 4:
        return array.astype(np.float64, copy=False)
    return array.astype(np.float32, copy=False)


def quantize(fmt: Quantizer, x: ArrayLike, axis: int | None, scale: ArrayLike | None) -> Quantized:
    """Codes and scales; special cases, arguments and errors as of ``Format.quantize``."""
    array = as_real(x)
    if fmt.scaling.block is not None:
        return _quantize_blocks(fmt, array, fmt.scaling.block, -1 if axis is None else axis, scale)
    used = fmt.fit_scale(array, axis) if scale is None else _checked(scale)
    codes = _encode_quotients(fmt, array, _broadcast(used, array.shape))
    return Quantized(codes, used)


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
    checked = np.asarray(scale, dtype=np.float32)
    bad = ~(np.isfinite(checked) & (checked > 0))
    if bad.any():
        raise SystolabError(
            f"Scale must be a positive finite number, not {float(checked[bad].flat[0])!r}"
        )
    return checked


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
        return fmt.encode(x.astype(np.float64) / scale)
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
    out: Codes = np.empty(x.shape, fmt.code_type)
    rows = max(_CHUNK * len(x) // x.size, 1)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        out[part] = fmt.encode(np.divide(x[part], scale[part], dtype=kind))
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
