"""Build time and speed of the Verilated arrays, against three other drivers.

    python -m benchmarks.simulation [SHAPE ...]

For each shape: cold builds (runtime included, each in a fresh cache) without and with PyVerilator's
entry points, cached ones, and cycles a CPU second of the batch driver on one 8-bit AdaptivFloat
matrix product, in both dataflows.

Then, on a 16x16 array and one kernel in each dataflow, cycles a CPU second of four ways to drive
the same hardware: the batch driver, a pure C++ program, PyVerilator and cocotb, all on one core.
All must give the software model's codes and cycles. Measurements alternate and the best of each
counts, as other load on the machine only ever slows one down. cocotb comes with the `bench` extra.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import parser, start
from benchmarks.drivers.measure import Batch, Cocotb, Loop, PyVerilatorPorts
from benchmarks.drivers.workload import FORMAT, array, workload
from systolab import formats
from systolab.cosim.simulator.model import Model
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array, parse_array
from systolab.rtl.kernel.modes import Mode

BUILDS = 3
ROUNDS = 15
SLICE = 0.2  # CPU seconds of one measurement, where the kernel takes less


def _speed(model: Model, mode: Mode, seconds: float = 2.0) -> float:
    array = model.array
    m, k, n = 256, 4 * array.rows, 2 * array.cols
    kernel = gemm_kernel(array, m, k, n, mode)
    rng = np.random.default_rng(0)
    a, w = (rng.integers(0, 256, size).astype(np.uint8) for size in (m * k, k * n))
    scale, bias = np.full(n, 1e-3, np.float32), np.zeros(n, np.float32)
    job = Job(kernel, a, w, scale, bias, -np.inf, np.inf, np.zeros(m * n, np.uint8))
    total, start = 0, time.thread_time()
    while time.thread_time() - start < seconds:
        total += model.run(job).cycles
    return total / (time.thread_time() - start)


def _builds(array: Array) -> None:
    """Print times of cold and cached builds, and the speed of the model."""
    program = (
        "from systolab import formats\n"
        "from systolab.cosim.simulator.model import Model\n"
        "from systolab.formats.arithmetic.accumulator import Exact\n"
        "from systolab.rtl import Array\n"
        f"f = formats.get({FORMAT!r})\n"
        f"Model(Array({array.rows}, {array.cols}, f, f, f, Exact()))\n"
    )
    for python in (True, False):
        cold: list[float] = []
        cached: list[float] = []
        process: list[float] = []
        for _ in range(BUILDS):
            with tempfile.TemporaryDirectory() as cache:
                os.environ["SYSTOLAB_CACHE"] = cache
                for times in (cold, cached):
                    start = time.perf_counter()
                    model = Model(array, python=python)
                    times.append(time.perf_counter() - start)
                if not python:
                    start = time.perf_counter()
                    subprocess.run([sys.executable, "-c", program], check=True)
                    process.append(time.perf_counter() - start)
        seconds = [statistics.median(times) for times in (cold, cached)]
        print(
            f"{array.name}: build {'for PyVerilator' if python else 'plain'} "
            f"{seconds[0]:.1f} s cold, {seconds[1]:.3f} s cached"
            + (f", {statistics.median(process):.2f} s as a process of its own" if process else "")
            + f" (medians of {BUILDS})",
            flush=True,
        )
    speeds = {mode: _speed(model, mode) for mode in Mode}
    print(
        f"{array.name}: "
        + "; ".join(
            f"{mode} {speed / 1e3:.0f} k cycles a CPU second" for mode, speed in speeds.items()
        ),
        flush=True,
    )


def _compare(folder: Path) -> None:
    """Print the speed of the drivers, and the ratios."""
    machine = array()
    drivers: list[Batch | Loop | PyVerilatorPorts | Cocotb] = [
        Batch(machine),
        Loop(machine, folder),
        PyVerilatorPorts(machine, automatic=True),
        PyVerilatorPorts(machine, automatic=False),
    ]
    try:
        drivers.append(Cocotb(machine, folder))
    except ImportError:
        print("cocotb must be installed to be compared (pip install 'systolab[bench]'): left out")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for mode in Mode:
        work = workload(mode)
        codes, cycles = work.expected()
        speeds = {driver.name: 0.0 for driver in drivers}
        for _ in range(ROUNDS):
            for driver in drivers:
                sample = driver.measure(work, SLICE)
                if sample.cycles != cycles or not np.array_equal(sample.codes, codes):
                    raise SystemExit(f"{driver.name} differs from the software model")
                speeds[driver.name] = max(speeds[driver.name], sample.speed)
        print(f"{machine.name}, {mode}, {cycles:,} cycles; the same codes and cycles from all:")
        for name, speed in speeds.items():
            ratio = speeds[Batch.name] / speed
            print(f"  {name:22} {speed:9,.0f} cycles a CPU second; batch driver {ratio:6.2f}x")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the shapes named on the command line, then compare the drivers."""
    options = parser(__doc__)
    options.add_argument("shapes", nargs="*", default=["4x4", "8x8", "16x16", "32x32"])
    shapes = options.parse_args(arguments).shapes
    fmt = formats.get(FORMAT)
    arrays = [Array(*parse_array(shape), fmt, fmt, fmt, Exact()) for shape in shapes]
    with tempfile.TemporaryDirectory() as folder:
        for array in arrays:
            _builds(array)
        os.environ["SYSTOLAB_CACHE"] = f"{folder}/cache"
        _compare(Path(folder))
    return 0


if __name__ == "__main__":
    start(main)
