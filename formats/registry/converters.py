"""Formats from other packages' descriptions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from systolab.formats.errors import SystolabError
from systolab.formats.families.floating import NAMED, Float, Layout, Specials
from systolab.formats.families.integer import Fixed
from systolab.formats.format import Format
from systolab.formats.registry.registry import get

if TYPE_CHECKING:
    from gfloat import FormatInfo

__all__ = ["from_dtype", "from_gfloat"]

_DTYPES = {
    "float16": "binary16",
    "bfloat16": "bfloat16",
    "float8_e5m2": "e5m2",
    "float8_e5m2fnuz": "e5m2fnuz",
    "float8_e4m3": "e4m3",
    "float8_e4m3fn": "e4m3fn",
    "float8_e4m3fnuz": "e4m3fnuz",
    "float8_e4m3b11fnuz": "e4m3b11fnuz",
    "float8_e3m4": "e3m4",
    "float6_e3m2fn": "e3m2",
    "float6_e2m3fn": "e2m3",
    "float4_e2m1fn": "e2m1",
    "int2": "int:2",
    "int4": "int:4",
    "int8": "int:8",
    "int16": "int:16",
    "uint2": "uint:2",
    "uint4": "uint:4",
    "uint8": "uint:8",
    "uint16": "uint:16",
}


def from_dtype(dtype: DTypeLike) -> Format:
    """The format of a NumPy or ml_dtypes type; an array's ``view`` as codes then means the same.

    Raises:
        SystolabError: the type has no format here (wider than 16 bits, or without zero).
    """
    name = np.dtype(dtype).name
    if name not in _DTYPES:
        raise SystolabError(f"Type must be one of {', '.join(_DTYPES)}, not {name}")
    return get(_DTYPES[name])


def from_gfloat(info: FormatInfo) -> Format:
    """The format that a ``gfloat.FormatInfo`` describes, checked against gfloat's table.

    Raises:
        SystolabError: it is wider than 16 bits, or its layout has no spelling here.
    """
    from gfloat import decode_ndarray  # an optional package, needed only here

    if info.k > 16:
        raise SystolabError(f"Width of {info.name} must be up to 16 bits, not {info.k}")
    fmt = Fixed(info.k, info.k - 2 + info.bias) if info.is_twos_complement else _float(info)
    theirs = np.asarray(decode_ndarray(info, np.arange(1 << info.k)), np.float64)
    same = (fmt.values == theirs) & (np.signbit(fmt.values) == np.signbit(theirs))
    wrong = ~(same | (np.isnan(fmt.values) & np.isnan(theirs)))
    if wrong.any():
        code = int(np.argmax(wrong))
        raise SystolabError(
            f"Layout of {info.name} must be one that systolab can spell: code {code:#x} is "
            f"{float(theirs[code])!r} there and {float(fmt.values[code])!r} in {fmt.name}"
        )
    return fmt


def _float(info: FormatInfo) -> Format:
    extended = info.domain.name == "Extended"
    mantissa = info.precision - 1
    if info.is_signed and not info.has_nz:
        specials = Specials.P3109 if extended else Specials.FNUZ
    elif not info.is_signed and extended:
        specials = Specials.P3109
    elif extended:
        specials = Specials.IEEE
    else:
        specials = Specials.FN if info.num_high_nans else Specials.FINITE
    layout = Layout(
        exponent=info.k - mantissa - info.is_signed,
        mantissa=mantissa,
        bias=info.bias,
        specials=specials,
        subnormals=info.has_subnormals,
        signed=info.is_signed,
    )
    known = [name for name, candidate in NAMED.items() if candidate == layout]
    return get(known[0]) if known else Float(layout)
