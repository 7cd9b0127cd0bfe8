"""Speed of quantisation, as ratios to other packages.

    python -m benchmarks.quantize [--elements 10000000] [--rounds 7]

One thread, processor time. Every ratio is of minima over rounds in which all candidates took turns,
in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import parser, start
from benchmarks.timing import best_of
from systolab.formats import get, native

F32 = NDArray[np.float32]
FORMATS = ("e4m3fn", "e5m2", "adaptivfloat:8,3", "int:8", "posit:8,1", "lns:8,3", "bfloat16")


def numpy_adaptivfloat(x: F32, bits: int, exponent_bits: int) -> NDArray[np.floating]:
    """AdaptivFloat as its paper writes it down, one array operation after the other."""
    fraction_bits = bits - 1 - exponent_bits
    sign, magnitude = np.sign(x), np.abs(x)
    top = np.floor(np.log2(magnitude.max()))
    bias = top - (2**exponent_bits - 1)
    smallest = 2.0**bias * (1 + 2.0**-fraction_bits)
    largest = 2.0**top * (2 - 2.0**-fraction_bits)
    magnitude = np.where(magnitude < smallest / 2, 0, magnitude)
    magnitude = np.where((magnitude > 0) & (magnitude < smallest), smallest, magnitude)
    magnitude = np.minimum(magnitude, largest)
    fraction, exponent = np.frexp(magnitude)
    fraction = np.round(fraction * 2.0 ** (fraction_bits + 1)) / 2.0 ** (fraction_bits + 1)
    return np.asarray(sign * np.ldexp(fraction, exponent))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of nanoseconds per element and ratios."""
    options = parser(__doc__, elements=10_000_000, rounds=7).parse_args(arguments)
    n = options.elements
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {
        "ml_dtypes float8_e4m3fn": lambda: x.astype(ml_dtypes.float8_e4m3fn),
        "numpy AdaptivFloat<8,3>": lambda: numpy_adaptivfloat(x, 8, 3),
    }
    peers = tuple(runs)
    for name in FORMATS:
        fmt = get(name)
        runs[f"{name} encode"] = partial(fmt.encode, x)
        runs[f"{name} quantize (scale fitted)"] = partial(fmt.quantize, x)
    seconds = best_of(runs, options.rounds)
    print(f"{native.status()}; {n} binary32 values; nanoseconds per value")
    print(f"{'':44}{'ns':>8}" + "".join(f"{'x faster than ' + p:>40}" for p in peers))
    for label in runs:
        ratios = "".join(f"{seconds[p] / seconds[label]:40.1f}" for p in peers)
        print(f"{label:44}{seconds[label] / n * 1e9:8.2f}{ratios}")
    return 0


if __name__ == "__main__":
    start(main)
