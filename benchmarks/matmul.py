"""Speed of the engines behind `systolab.formats.dot`, as ratios to NumPy and to other packages.

    python -m benchmarks.matmul [--size 512] [--rounds 9]

One thread, processor time. Every ratio is of minima over rounds in which all candidates took turns,
in one process.
apytypes is compared where it is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial

import ml_dtypes
import numpy as np

from benchmarks.command import parser, start
from benchmarks.timing import best_of
from systolab.formats import get, native
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.dot.product import dot

CASES = (
    ("int:8", "exact", 16),
    ("adaptivfloat:8,3", "exact", 16),
    ("adaptivfloat:8,3", "wrap:32", 16),
    ("e4m3fn", "exact", 16),
    ("posit:8,1", "exact", 16),
    ("e5m2", "wrap:64", 16),
    ("e4m3fn", "saturate:38", 16),
    ("adaptivfloat:8,3", "float32", 1),
    ("e4m3fn", "float32", 16),
    ("e4m3fn", "float:e4m3fn", 1),
    ("e4m3fn", "float:binary16", 16),
    ("bfloat16", "float:bfloat16", 1),
    ("posit:8,1", "float:posit:8,1", 1),
)
NARROW = ml_dtypes.float8_e4m3fn


def codes(fmt_name: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Codes of normally distributed data, as a network's are."""
    data = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return get(fmt_name).quantize(data).codes


def numpy_rank1(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Binary32 sums in reduction order."""
    acc = np.zeros((a.shape[0], w.shape[1]), np.float32)
    product = np.empty_like(acc)
    for k in range(a.shape[1]):
        np.multiply(a[:, k : k + 1], w[k], out=product)
        np.add(acc, product, out=acc)
    return acc


def ml_dtypes_rank1(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Sums in reduction order that ml_dtypes rounds after each operation."""
    acc = np.zeros((a.shape[0], w.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        acc = acc + a[:, k : k + 1] * w[k]
    return acc


def peers(small: int) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """Other packages that round after each operation, on `small`-sized matrices."""
    rng = np.random.default_rng(0)
    a, w = (rng.standard_normal((small, small)).astype(NARROW) for _ in range(2))
    found: dict[str, Callable[[], object]] = {"ml_dtypes rank-1": lambda: ml_dtypes_rank1(a, w)}
    if importlib.util.find_spec("apytypes") is not None:
        from apytypes import APyFloatArray

        x, y = (
            APyFloatArray.from_float(v.astype(np.float64), exp_bits=4, man_bits=3) for v in (a, w)
        )
        found["apytypes a @ b"] = lambda: x @ y
    return found, dict.fromkeys(found, small**3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of ratios."""
    options = parser(__doc__, size=512, rounds=9).parse_args(arguments)
    n, small = options.size, min(options.size, 128)
    rng = np.random.default_rng(0)
    real = [rng.standard_normal((n, n)) for _ in range(2)]
    single = [x.astype(np.float32) for x in real]
    runs: dict[str, Callable[[], object]] = {
        "numpy float64 @": lambda: real[0] @ real[1],
        "numpy float32 rank-1": lambda: numpy_rank1(*single),
    }
    work = dict.fromkeys(runs, n**3)
    others, other_work = peers(small)
    runs |= others
    work |= other_work
    engines = {}
    for name, accumulator, group in CASES:
        fmt, kind = get(name), parse_accumulator(accumulator)
        a, w = codes(name, (n, n), 1), codes(name, (n, n), 2)
        run = partial(dot, a, w, fmt, fmt, kind, group)
        label = f"{name}, {accumulator}, group {group}"
        engines[label], runs[label], work[label] = run().engine, run, n**3
    fmt, kind = get("e4m3fn"), parse_accumulator("float32")
    a, w = codes("e4m3fn", (small, small), 1), codes("e4m3fn", (small, small), 2)
    runs["softfloat engine"] = lambda: dot(a, w, fmt, fmt, kind, 16, "softfloat")
    work["softfloat engine"], engines["softfloat engine"] = small**3, "softfloat"

    seconds = best_of(runs, options.rounds)
    rate = {label: work[label] / seconds[label] / 1e6 for label in runs}
    print(f"{native.status()}; {n}^3 (peers and SoftFloat {small}^3); millions of MAC per second")
    columns = ("numpy float64 @", "numpy float32 rank-1", *others)
    print(f"{'':44}{'engine':18}{'rate':>9}" + "".join(f"{'x ' + c:>24}" for c in columns))
    for label in runs:
        ratios = "".join(f"{rate[label] / rate[c]:24.2f}" for c in columns)
        print(f"{label:44}{engines.get(label, ''):18}{rate[label]:9.0f}{ratios}")
    return 0


if __name__ == "__main__":
    start(main)
