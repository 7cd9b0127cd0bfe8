"""Block-scaled kernels one operation at a time, and data that shows every rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.format import Format
from systolab.rtl import AccessPattern, Array, Kernel

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Memories:
    """What a block-scaled kernel reads."""

    a: Codes
    w: Codes
    a_scale: F32
    w_scale: F32


def brute_force(kernel: Kernel, array: Array, memories: Memories) -> F32:
    """Accumulators ``[outer iteration, row, lane]``: fractions, and one binary32 step at a time."""
    assert kernel.sa is not None
    assert kernel.sw is not None
    outer, tiles = math.prod(kernel.outer), math.prod(kernel.reduction)
    rows, depth, lanes = kernel.bank_rows, kernel.a.lanes, kernel.w.lanes
    a = _values(kernel.a, memories.a, array.act, (outer, tiles, rows, depth))
    w = _values(kernel.w, memories.w, array.weight, (outer, tiles, depth, lanes))
    a_scale = memories.a_scale[kernel.sa.addresses()].reshape(outer, tiles, rows)
    w_scale = memories.w_scale[kernel.sw.addresses()].reshape(outer, tiles, lanes)
    result = np.zeros((outer, rows, lanes), np.float32)
    for o, row, lane in np.ndindex(outer, rows, lanes):
        acc = np.float32(0)
        for tile in range(tiles):
            total = Fraction(0)
            for k in range(depth):
                total += a[o, tile, row, k] * w[o, tile, k, lane]
            s = float(total)
            assert s == total  # so that it is rounded once below
            with np.errstate(all="ignore"):
                factor = a_scale[o, tile, row] * w_scale[o, tile, lane]
                x = np.float32(s) * factor if s != 0 else np.float32(0)
                acc = acc + x
        result[o, row, lane] = acc
    return result


def outputs(kernel: Kernel, array: Array, acc: F32, scale: F32, bias: F32, before: Codes) -> Codes:
    """Output memory after a kernel with these accumulators."""
    index = kernel.p.addresses()[:, None, :]
    with np.errstate(all="ignore"):
        y = acc * scale[index] + bias[index]
    codes = array.out.encode(y).reshape(-1)
    active = kernel.o.active().reshape(-1)
    after = before.copy()
    after[kernel.o.addresses().reshape(-1)[active]] = codes[active]
    return after


def random_memories(kernel: Kernel, array: Array, rng: np.random.Generator) -> Memories:
    """Finite codes, and scales from a few neighbouring binades or, now and then, from all."""
    assert kernel.sa is not None
    assert kernel.sw is not None
    a = _codes(kernel.a, array.act, rng)
    w = _codes(kernel.w, array.weight, rng)
    kind = rng.choice(["powers", "near", "near", "all"])
    return Memories(a, w, _scales(kernel.sa, kind, rng), _scales(kernel.sw, kind, rng))


def revealing_parameters(kernel: Kernel, acc: F32, rng: np.random.Generator) -> tuple[F32, F32]:
    """Scale and bias that cancel one accumulator of each parameter but for its last bits."""
    index = kernel.p.addresses()
    scale = np.ones(int(index.max()) + 1, np.float32)
    bias = np.zeros(len(scale), np.float32)
    for o, lane in np.ndindex(*index.shape):
        value = acc[o, rng.integers(acc.shape[1]), lane]
        if np.isfinite(value) and value != 0 and abs(np.frexp(value)[1]) < 90:
            at = index[o, lane]
            scale[at] = np.ldexp(np.float32(1), 20 - int(np.frexp(value)[1]))
            bias[at] = -value * scale[at]
    return scale, bias


def size_of(pattern: AccessPattern) -> int:
    """Codes of the smallest memory that holds a pattern's active lanes."""
    reached = pattern.addresses()[pattern.active()]
    return int(reached.max()) + 1 if reached.size else 1


def _codes(pattern: AccessPattern, fmt: Format, rng: np.random.Generator) -> Codes:
    drawn = rng.integers(0, 1 << fmt.bits, size_of(pattern))
    codes: Codes = drawn.astype(np.uint8) if fmt.bits <= 8 else drawn.astype(np.uint16)
    codes[~np.isfinite(fmt.values[codes])] = fmt.zero_code
    if rng.random() < 0.3:  # sums of nothing
        codes[rng.random(len(codes)) < 0.9] = fmt.zero_code
    return codes


def _scales(pattern: AccessPattern, kind: str, rng: np.random.Generator) -> F32:
    size = size_of(pattern)
    significand = rng.uniform(1, 2, size) if kind != "powers" else np.ones(size)
    low, high = (-145, 128) if kind == "all" else (-3, 3)
    return np.ldexp(significand, rng.integers(low, high, size)).astype(np.float32)


def _values(
    pattern: AccessPattern, memory: Codes, fmt: Format, shape: tuple[int, ...]
) -> NDArray[np.object_]:
    """Values of all lanes of all vectors, zero where inactive."""
    active = pattern.active()
    values = fmt.values[memory[np.where(active, pattern.addresses(), 0)]]
    result = np.empty(values.shape, np.object_)
    for i in np.ndindex(*values.shape):
        result[i] = Fraction(float(values[i])) if active[i] else Fraction(0)
    return result.reshape(shape)
