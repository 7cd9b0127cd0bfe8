"""Scales from several batches of data: largest magnitude, percentile, least squared error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.choices import choice, integer, shown
from systolab.formats.projection.projection import binary32_key
from systolab.formats.scaling.quantization import as_real
from systolab.formats.scaling.quantizer import Quantizer
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["PERCENT", "Calibration", "CalibrationMethod"]

PERCENT = 99.99  # of the magnitudes, where nothing else is said

_BIN_BITS = np.uint32(12)  # bins of 2^12 neighbouring binary32 values: 1/2048 of a binade
_STEPS = 64


class CalibrationMethod(StrEnum):
    """What the scale is fitted to."""

    MAX = "max"  #: the largest magnitude
    PERCENTILE = "percentile"  #: a magnitude that the given share of the values does not exceed
    MSE = "mse"  #: the largest magnitude, shrunk to where the mean squared error is least


@dataclass(frozen=True, eq=False)
class _Histogram:
    """Values grouped by the upper 20 bits of their binary32 keys, ascending."""

    bins: NDArray[np.uint32]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    largest: NDArray[np.float64]  # magnitude

    @classmethod
    def of(cls, x: NDArray[np.float32]) -> _Histogram:
        x = np.sort(x[np.isfinite(x)], axis=None)
        wide = x.astype(np.float64)
        return cls._merged(
            binary32_key(x) >> _BIN_BITS, np.ones(x.shape, np.int64), wide, np.abs(wide)
        )

    @classmethod
    def _merged(
        cls,
        bins: NDArray[np.uint32],
        counts: NDArray[np.int64],
        sums: NDArray[np.float64],
        largest: NDArray[np.float64],
    ) -> _Histogram:
        order = np.argsort(bins, kind="stable")
        distinct, starts = np.unique(bins[order], return_index=True)
        if not len(starts):
            return cls(distinct, counts, sums, largest)
        return cls(
            distinct,
            np.add.reduceat(counts[order], starts),
            np.add.reduceat(sums[order], starts),
            np.maximum.reduceat(largest[order], starts),
        )

    def merge(self, other: _Histogram) -> _Histogram:
        return self._merged(
            np.concatenate([self.bins, other.bins]),
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.sums, other.sums]),
            np.concatenate([self.largest, other.largest]),
        )

    def percentile(self, percent: float) -> float:
        """Largest magnitude of the bin in which the percentile of the magnitudes falls."""
        if not len(self.bins):
            return 0.0
        order = np.argsort(self.largest, kind="stable")
        reached = np.cumsum(self.counts[order]) >= percent / 100 * self.counts.sum()
        return float(self.largest[order][int(np.argmax(reached))])


def _as_binary32(batch: ArrayLike) -> NDArray[np.float32]:
    """Data in binary32; what is finite stays so."""
    x = as_real(batch).values
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    overflow = np.isinf(single) & np.isfinite(x)
    return np.where(overflow, np.copysign(np.finfo(np.float32).max, single), single)


class Calibration:
    """Collects batches, then gives a scale.

    Every batch adds to a histogram, so memory does not grow with the number of batches; the order
    of the batches matters only in the last bit of a bin's mean. NaN and infinities are ignored.
    """

    def __init__(
        self,
        fmt: Quantizer,
        method: str = CalibrationMethod.MAX,
        percent: float = PERCENT,
        axis: int | None = None,
    ) -> None:
        """Prepare a calibration.

        Args:
            fmt: the format whose scaling rule is applied.
            method: what the scale is fitted to, a ``CalibrationMethod`` or its value.
            percent: the share for ``PERCENTILE``, above 0 and up to 100.
            axis: keep this axis: a scale for each of its indices.

        Raises:
            SystolabError: the format is block-scaled, there is no such method, or ``percent`` is
                out of range.
        """
        if not isinstance(getattr(fmt, "scaling", None), Scaling):
            raise SystolabError(
                f"Calibration must be of a Format, not {shown(fmt)}: systolab.format gives one"
            )
        if fmt.scaling.block is not None:
            raise SystolabError(
                f"Calibration must be of a format with one scale per tensor or channel, not of "
                f"{fmt.name}: its block scales follow the data"
            )
        number = isinstance(percent, int | float | np.number) and not isinstance(percent, bool)
        if not number or not 0 < percent <= 100:
            raise SystolabError(
                Parameter("percent"), f" must be above 0 and up to 100, not {shown(percent)}"
            )
        self._format = fmt
        self._method = choice("Calibration", CalibrationMethod, method)
        self._percent = 100.0 if self._method is not CalibrationMethod.PERCENTILE else percent
        self._axis = None if axis is None else integer("Axis", axis)
        self._channels: list[_Histogram] | None = None
        self._dimensions = 0

    def observe(self, batch: ArrayLike) -> None:
        """Add a batch.

        Raises:
            SystolabError: the batch has no such axis, or another number of channels than before.
        """
        x = _as_binary32(batch)
        if self._axis is None:
            slices = x.reshape(1, -1)
        elif -x.ndim <= self._axis < x.ndim:
            slices = np.moveaxis(x, self._axis, 0)
            slices = slices.reshape(len(slices), -1)
        else:
            raise SystolabError(
                f"Axis must be within the batch's {x.ndim} dimensions, not {self._axis}"
            )
        found = [_Histogram.of(part) for part in slices]
        if self._channels is not None:
            if len(found) != len(self._channels):
                raise SystolabError(
                    f"Batch must have {len(self._channels)} channels, not {len(found)}"
                )
            found = [old.merge(new) for old, new in zip(self._channels, found, strict=True)]
        self._channels, self._dimensions = found, x.ndim

    def scale(self) -> NDArray[np.float32]:
        """The scale of all batches seen: shape (), or broadcastable along the kept axis.

        Raises:
            SystolabError: no batch was observed.
        """
        if self._channels is None:
            raise SystolabError("Calibration must observe at least one batch before it scales")
        amax = np.array([histogram.percentile(self._percent) for histogram in self._channels])
        if self._method is CalibrationMethod.MSE and self._format.scaling.kind != ScaleKind.NONE:
            best = [self._least_error(h, a) for h, a in zip(self._channels, amax, strict=True)]
            scales = np.array(best, dtype=np.float32)
        else:
            scales = self._format.scale_for(amax)
        if self._axis is None:
            return scales.reshape(())
        shape = [1] * self._dimensions
        shape[self._axis] = len(scales)
        return scales.reshape(shape)

    def _least_error(self, histogram: _Histogram, amax: float) -> np.float32:
        """Try shrinking the largest magnitude; on equal errors the larger scale wins."""
        if self._format.scaling.kind is ScaleKind.POW2:
            shrunk = amax * 2.0 ** -np.arange(-1, 8)
        else:
            shrunk = amax * np.arange(_STEPS, _STEPS // 8, -1) / _STEPS
        scales = np.unique(self._format.scale_for(shrunk))[::-1]
        mean = histogram.sums / histogram.counts
        errors = []
        for scale in scales.astype(np.float64):
            value = self._format.values[self._format.encode(mean / scale)] * scale
            errors.append(float((histogram.counts * (mean - value) ** 2).sum()))
        return np.float32(scales[int(np.argmin(errors))])
