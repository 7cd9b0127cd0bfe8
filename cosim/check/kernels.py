"""Random and worst-case kernels with their data, for the whole machine."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import Case
from systolab.cosim.check import block_scales, inputs
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.codes import Codes
from systolab.formats.format import Format
from systolab.rtl.kernel.block_gemm import block_gemm_kernel, block_length, product_kernel
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.kernel import AccessPattern, Array, Guard, Kernel
from systolab.rtl.kernel.modes import Dimension

__all__ = [
    "MOST_BOUNDARIES",
    "Data",
    "negated",
    "pipeline",
    "random_gemm",
    "random_kernel",
    "rms",
    "size",
    "smallest",
    "stored",
    "symmetric",
]

_F32 = NDArray[np.float32]

_WORK = 4000  # vectors of a random kernel's A stream, at most
_SCALED_TILES = 48  # tiles of a block-scaled one, which the software sums one by one
MOST_BOUNDARIES = 1 << 15  # values at decision boundaries that one kernel takes as biases
_SPAN = 1 << 14  # codes a random pattern may spread over


class Data:
    """Random operands and parameters for the kernels of one array."""

    def __init__(self, array: Array, rng: np.random.Generator) -> None:
        """Draw from ``rng``."""
        self.array = array
        self.rng = rng
        specials = isinstance(array.accumulator, Float32)
        self._codes = {
            fmt.name: inputs.usable_codes(fmt, specials) for fmt in (array.act, array.weight)
        }
        self._finite = {
            fmt.name: inputs.usable_codes(fmt, False) for fmt in (array.act, array.weight)
        }

    def codes(self, fmt: Format, count: int) -> Codes:
        """Random codes: any, mostly zero, or extremes; specials are rare where they may be."""
        kind = self.rng.integers(0, 8)
        pool = self._codes[fmt.name] if kind == 0 else self._finite[fmt.name]
        chosen = self.rng.choice(pool, count)
        if kind in (1, 2):
            chosen = np.where(self.rng.random(count) < 0.8, fmt.zero_code, chosen)
        elif kind == 3:
            chosen = self.rng.choice(inputs.extreme_codes(fmt), count)
        return stored(chosen, fmt)

    def finite(self, fmt: Format, count: int) -> Codes:
        """Random codes of finite values, all alike."""
        return stored(self.rng.choice(self._finite[fmt.name], count), fmt)

    def parameters(self, count: int, length: int) -> tuple[_F32, _F32, float, float]:
        """Scale, bias and clamp that spread outputs over the output format, and odd ones."""
        array, rng = self.array, self.rng
        typical = math.sqrt(length) * rms(array.act) * rms(array.weight)
        middle = rms(array.out) / max(typical, 1e-300)
        with np.errstate(over="ignore", under="ignore"):
            spread = middle * np.exp2(rng.uniform(-3, 3, count))
            scale = (spread * rng.choice([1.0, 1.0, 1.0, -1.0], count)).astype(np.float32)
            bias = (rms(array.out) * rng.normal(size=count)).astype(np.float32)
        bias[rng.random(count) < 0.3] = 0.0
        if rng.random() < 0.2:
            odd = rng.integers(0, 1 << 32, count, dtype=np.uint32).view(np.float32)
            scale = np.where(rng.random(count) < 0.3, odd, scale)
            bias = np.where(rng.random(count) < 0.3, odd[::-1], bias)
        limit = float(np.float32(abs(rng.normal()) * rms(array.out)))
        choices = ((-np.inf, np.inf), (0.0, np.inf), (-limit, limit), (0.0, limit))
        low, high = choices[int(rng.integers(0, len(choices)))]
        return scale, bias, low, high

    def case(self, kernel: Kernel, stalled: bool = False) -> Case:
        """A kernel with random data; outputs that it does not write hold random codes."""
        array, rng = self.array, self.rng
        parameters = self.parameters(int(kernel.p.addresses().max()) + 1, kernel.length)
        before = rng.integers(0, 1 << array.out.bits, size(kernel.o))
        return Case(
            kernel,
            self.codes(array.act, size(kernel.a)),
            self.codes(array.weight, size(kernel.w)),
            *parameters,
            stored(before, array.out),
            stall_seed=int(rng.integers(0, 1 << 31)) if stalled else None,
            a_scale=self.block_scales(kernel.sa),
            w_scale=self.block_scales(kernel.sw),
        )

    def block_scales(self, pattern: AccessPattern | None) -> _F32 | None:
        """Random block scales for stream SA or SW of a block-scaled kernel."""
        return None if pattern is None else block_scales.draw(self.rng, size(pattern))


def stored(codes: NDArray[np.integer], fmt: Format) -> Codes:
    """Codes in the type that memories of a format have."""
    return codes.astype(np.uint8) if fmt.bits <= 8 else codes.astype(np.uint16)


def rms(fmt: Format) -> float:
    """Root mean square of a format's values; 1 where all are zero."""
    points = fmt.codebook.points
    return float(np.sqrt(np.mean(np.square(points)))) or 1.0


def size(pattern: AccessPattern) -> int:
    """Codes of the smallest memory that a pattern stays within."""
    addresses = pattern.addresses()[pattern.active()]
    return int(addresses.max()) + 1 if addresses.size else 1


def random_kernel(array: Array, rng: np.random.Generator) -> Kernel:
    """A kernel with any loops, strides, lanes and guards the array takes; O is written once."""
    mode = array.modes[int(rng.integers(0, len(array.modes)))]
    description = mode.description
    a_lanes, w_lanes = int(rng.integers(1, array.rows + 1)), int(rng.integers(1, array.cols + 1))
    while True:
        outer = _lengths(rng, 3, 5)
        reduction = _lengths(rng, 3, 7)
        rows = _lengths(rng, 2, 12) if description.has_rows else ()
        vectors = math.prod(outer) * math.prod(reduction) * math.prod(rows)
        fits = math.prod(rows) <= array.acc_rows
        steps = math.prod(reduction) * (a_lanes if description.sums_lanes else 1)
        tiles = math.prod(outer) * math.prod(reduction)
        slow = array.block_scaled and tiles > _SCALED_TILES
        if fits and vectors <= _WORK and steps <= array.k_max and not slow:
            break
    p_index = _dense(rng, (*outer, w_lanes), gaps=False)
    p_strides = [0 if rng.random() < 0.4 else stride for stride in p_index[:-1]]
    loops = {
        Dimension.OUTER: outer,
        Dimension.REDUCTION: reduction,
        Dimension.ROWS: rows,
        Dimension.A_LANES: (a_lanes,),
    }

    def lengths(stream: str) -> tuple[int, ...]:
        return tuple(n for kind in description.walks[stream].loops for n in loops[kind])

    a = _random_pattern(rng, lengths("A"), a_lanes)
    w = _random_pattern(rng, lengths("W"), w_lanes)
    o = _output_pattern(rng, lengths("O"), w_lanes)
    p_base = int(rng.integers(0, 20))
    p = AccessPattern(p_base, tuple(zip(outer, p_strides, strict=True)), (w_lanes, p_index[-1]))
    kernel = Kernel(mode, outer, reduction, rows, a, w, o, p)
    return block_scales.random_patterns(kernel, rng) if array.block_scaled else kernel


def _lengths(rng: np.random.Generator, most: int, longest: int) -> tuple[int, ...]:
    return tuple(rng.integers(1, longest + 1, int(rng.integers(0, most + 1))).tolist())


def _random_pattern(
    rng: np.random.Generator, lengths: tuple[int, ...], lanes: int
) -> AccessPattern:
    """Any strides: contiguous, repeated, large, negative."""
    choices = np.array([0, 1, 1, 2, 3, 4, 5, 7, 8, 16, 17, 31, 64, 100, -1, -3, -8])
    strides = rng.choice(choices, len(lengths)).tolist()
    lane = int(rng.choice([0, 1, 1, 1, 2, 5, 16, -1, -4]))
    spans = [(n - 1) * s for n, s in zip(lengths, strides, strict=True)]
    spans.append((lanes - 1) * lane)
    base = -sum(min(span, 0) for span in spans) + int(rng.integers(0, 40))
    guards = _random_guards(rng, lengths, lanes)
    return AccessPattern(base, tuple(zip(lengths, strides, strict=True)), (lanes, lane), guards)


def _random_guards(
    rng: np.random.Generator, lengths: tuple[int, ...], lanes: int
) -> tuple[Guard, ...]:
    guards = []
    for _ in range(int(rng.choice([0, 0, 0, 1, 2, 4]))):
        strides = rng.integers(-2, 3, len(lengths))
        strides[rng.random(len(lengths)) < 0.5] = 0
        lane = int(rng.integers(-1, 2))
        spans = [(n - 1) * int(s) for n, s in zip(lengths, strides, strict=True)]
        spans.append((lanes - 1) * lane)
        low = sum(min(span, 0) for span in spans)
        high = sum(max(span, 0) for span in spans)
        bound = int(rng.integers(0, high - low + 3))
        offset = int(rng.integers(-1, high - low + 2)) - high
        guards.append(Guard(offset, tuple(strides.tolist()), lane, bound))
    return tuple(guards)


def _output_pattern(
    rng: np.random.Generator, lengths: tuple[int, ...], lanes: int
) -> AccessPattern:
    """Distinct addresses: a mixed-radix numbering of the loops in any order, some downwards."""
    strides = _dense(rng, (*lengths, lanes), gaps=True)
    base = int(rng.integers(0, 40))
    for i, length in enumerate((*lengths, lanes)):
        if rng.random() < 0.15:
            base += (length - 1) * strides[i]
            strides[i] = -strides[i]
    loops = tuple(zip(lengths, strides[:-1], strict=True))
    guards = _random_guards(rng, lengths, lanes)
    return AccessPattern(base, loops, (lanes, strides[-1]), guards)


def _dense(rng: np.random.Generator, lengths: tuple[int, ...], gaps: bool) -> list[int]:
    strides = [0] * len(lengths)
    order = list(rng.permutation(len(lengths)))
    if gaps and rng.random() < 0.6:  # mostly the lanes are contiguous
        order.remove(len(lengths) - 1)
        order.insert(0, len(lengths) - 1)
    stride = 1
    for i in order:
        strides[i] = stride
        stride *= lengths[i]
        if gaps and stride < _SPAN and rng.random() < 0.2:
            stride += int(rng.integers(0, 9))
    return strides


def random_gemm(array: Array, rng: np.random.Generator) -> Kernel:
    """A matrix product of any shape, each matrix row- or column-major, in blocks of any length."""
    m, k, n = (int(x) for x in rng.integers(1, 4 * max(array.rows, array.cols) + 2, 3))
    turned = rng.random(3) < 0.5
    shapes = ((m, k), (k, n), (m, n))
    strides = [(1, r) if t else (c, 1) for (r, c), t in zip(shapes, turned, strict=True)]
    if array.block_scaled:
        short = int(rng.integers(1, 3 * array.rows + 1))
        block = short if rng.random() < 0.5 else block_length(array)
        return block_gemm_kernel(array, m, k, n, block, *strides)
    mode = array.modes[int(rng.integers(0, len(array.modes)))]
    return gemm_kernel(array, m, k, n, mode, *strides)


def symmetric(fmt: Format) -> Codes:
    """Codes whose negated value is in the table as well."""
    codes = inputs.usable_codes(fmt, False)
    values = fmt.values[codes]
    return codes[np.isin(-values, values)]


def negated(fmt: Format, codes: Codes) -> Codes:
    """The codes of the values with the other sign."""
    points = fmt.codebook.points
    wanted = -fmt.values[codes]
    index = np.clip(np.searchsorted(points, wanted), 0, len(points) - 1)
    return fmt.codebook.codes[index].astype(np.uint16)


def smallest(fmt: Format) -> int:
    """The code of the smallest magnitude that is not zero."""
    book = fmt.codebook
    magnitude = np.where(book.points == 0, np.inf, np.abs(book.points))
    return int(book.codes[int(np.argmin(magnitude))])


def pipeline(array: Array, rng: np.random.Generator, count: int) -> Case:
    """Zero operands, so that every bit of scale, bias, clamp and encoder is seen.

    The bias is a decision boundary of the output format, its neighbours, or anything.
    """
    edges = inputs.boundaries(array.out)
    if len(edges) > MOST_BOUNDARIES:
        edges = rng.choice(edges, MOST_BOUNDARIES, replace=False)
    random = inputs.random_binary32(rng, max(0, count - len(edges)), array.out)
    bias = np.concatenate([edges, random]).view(np.float32)
    n = len(bias)
    kernel = product_kernel(array, 1, 1, n)
    zeros = stored(np.full(n, array.weight.zero_code), array.weight)
    a = stored(np.array([array.act.zero_code]), array.act)
    scale = rng.choice(np.array([1.0, -1.0, 0.0], np.float32), n)
    before = stored(np.zeros(n, np.int64), array.out)
    a_scale = w_scale = None
    if array.block_scaled:
        # Even an infinite product of the block scales makes nothing of a zero sum.
        w_scale = block_scales.draw(rng, n, "any")
        a_scale = block_scales.draw(rng, 1, "E8M0")
    return Case(kernel, a, zeros, scale, bias, -np.inf, np.inf, before, a_scale, w_scale)
