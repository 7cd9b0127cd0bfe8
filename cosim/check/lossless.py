"""Cases on which an error of one unit of a sum is an error of the output code.

The bias takes the expected sum away and the scale makes one unit of it a step of the output format,
so the expected outputs are zero (or the smallest value) and the output encoder hides nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import Case
from systolab.cosim.check import block_scales, inputs
from systolab.cosim.check.kernels import Data, negated, size, smallest, stored, symmetric
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.codes import Codes
from systolab.formats.dot.postprocess import to_binary32
from systolab.formats.engines.engine import Result
from systolab.rtl import values
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.block_gemm import block_gemm_kernel, block_length, product_kernel
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel
from systolab.rtl.kernel.modes import Mode

__all__ = [
    "backgrounds",
    "block_sums",
    "cancelling",
    "edge_lengths",
    "every_code",
    "nulled",
    "overflowing",
    "pairs",
]

_LONGEST_SCALED = 2048  # longest reduction of block-scaled operands


def every_code(array: Array, mode: Mode, lanes: int, rng: np.random.Generator) -> list[Case]:
    """Every code of each operand alone against the smallest magnitude of the other, lossless.

    One outer iteration a code: the code sits in one lane and every other product is zero. Of
    formats with many codes: evenly spaced ones.

    Args:
        array: the machine.
        mode: dataflow.
        lanes: how many different lanes each code sits in, in turn.
        rng: block scales are drawn from it.
    """
    cases = []
    R, C = array.rows, array.cols
    for is_a, fmt in ((True, array.act), (False, array.weight)):
        codes = inputs.thinned(inputs.usable_codes(fmt, False))
        repeats = min(R, lanes if fmt.bits <= 8 else 1)
        n = len(codes) * repeats
        code = np.tile(codes, repeats)
        turn = np.repeat(np.arange(repeats) * (R // repeats), len(codes))
        lane = (np.arange(n) + turn) % R
        kernel = _one_by_one(array, mode, n)
        a = np.full((n, R), array.act.zero_code)
        a[np.arange(n), lane] = code if is_a else smallest(array.act)
        other = np.full((n, C), smallest(array.weight) if is_a else 0)
        if not is_a:
            other[:] = code[:, None]
        w = other
        if mode.description.sums_lanes:
            tiles = np.full((n, R, C), array.weight.zero_code)
            tiles[np.arange(n), lane] = other
            w = tiles.reshape(n, R * C)
        case = Case(
            kernel,
            stored(a.reshape(-1), array.act),
            stored(w.reshape(-1), array.weight),
            np.ones(n * C, np.float32),
            np.zeros(n * C, np.float32),
            -np.inf,
            np.inf,
            stored(np.zeros(size(kernel.o), np.int64), array.out),
        )
        row = np.zeros(n, np.int64) if mode.description.sums_lanes else lane
        cases.append(nulled(array, block_scales.scaled(array, case, rng), row))
    return cases


def _one_by_one(array: Array, mode: Mode, n: int) -> Kernel:
    """Outer iterations, n of them, each with operands, parameters and outputs of its own."""
    R, C = array.rows, array.cols
    a = AccessPattern(0, ((n, R),), (R, 1))
    p = AccessPattern(0, ((n, C),), (C, 1))
    if mode.description.sums_lanes:
        w = AccessPattern(0, ((n, R * C), (R, C)), (C, 1))
        return Kernel(mode, (n,), (), (), a, w, p, p)
    w = AccessPattern(0, ((n, C),), (C, 1))
    o = AccessPattern(0, ((n, R * C), (R, C)), (C, 1))
    return Kernel(mode, (n,), (), (), a, w, o, p)


def nulled(array: Array, case: Case, row: NDArray[np.int64]) -> Case:
    """The case with parameters that make the expected outputs zero and any error visible.

    The bias is minus the scaled sum of one accumulator row for each outer iteration (none where it
    is not finite); the scale
    makes one unit of the sum (or of its binary32 rounding, where that is coarser) more than any
    decision of the output format beside zero. Every output column of every outer iteration must
    have its own parameters.

    Args:
        array: the machine.
        case: the case; its parameters are replaced.
        row: for each outer iteration the accumulator row that is taken away.
    """
    unclamped = replace(case, lo=-np.inf, hi=np.inf)
    result = values.run(array, unclamped, keep_acc=True)
    assert result.acc is not None
    chosen = cast(Result, result.acc[np.arange(len(row)), row])
    sums = to_binary32(chosen, result.lsb)
    in_binary32 = array.block_scaled or isinstance(array.accumulator, Float32)
    floor = 0.0 if in_binary32 else 2.0**result.lsb
    points = array.out.codebook.points
    smallest_step = float(np.abs(points[points != 0]).min()) if (points != 0).any() else 1.0
    gain = 4 * smallest_step  # beyond every decision beside zero
    # Without negative values an error downwards would saturate at zero, unseen.
    target = np.float32(0 if (points < 0).any() else smallest_step)
    index = case.kernel.p.addresses()
    scale, bias = case.scale.copy(), case.bias.copy()
    with np.errstate(all="ignore"):
        unit = np.maximum(np.spacing(np.abs(sums)).astype(np.float64), floor)
        factor = np.clip(gain / unit, 2.0**-100, 2.0**100).astype(np.float32)
        away = target - sums * factor if target else -(sums * factor)
    finite = np.isfinite(sums)
    scale[index] = np.where(finite, factor, np.float32(1))
    bias[index] = np.where(finite, away, np.float32(0))
    return replace(case, scale=scale, bias=bias, lo=-np.inf, hi=np.inf)


def cancelling(array: Array, data: Data, mode: Mode, length: int) -> Case:
    """One output row whose products cancel almost completely, lossless.

    The second half of the reduction is the first one negated; one product of the smallest
    magnitudes is left over. Blocks of the second half are scaled by the same factors as those of
    the first, made of other scales.
    """
    rng = data.rng
    half = length // 2
    n = array.cols
    if array.block_scaled:
        block = max(1, min(block_length(array), half))
        half = half // block * block
        kernel = block_gemm_kernel(array, 1, 2 * half + 1, n, block)
        case = data.case(kernel)
        a, w = (block_scales.near(rng, half // block * count) for count in (1, n))
        one = np.ones(n, np.float32)
        case = replace(
            case,
            a_scale=np.concatenate([a, 2 * a, one[:1]]),
            w_scale=np.concatenate([w, w / 2, one]),
        )
    else:
        kernel = gemm_kernel(array, 1, 2 * half + 1, n, mode)
        case = data.case(kernel)
    a_codes = rng.choice(symmetric(array.act), half)
    w_codes = rng.choice(symmetric(array.weight), (half, n))
    tail = np.full((1, n), smallest(array.weight))
    codes = np.concatenate([a_codes, negated(array.act, a_codes), [smallest(array.act)]])
    case.a[:] = stored(codes, array.act)
    case.w[:] = stored(np.concatenate([w_codes, w_codes, tail]).reshape(-1), array.weight)
    return nulled(array, case, np.zeros(1, np.int64))


def overflowing(
    array: Array,
    data: Data,
    mode: Mode,
    length: int,
    beyond: bool = False,
    small: bool = False,
) -> Case:
    """One output row of products of the largest magnitude, of one sign in each column, lossless.

    Columns alternate in sign; the last step is a random product. Block scales are 1, or such that
    sums go ``beyond`` the largest binary32 about halfway. The last product may be the ``small``est
    there is, so that the sum has all the bits that one can have.
    """
    n = array.cols
    kernel = product_kernel(array, 1, length, n, mode)
    case = data.case(kernel)
    act, weight = inputs.extreme_codes(array.act), inputs.extreme_codes(array.weight)
    positive = _largest(array.act.values, act, 1)
    both = [_largest(array.weight.values, weight, sign) for sign in (1, -1)]
    w = np.tile(np.resize(both, n), (length, 1))
    w[-1] = data.rng.choice(inputs.usable_codes(array.weight, False), n)
    case.a[:] = stored(np.full(length, positive), array.act)
    if small:
        case.a[-1], w[-1] = smallest(array.act), smallest(array.weight)
    case.w[:] = stored(w.reshape(-1), array.weight)
    if case.a_scale is not None and case.w_scale is not None:
        half = max(1, length // 2) * array.act.max * array.weight.max
        power = 128 - math.floor(math.log2(half)) if beyond else 0
        case.a_scale[:] = 2.0 ** (power // 2)
        case.w_scale[:] = 2.0 ** (power - power // 2)
    return nulled(array, case, np.zeros(1, np.int64))


def edge_lengths(array: Array) -> list[int]:
    """Reductions of largest products that end around the accumulator's limits, and the longest."""
    # Block-scaled, the width of the sums depends on the rows alone.
    longest = min(array.k_max, _LONGEST_SCALED) if array.block_scaled else array.k_max
    limit = longest // array.rows * array.rows  # whole tiles
    # Every power of two, so that sums of largest products have every bit as their highest one.
    lengths = {3, array.rows, array.rows + 1, limit, *(1 << k for k in range(2, 32))}
    parameters = specialise(array)
    if not parameters.float32:
        product = array.act.ratio * array.weight.ratio << parameters.product_shift
        edge = (1 << (parameters.acc_bits - 1)) // product
        lengths |= {edge - 1, edge, edge + 1, edge + 2, 2 * edge + 1, 3 * edge}
    return sorted(length for length in lengths if 2 <= length <= limit)


def pairs(
    array: Array,
    mode: Mode,
    act: Codes,
    weight: Codes,
    background: tuple[Codes, Codes],
    rng: np.random.Generator,
) -> Case:
    """Every code of ``act`` times every code of ``weight``, each added to the same other products.

    A product is in one lane of the last reduction tile, all other products of that tile are zero.
    The lane differs from code to code.

    Args:
        array: the machine.
        mode: dataflow.
        act: codes of A.
        weight: codes of W.
        background: codes of A and W, each [t, rows], of the t reduction tiles before the last;
            where lanes are not summed every code is a step of its own.
        rng: block scales are drawn from it.
    """
    R, C = array.rows, array.cols
    groups = -(-len(weight) // C)
    padded = np.full(groups * C, array.weight.zero_code)
    padded[: len(weight)] = weight
    lane = np.arange(len(act)) % R
    a_last = np.full((len(act), R), array.act.zero_code)
    a_last[np.arange(len(act)), lane] = act
    n, g = len(act), groups
    p = AccessPattern(0, ((n, g * C), (g, C)), (C, 1))
    a_before, w_before = background
    if mode.description.sums_lanes:
        t = len(a_before) + 1
        a = np.empty((n, t, R), np.int64)
        a[:, :-1], a[:, -1] = a_before, a_last
        w = np.empty((g, t, R, C), np.int64)
        w[:, :-1] = w_before[:, :, None]
        w[:, -1] = padded.reshape(g, 1, C)
        a_pattern = AccessPattern(0, ((n, t * R), (g, 0), (t, R)), (R, 1))
        w_loops = ((n, 0), (g, t * R * C), (t, R * C), (R, C))
        w_pattern = AccessPattern(0, w_loops, (C, 1))
        kernel = Kernel(mode, (n, g), (t,), (), a_pattern, w_pattern, p, p)
        row = np.zeros(n * g, np.int64)
    else:
        t = a_before.size + 1
        a = np.empty((n, t, R), np.int64)
        a[:, :-1], a[:, -1] = a_before.reshape(-1, 1), a_last
        w = np.empty((g, t, C), np.int64)
        w[:, :-1] = w_before.reshape(-1, 1)
        w[:, -1] = padded.reshape(g, C)
        a_pattern = AccessPattern(0, ((n, t * R), (g, 0), (t, R)), (R, 1))
        w_pattern = AccessPattern(0, ((n, 0), (g, t * C), (t, C)), (C, 1))
        o = AccessPattern(0, ((n, g * R * C), (g, R * C), (R, C)), (C, 1))
        kernel = Kernel(mode, (n, g), (t,), (), a_pattern, w_pattern, o, p)
        row = np.repeat(lane, g)
    case = Case(
        kernel,
        stored(a.reshape(-1), array.act),
        stored(w.reshape(-1), array.weight),
        np.ones(n * g * C, np.float32),
        np.zeros(n * g * C, np.float32),
        -np.inf,
        np.inf,
        stored(np.zeros(size(kernel.o), np.int64), array.out),
    )
    return nulled(array, block_scales.scaled(array, case, rng), row)


def backgrounds(array: Array, rng: np.random.Generator, count: int) -> list[tuple[Codes, Codes]]:
    """What a product is added to: nothing, extremes of both signs, small and random sums."""
    a_extreme, w_extreme = inputs.extreme_codes(array.act), inputs.extreme_codes(array.weight)
    a_usable = inputs.usable_codes(array.act, False)
    w_usable = inputs.usable_codes(array.weight, False)
    chosen: list[tuple[Codes, Codes]] = []
    for i in range(count):
        tiles = (1, 1, 1, 2, 3)[i % 5]
        shape = (tiles, array.rows)
        if i < 3:
            # The largest magnitude of both operands, the same with one sign changed, the smallest.
            a_code = smallest(array.act) if i == 2 else _largest(array.act.values, a_extreme, 1)
            w_code = (
                smallest(array.weight)
                if i == 2
                else _largest(array.weight.values, w_extreme, 1 if i == 0 else -1)
            )
            codes = np.full(shape, a_code, np.uint16), np.full(shape, w_code, np.uint16)
        else:
            codes = rng.choice(a_usable, shape), rng.choice(w_usable, shape)
        chosen.append(codes)
    return chosen


def _largest(table: NDArray[np.float64], codes: Codes, sign: int) -> int:
    return int(codes[int(np.argmax(sign * table[codes]))])


def block_sums(array: Array, rng: np.random.Generator) -> list[tuple[Codes, Codes]]:
    """Sums to which block scales are applied, as codes of A and W, each [tiles, rows].

    The largest in a tile of its own, the smallest product, and a random tile after another.
    """
    rows = array.rows
    formats = (array.act, array.weight)
    a_large, w_large = (
        np.full((1, rows), _largest(fmt.values, inputs.extreme_codes(fmt), 1)) for fmt in formats
    )
    a_small, w_small = (
        stored(np.array([[smallest(fmt)] + [fmt.zero_code] * (rows - 1)]), fmt) for fmt in formats
    )
    a_any, w_any = (rng.choice(inputs.usable_codes(fmt, False), (2, rows)) for fmt in formats)
    return [(a_large, w_large), (a_small, w_small), (a_any, w_any)]
