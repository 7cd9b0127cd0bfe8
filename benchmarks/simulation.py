"""Build time and speed of the Verilated arrays: ``python benchmarks/simulation.py [SHAPE ...]``.

For each shape: a cold build (runtime included) in a fresh cache, a cached one, and cycles a second
of the batch driver on one 8-bit AdaptivFloat matrix product, in both dataflows.
"""

import os
import sys
import tempfile
import time

import numpy as np

import formats
from cosim.model import Model
from formats.accumulator import Exact
from rtl.gemm import gemm_kernel
from rtl.kernel import Array, Mode, parse_array


def _speed(model: Model, mode: Mode, seconds: float = 2.0) -> float:
    array = model.array
    m, k, n = 256, 4 * array.rows, 2 * array.cols
    kernel = gemm_kernel(array, m, k, n, mode)
    rng = np.random.default_rng(0)
    a, w = (rng.integers(0, 256, size).astype(np.uint8) for size in (m * k, k * n))
    scale, bias = np.full(n, 1e-3, np.float32), np.zeros(n, np.float32)
    o = np.zeros(m * n, np.uint8)
    total, start = 0, time.thread_time()
    while time.thread_time() - start < seconds:
        total += model.run(kernel, a, w, scale, bias, -np.inf, np.inf, o)[1]
    return total / (time.thread_time() - start)


def main() -> None:
    """Measure the shapes named on the command line."""
    fmt = formats.get("adaptivfloat:8,3")
    for shape in sys.argv[1:] or ["4x4", "8x8", "16x16", "32x32"]:
        array = Array(*parse_array(shape), fmt, fmt, fmt, Exact())
        with tempfile.TemporaryDirectory() as cache:
            os.environ["SYSTOLAB_CACHE"] = cache
            times = []
            for _ in range(2):
                start = time.perf_counter()
                model = Model(array)
                times.append(time.perf_counter() - start)
            speeds = {mode: _speed(model, mode) for mode in Mode}
        print(
            f"{shape}: build {times[0]:.1f} s cold, {times[1]:.2f} s cached; "
            + "; ".join(
                f"{mode} {speed / 1e3:.0f} k cycles a CPU second" for mode, speed in speeds.items()
            )
        )


if __name__ == "__main__":
    main()
