"""What a layout costs: one 3x3 convolution of 64 channels with its image in NHWC and in NCHW.

Same products, same array, same weights; only the strides of the A and O streams differ. Prints the
exact prediction and the RTL's count with the breakdown that docs/machine.md explains.

    python -m benchmarks.layouts [--array 16x16] [--side 28] [--format adaptivfloat:8,3]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.command import parser, random_codes, start
from systolab.cosim.simulator.model import Model
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import AccessPattern, Array, Guard, Kernel, Mode, parse_array
from systolab.rtl.kernel.job import Job
from systolab.rtl.timing.timing import timing
from systolab.rtl.values import run

CHANNELS = 64
Ints = tuple[int, ...]
Loops = tuple[tuple[int, int], ...]


def convolution(array: Array, side: int, strides: tuple[int, int, int], mode: Mode) -> Kernel:
    """3x3 convolution, padding 1, of a square image of 64 channels, weights [3, 3, C, OC].

    Args:
        array: machine configuration; its sides must divide 64.
        side: height and width.
        strides: of image and result, by (channel, row, column).
        mode: dataflow.
    """
    channel, row, column = strides
    r, c, n = array.rows, array.cols, CHANNELS
    tiles = n // c
    outer: Ints
    reduction: Ints
    rows: Ints
    a_strides: Ints
    w_strides: Ints
    w_loops: Loops
    o_loops: Loops
    o_guards: tuple[Guard, ...]
    if mode.description.sums_lanes:
        high = max(h for h in range(1, side + 1) if side % h == 0 and h * side <= array.acc_rows)
        blocks = side // high
        # Loops: output tile, row block | kernel row, kernel column, channel tile | row, column.
        outer, reduction, rows = (tiles, blocks), (3, 3, n // r), (high, side)
        a_strides = (0, high * row, row, column, r * channel, row, column)
        a_guards = (
            Guard(-1, (0, high, 1, 0, 0, 1, 0), 0, side),
            Guard(-1, (0, 0, 0, 1, 0, 0, 1), 0, side),
        )
        a_lane, o_loops = (r, channel), ((tiles, c * channel), (blocks, high * row))
        w_strides = (c, 0, 3 * n * n, n * n, r * n)
        w_loops = (*zip((*outer, *reduction), w_strides, strict=True), (r, n))
        o_loops = (*o_loops, (high, row), (side, column))
        o_guards = ()
    else:
        spans = -(-side // r)
        # Loops: output tile, row, span of columns | kernel row, kernel column, channel.
        outer, reduction, rows = (tiles, side, spans), (3, 3, n), ()
        a_strides = (0, row, r * column, row, column, channel)
        a_guards = (
            Guard(-1, (0, 1, 0, 1, 0, 0), 0, side),
            Guard(-1, (0, 0, r, 0, 1, 0), 1, side),
        )
        a_lane = (r, column)
        w_strides = (c, 0, 0, 3 * n * n, n * n, n)
        w_loops = tuple(zip((*outer, *reduction), w_strides, strict=True))
        o_loops = ((tiles, c * channel), (side, row), (spans, r * column), (r, column))
        o_guards = (Guard(0, (0, 0, r, 1), 0, side),)
    a_loops = tuple(zip((*outer, *reduction, *rows), a_strides, strict=True))
    p_loops = tuple((length, c if i == 0 else 0) for i, length in enumerate(outer))
    return Kernel(
        mode,
        outer,
        reduction,
        rows,
        AccessPattern(-row - column, a_loops, a_lane, a_guards),
        AccessPattern(0, w_loops, (c, 1)),
        AccessPattern(0, o_loops, (c, channel), o_guards),
        AccessPattern(0, p_loops, (c, 1)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 if the RTL differs from the software model."""
    options = parser(__doc__, array="16x16", side=28, format="adaptivfloat:8,3")
    args = options.parse_args(arguments)
    fmt, side = get(args.format), args.side
    array = Array(*parse_array(args.array), fmt, fmt, fmt, Exact())
    model = Model(array)
    rng = np.random.default_rng(0)
    pixels = CHANNELS * side * side
    a = random_codes(fmt, pixels, rng)
    w = random_codes(fmt, 9 * CHANNELS**2, rng)
    scale, bias = np.full(CHANNELS, 2.0**-8, np.float32), np.zeros(CHANNELS, np.float32)
    memories = (a, w, scale, bias, -np.inf, np.inf, np.zeros_like(a))
    macs = pixels * CHANNELS * 9
    print(f"3x3, 64 to 64 channels, {side}x{side}, on {array.name}: {macs:,} MACs")
    differences = 0
    for layout, strides in (
        ("NHWC", (1, side * CHANNELS, CHANNELS)),
        ("NCHW", (side * side, side, 1)),
    ):
        for mode in Mode:
            kernel = convolution(array, side, strides, mode)
            predicted = timing(kernel, array)
            job = Job(kernel, *memories)
            found = model.run(job)
            wrong = int(np.count_nonzero(found.o != run(array, job).o_mem))
            differences += wrong + (found.cycles != predicted.cycles)
            parts = ", ".join(f"{k} {v:,}" for k, v in vars(predicted.breakdown).items())
            busy = macs / (found.cycles * array.rows * array.cols)
            print(
                f"{layout} {mode}: predicted {predicted.cycles:,}, RTL {found.cycles:,}, "
                f"busy {busy:.1%}, {wrong} codes differ\n    {parts}"
            )
    return 1 if differences else 0


if __name__ == "__main__":
    start(main)
