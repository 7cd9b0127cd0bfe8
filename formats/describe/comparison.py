"""Published behaviours of "AdaptivFloat<8,3>" side by side on the same data.

They share the name and the data's largest magnitude; they do not share results. The reference is
the nearest value in the paper's value set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.registry.registry import get

__all__ = ["Behaviour", "compare_adaptivfloat"]

_VARIANTS = {
    "adaptivfloat:8,3": "the paper and its authors' 2020 code",
    "adaptivfloat2022:8,3": "the authors' 2022 code",
    "flexasr": "FlexASR's conversion of its fixed-point accumulator",
}


@dataclass(frozen=True)
class Behaviour:
    """One format's results on normal and Laplace samples.

    Attributes:
        name: spelling of the format.
        source: where this behaviour is published.
        differing: percentage of samples that are not the nearest value of the paper's set.
        rms_error: root mean square of the quantisation error.
    """

    name: str
    source: str
    differing: dict[str, float]
    rms_error: dict[str, float]


def compare_adaptivfloat(count: int = 1_000_000, seed: int = 0) -> tuple[Behaviour, ...]:
    """Quantise ``count`` samples of N(0, 1) and of Laplace(0, 1/2) with each behaviour."""
    rng = np.random.default_rng(seed)
    data = {
        "normal": rng.standard_normal(count).astype(np.float32),
        "laplace": rng.laplace(0, 0.5, count).astype(np.float32),
    }
    nearest = {kind: _nearest(x) for kind, x in data.items()}
    rows = []
    for name, source in _VARIANTS.items():
        fmt = get(name)
        differing, rms = {}, {}
        for kind, x in data.items():
            value = fmt.quantize(x).dequantize().astype(np.float64)
            differing[kind] = 100 * float(np.mean(value != nearest[kind]))
            rms[kind] = float(np.sqrt(np.mean((value - x) ** 2)))
        rows.append(Behaviour(name, source, differing, rms))
    return tuple(rows)


def _nearest(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Nearest value of the paper's set by rounding the mantissa; shares nothing with ``Format``."""
    wide = x.astype(np.float64)
    top = np.frexp(np.abs(wide).max())[1] - 1
    smallest = np.ldexp(1 + 2.0**-4, top - 7)
    unit = np.ldexp(1.0, np.clip(np.frexp(wide)[1] - 1, top - 7, top) - 4)
    value = np.clip(np.rint(wide / unit) * unit, -31 * 2.0 ** (top - 4), 31 * 2.0 ** (top - 4))
    value = np.where(np.abs(value) < smallest, np.copysign(smallest, wide), value)
    result: NDArray[np.float64] = np.where(np.abs(wide) < smallest / 2, 0.0, value)
    return result
