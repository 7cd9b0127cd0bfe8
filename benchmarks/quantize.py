"""Speed of quantisation, as ratios to other packages.

    python benchmarks/quantize.py [--elements 10000000] [--rounds 7]

One thread, processor time. Every ratio is of minima over rounds in which all candidates took turns,
in one process.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ml_dtypes
import numpy as np

from benchmarks.timing import best_of
from systolab.formats import get, native

FORMATS = ("e4m3fn", "e5m2", "adaptivfloat:8,3", "int:8", "posit:8,1", "lns:8,3", "bfloat16")


def numpy_adaptivfloat(x: np.ndarray, bits: int, exponent_bits: int) -> np.ndarray:
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
    return sign * np.ldexp(fraction, exponent)


def main() -> None:
    """Print a table of nanoseconds per element and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    n = arguments.elements
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
    seconds = best_of(runs, arguments.rounds)
    print(f"{native.status()}; {n} binary32 values; nanoseconds per value")
    print(f"{'':44}{'ns':>8}" + "".join(f"{'x faster than ' + p:>40}" for p in peers))
    for label in runs:
        ratios = "".join(f"{seconds[p] / seconds[label]:40.1f}" for p in peers)
        print(f"{label:44}{seconds[label] / n * 1e9:8.2f}{ratios}")


if __name__ == "__main__":
    main()
