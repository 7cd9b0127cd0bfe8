"""Sign, exponent and significand of every code, for integer hardware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format

__all__ = ["Decomposition", "decompose"]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """``value = (-1)^sign * significand * 2^exponent * quantum`` for every finite code.

    ``significand < 2^sig_bits`` with the smallest ``sig_bits`` the table allows, and the smallest
    ``exponent >= 0`` for each value under it. Zeros, NaN and infinities have all three at 0.

    Attributes:
        sign, significand, exponent: int64, shape [2^bits].
        sig_bits: width of the significand.
        exp_max: largest exponent.
    """

    sign: NDArray[np.int64]
    significand: NDArray[np.int64]
    exponent: NDArray[np.int64]
    sig_bits: int
    exp_max: int


def decompose(fmt: Format) -> Decomposition:
    """Decompose a format's table."""
    values = np.where(np.isfinite(fmt.values), fmt.values, 0.0)
    nonzero = values != 0
    fraction, power = np.frexp(np.abs(values) / fmt.quantum)
    integer = (fraction * 2.0**24).astype(np.int64)  # values are binary32: 24 bits hold them
    lowest = np.frexp((integer & -integer).astype(np.float64))[1] - 1
    sig_bits = int((24 - lowest[nonzero]).max()) if nonzero.any() else 1
    exponent = np.where(nonzero, np.maximum(power.astype(np.int64) - sig_bits, 0), 0)
    significand = np.ldexp(fraction, power - exponent).astype(np.int64)
    return Decomposition(
        sign=(nonzero & (values < 0)).astype(np.int64),
        significand=significand,
        exponent=exponent,
        sig_bits=sig_bits,
        exp_max=int(exponent.max()),
    )
