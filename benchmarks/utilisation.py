"""How busy the array is: a 1024x1024x1024 matrix product in both dataflows, counted by the RTL.

Beside it stands SCALE-Sim's weight-stationary count, folds * (2R + C + T - 2), for the same
product: every fold of R x C weights pays its own loading and draining there, while this machine
loads the next weights and drains the last sums behind the computation.

    python -m benchmarks.utilisation [--array 16x16] [--size 1024] [--format adaptivfloat:8,3]
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.command import parser, random_codes, start
from systolab.cosim.simulator.model import Model
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import Array, Mode, parse_array
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.timing.timing import timing
from systolab.rtl.values import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 if the RTL differs from the software model."""
    options = parser(__doc__, array="16x16", size=1024, format="adaptivfloat:8,3")
    args = options.parse_args(arguments)
    rows, cols = parse_array(args.array)
    fmt, size = get(args.format), args.size
    array = Array(rows, cols, fmt, fmt, fmt, Exact())
    model = Model(array)
    rng = np.random.default_rng(0)
    a = random_codes(fmt, (size, size), rng)
    w = random_codes(fmt, (size, size), rng)
    scale, bias = np.full(size, 2.0**-8, np.float32), np.zeros(size, np.float32)
    o = np.zeros(size * size, a.dtype)
    macs = size**3
    print(f"{size}x{size}x{size} on {array.name}, {fmt.name}: {macs:,} MACs")
    print("dataflow            predicted    RTL cycles   busy     simulated")
    differences = 0
    for mode in Mode:
        # Lanes of A run along k in weight-stationary mode, along m in output-stationary mode:
        # the layout of A puts them side by side in memory.
        rowwise = mode.description.sums_lanes
        kernel = gemm_kernel(
            array, size, size, size, mode, a_strides=(size, 1) if rowwise else (1, size)
        )
        a_mem = (a if rowwise else a.T).reshape(-1)
        job = Job(kernel, a_mem, w.reshape(-1), scale, bias, -np.inf, np.inf, o)
        predicted = timing(kernel, array).cycles
        begin = time.perf_counter()
        found = model.run(job)
        seconds = time.perf_counter() - begin
        expected = run(array, job).o_mem
        wrong = int(np.count_nonzero(found.o != expected))
        differences += wrong + (found.cycles != predicted)
        busy = macs / (found.cycles * rows * cols)
        print(
            f"{mode:18} {predicted:10,}    {found.cycles:10,}   {busy:6.2%}   "
            f"{found.cycles / seconds / 1e6:.2f} Mcycle/s, {wrong} codes differ"
        )
    folds = -(-size // rows) * -(-size // cols)
    scale_sim = folds * (2 * rows + cols + size - 2)
    busy = macs / (scale_sim * rows * cols)
    print(f"SCALE-Sim's count  {scale_sim:10,}                 {busy:6.2%}   weight-stationary")
    return 1 if differences else 0


if __name__ == "__main__":
    start(main)
