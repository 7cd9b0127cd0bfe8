"""How a scale is fitted to data: real value = decode(code) * scale."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import SystolabError
from systolab.formats.outside.choices import choice, integer, shown

__all__ = [
    "ScaleKind",
    "ScaleRule",
    "Scaling",
    "as_scales",
    "check_axis",
    "largest_scale",
    "magnitudes",
]

_MAX_BLOCK = 1 << 16  # elements; the longest loop of the machine
_SMALLEST = 2.0**-126
_SMALLEST_EXPONENT = -127  # of E8M0
_OVERFLOW = 2.0**128 - 2.0**103  # the first number that binary32 rounds to an infinity


class ScaleKind(StrEnum):
    """Which numbers a scale may be."""

    NONE = "none"  #: always 1
    POW2 = "pow2"  #: a power of two, as E8M0 has them
    BINARY32 = "binary32"  #: any normal binary32


class ScaleRule(StrEnum):
    """How a power-of-two scale is chosen from the largest magnitude ``a``.

    With ``M`` the format's largest value; ``floor`` is OCP MX's rule and AdaptivFloat's.
    """

    FLOOR = "floor"  #: floor(log2 a) - floor(log2 M): the top binade may be clipped
    CEIL = "ceil"  #: ceil(log2 a) - floor(log2 M)
    EVEN = "even"  #: as floor, a first rounded (nearest even) to the significand width of M
    RCEIL = "rceil"  #: ceil(log2(a / M)): the smallest that clips nothing


@dataclass(frozen=True)
class Scaling:
    """A scaling rule.

    Attributes:
        kind: which scales are allowed.
        rule: how a power of two is chosen.
        block: elements that share a scale along one axis; None: a tensor's or a channel's.

    Raises:
        SystolabError: kind or rule is none of those, or a block has no elements.
    """

    kind: ScaleKind = ScaleKind.NONE
    rule: ScaleRule = ScaleRule.FLOOR
    block: int | None = None

    def __post_init__(self) -> None:
        """Take the command line's spelling of kind and rule, too."""
        object.__setattr__(self, "kind", choice("Scale", ScaleKind, self.kind))
        object.__setattr__(self, "rule", choice("Rule of scales", ScaleRule, self.rule))
        if self.block is not None:
            object.__setattr__(self, "block", integer("Block size", self.block, 1, _MAX_BLOCK))

    @classmethod
    def of(cls, given: Scaling | str) -> Scaling:
        """A scaling, or the one whose scales are of the kind that is given.

        Raises:
            SystolabError: it is neither.
        """
        if isinstance(given, Scaling):
            return given
        if not isinstance(given, str):
            raise SystolabError(
                f"Scaling must be a systolab.Scaling or one of {', '.join(ScaleKind)}, "
                f"not {shown(given)}"
            )
        return cls(choice("Scaling", ScaleKind, given))

    def scale_of(self, amax: NDArray[np.float64], top: float, width: int) -> NDArray[np.float32]:
        """Scales for largest magnitudes ``amax`` (any shape).

        Zero (no finite nonzero data) gives 1. Powers of two are kept at 2^-127 and above, others
        at 2^-126, and all where the rounded product with ``top`` is finite.

        Args:
            amax: largest finite magnitudes, as binary64.
            top: the format's largest finite value, unscaled.
            width: significand bits of ``top``.
        """
        empty = amax == 0
        safe = np.where(empty, 1.0, amax)
        match self.kind:
            case ScaleKind.NONE:
                return np.ones(amax.shape, np.float32)
            case ScaleKind.BINARY32:
                with np.errstate(over="ignore"):
                    scale = np.clip(safe / top, _SMALLEST, largest_scale(top))
            case ScaleKind.POW2:
                exponent = self._exponent(safe, top, width)
                largest = int(np.frexp(largest_scale(top))[1]) - 1
                scale = np.ldexp(1.0, np.clip(exponent, _SMALLEST_EXPONENT, largest))
        return np.where(empty, 1.0, scale).astype(np.float32)

    def _exponent(self, amax: NDArray[np.float64], top: float, width: int) -> NDArray[np.int64]:
        significand, exponent = np.frexp(amax)  # amax = significand * 2^exponent, in [1/2, 1)
        floor = exponent.astype(np.int64) - 1
        top_floor = int(np.frexp(top)[1]) - 1
        base: NDArray[np.int64] = floor - top_floor
        match self.rule:
            case ScaleRule.FLOOR:
                carry = np.zeros(base.shape, np.bool_)
            case ScaleRule.CEIL:
                carry = significand > 0.5
            case ScaleRule.EVEN:
                carry = np.rint(np.ldexp(significand, width)) == 2.0**width
            case ScaleRule.RCEIL:
                carry = significand > float(np.frexp(top)[0])
        return base + carry.astype(np.int64)


def as_scales(given: object) -> NDArray[np.float32] | None:
    """Scales in binary32; None where one is not a positive binary32."""
    try:
        numbers = np.asarray(given)
    except (ValueError, TypeError):  # ragged
        return None
    if numbers.dtype.kind not in "fiu":
        return None
    with np.errstate(over="ignore", under="ignore"):
        scales = numbers.astype(np.float32)
    return scales if (np.isfinite(scales) & (scales > 0)).all() else None


def largest_scale(value: float) -> float:
    """The largest binary32 whose product with ``value`` >= 0 is finite after rounding to binary32.

    A value of 24 significant bits: the product is exact in binary64.
    """
    end = float(np.finfo(np.float32).max)
    scale = np.float32(end if value * end < _OVERFLOW else _OVERFLOW / value)
    return float(scale if float(scale) * value < _OVERFLOW else np.nextafter(scale, np.float32(0)))


def check_axis(x: NDArray[np.floating], axis: int) -> None:
    """Make sure that ``x`` has an axis.

    Raises:
        SystolabError: it has no such axis.
    """
    if not -x.ndim <= integer("Axis", axis) < x.ndim:
        raise SystolabError(f"Axis must be within the tensor's {x.ndim} dimensions, not {axis}")


def magnitudes(x: NDArray[np.floating], axis: int | None = None) -> NDArray[np.float64]:
    """Largest finite magnitude of a tensor, or of each slice along ``axis`` (kept, others 1).

    NaN and infinities are left out; nothing finite gives 0.
    """
    if axis is not None:
        check_axis(x, axis)
    others = None if axis is None else tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    high = np.max(x, axis=others, keepdims=axis is not None, initial=0.0)
    low = np.min(x, axis=others, keepdims=axis is not None, initial=0.0)
    amax = np.maximum(high, -low)
    if np.isfinite(amax).all():
        return np.asarray(amax, dtype=np.float64)
    finite = np.isfinite(x)
    high = np.max(x, axis=others, keepdims=axis is not None, initial=0.0, where=finite)
    low = np.min(x, axis=others, keepdims=axis is not None, initial=0.0, where=finite)
    return np.asarray(np.maximum(high, -low), dtype=np.float64)
