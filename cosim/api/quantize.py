"""Tensors in a number format, products of them, and what quantising loses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from systolab.cosim.terminal.shown import Facts, Part, Shown
from systolab.formats.arithmetic.accumulator import AccumulatorLike, parse_accumulator
from systolab.formats.codes import Codes
from systolab.formats.describe.properties import Loss
from systolab.formats.describe.properties import loss as measure
from systolab.formats.dot.product import DotResult
from systolab.formats.dot.product import dot as dot_codes
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.format import Format, QuantizedTensor
from systolab.formats.outside.choices import choice
from systolab.formats.registry.registry import FormatLike, get
from systolab.formats.scaling.calibration import PERCENT, Calibration, CalibrationMethod
from systolab.formats.scaling.quantization import as_real

__all__ = ["LossReport", "dot", "fake_quantize", "loss", "quantize"]

_BARS = 16
_HISTOGRAM = "codes by their values, before the scale, and how often each occurs:"
_BAR_WIDTH = 38  # a line of the histogram fits 80 columns


def quantize(
    x: ArrayLike,
    format: FormatLike,
    *,
    axis: int | None = None,
    scale: ArrayLike | None = None,
) -> QuantizedTensor:
    """Quantise real numbers: codes with the scales that were fitted to them.

    >>> import systolab as sl
    >>> tensor = sl.quantize([0.1, -0.7, 3.0], "int:8,scale=pow2")
    >>> tensor.codes
    array([  3, 234,  96], dtype=uint8)
    >>> float(tensor.scale)
    0.03125

    Args:
        x: data of any shape.
        format: number format; its scaling rule fits the scales.
        axis: None: one scale. k: one scale for each index of axis k; with block scaling, the axis
            the blocks run along (the last).
        scale: scales to use instead of fitted ones.

    Raises:
        SystolabError: the data are not real, or a scale is not a positive finite number or does
            not fit the shape.
    """
    return get(format).quantize(x, axis, scale)


def fake_quantize(
    x: ArrayLike,
    format: FormatLike,
    *,
    axis: int | None = None,
    scale: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """What is left of real numbers after quantising: the values of the codes, in binary32.

    >>> import systolab as sl
    >>> sl.fake_quantize([0.1, -0.7, 3.0], "int:8,scale=pow2")
    array([ 0.09375, -0.6875 ,  3.     ], dtype=float32)

    Args:
        x: data of any shape.
        format: number format.
        axis: as of ``quantize``.
        scale: as of ``quantize``.

    Raises:
        SystolabError: as of ``quantize``.
    """
    return quantize(x, format, axis=axis, scale=scale).dequantize()


def dot(
    a: QuantizedTensor | Codes,
    w: QuantizedTensor | Codes,
    format: FormatLike | None = None,
    *,
    weight: FormatLike | None = None,
    accumulator: AccumulatorLike = "exact",
    group: int = 1,
    engine: str = "auto",
) -> DotResult:
    """The matrix product of codes, summed as the hardware sums them.

    Sums are of unscaled values: multiply them by the operands' scales.

    >>> import systolab as sl
    >>> a = sl.quantize([[1.5, 2.0]], "adaptivfloat:8,3")
    >>> w = sl.quantize([[3.0], [-0.5]], "adaptivfloat:8,3")
    >>> sums = sl.dot(a, w)
    >>> float(sums.acc[0, 0] * 2.0**sums.lsb * a.scale * w.scale)
    3.5

    Args:
        a: activations [M, K]: a quantised tensor, or codes of ``format``.
        w: weights [K, N]: a quantised tensor, or codes of ``weight``.
        format: format of ``a``, where it is given as codes.
        weight: format of ``w``, where it is given as codes; None: as of ``a``.
        accumulator: how products are summed.
        group: how many products are summed before they are added to the accumulator: the lanes
            of a weight-stationary kernel, which reports of ``run`` and ``map`` call ``group``; 1
            in an output-stationary one.
        engine: what computes; every engine gives the same sums.

    Raises:
        SystolabError: the operands do not fit each other, or their formats the accumulator or the
            engine.
    """
    codes_a, format_a = _operand(a, format, "format")
    same = None if isinstance(w, QuantizedTensor) else format_a
    codes_w, format_w = _operand(w, same if weight is None else weight, "weight")
    return dot_codes(
        codes_a, codes_w, format_a, format_w, parse_accumulator(accumulator), group, engine
    )


def _operand(
    operand: QuantizedTensor | Codes, format: FormatLike | None, name: str
) -> tuple[Codes, Format]:
    if isinstance(operand, QuantizedTensor):
        if format is not None:
            raise SystolabError(
                Parameter(name), f" must be left to the quantised tensor, not {format!r}"
            )
        return operand.codes, operand.format
    if format is None:
        raise SystolabError(Parameter(name), " must say what the codes mean; it is missing")
    return operand, get(format)


@dataclass(frozen=True, repr=False)
class LossReport(Shown):
    """A quantised tensor and what quantising it lost.

    Attributes:
        tensor: codes, scales and format.
        loss: signal to noise ratio, largest error, clipped and flushed values.
    """

    tensor: QuantizedTensor = field(repr=False)
    loss: Loss

    @property
    def headline(self) -> str:
        """Format, shape and ratio, in a line."""
        facts = dict(self.facts())
        return f"{facts['format']}, shape {facts['shape']}: SQNR {facts['SQNR']}"

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        shape = list(self.tensor.codes.shape)
        return asdict(self.loss) | {"format": self.tensor.format.name, "shape": shape}

    def parts(self) -> list[Part]:
        """Facts, and how often the codes occur."""
        return [
            Facts(self.facts(), 12),
            "",
            _HISTOGRAM,
            self.histogram(),
        ]

    def facts(self) -> list[tuple[str, str]]:
        """Labels and values."""
        tensor, result = self.tensor, self.loss
        low, high = float(tensor.scale.min(initial=np.inf)), float(tensor.scale.max(initial=0))
        scale = (
            f"{low:.9g}"
            if tensor.scale.size == 1
            else f"{low:.9g} to {high:.9g}, {tensor.scale.size} scales"
        )
        return [
            ("format", tensor.format.name),
            ("shape", "x".join(map(str, tensor.codes.shape)) or "scalar"),
            ("scale", scale),
            ("SQNR", "no error" if result.sqnr_db is None else f"{result.sqnr_db:.2f} dB"),
            ("max error", f"{result.max_error:.6g}"),
            ("clipped", f"{100 * result.clipped:.4f} %"),
            ("flushed", f"{100 * result.flushed:.4f} %"),
            ("non-finite", str(result.nonfinite)),
            ("codes used", f"{result.codes_used} of {2**tensor.format.bits}"),
        ]

    def histogram(self) -> str:
        """How often the codes occur, in groups of neighbouring values."""
        tensor = self.tensor
        book = tensor.format.codebook
        counts = np.bincount(tensor.codes.reshape(-1), minlength=2**tensor.format.bits)[book.codes]
        edges = np.linspace(0, len(counts), min(_BARS, len(counts)) + 1).astype(int)
        groups = [int(counts[a:b].sum()) for a, b in pairwise(edges)]
        most = max(max(groups), 1)
        rows = []
        for (a, b), count in zip(pairwise(edges), groups, strict=True):
            bar = "#" * -(-count * _BAR_WIDTH // most)
            rows.append(
                f"{book.points[a]:>12.5g} .. {book.points[b - 1]:<12.5g} {count:>10}  {bar}"
            )
        return "\n".join(line.rstrip() for line in rows)


def loss(
    x: ArrayLike,
    format: FormatLike,
    *,
    axis: int | None = None,
    calibrate: str | None = None,
    percent: float | None = None,
) -> LossReport:
    """Quantise real numbers and measure what that loses.

    >>> import systolab as sl
    >>> report = sl.loss([0.1, -0.7, 3.0], "int:8,scale=pow2")
    >>> round(report.loss.max_error, 5), report.loss.codes_used
    (0.0125, 3)

    Args:
        x: data of any shape.
        format: number format.
        axis: as of ``quantize``.
        calibrate: how the scale is fitted: ``"max"``, ``"percentile"`` or ``"mse"``; None: by the
            format's scaling rule.
        percent: share of the values that a scale of ``"percentile"`` does not clip; None: 99.99.

    Raises:
        SystolabError: as of ``quantize``, or the format's scale cannot be fitted in this way.
    """
    data, fmt = as_real(x).values, get(format)
    scale = None
    method = None
    if calibrate is not None:
        method = choice(Parameter("calibrate"), CalibrationMethod, calibrate)
    if percent is not None and method is not CalibrationMethod.PERCENTILE:
        needed = Parameter("calibrate", str(CalibrationMethod.PERCENTILE))
        raise SystolabError(Parameter("percent"), " must come with ", needed)
    if method is not None:
        share = PERCENT if percent is None else percent
        calibration = Calibration(fmt, method, share, axis=axis)
        calibration.observe(data)
        scale = calibration.scale()
    tensor = fmt.quantize(x, axis, scale)
    return LossReport(tensor, measure(data, tensor))
