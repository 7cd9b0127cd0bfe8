"""The binary32 units of the RTL against Berkeley SoftFloat, over many vectors like TestFloat's.

Operands are drawn as TestFloat draws them: exponents at their edges and anywhere, significands that
are runs of ones and zeros, single bits or anything; pairs are independent, or close to each other's
negative for cancellation. The same seed gives the same vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.simulator.units import Units
from systolab.formats.arithmetic import softfloat

__all__ = ["Difference", "Verdict", "accumulators", "operands", "pairs", "verify"]

_U32 = NDArray[np.uint32]

_CHUNK = 1 << 20

_EDGES = np.array([0, 1, 2, 23, 24, 25, 103, 126, 127, 128, 151, 230, 253, 254, 255], np.uint32)
_NAN = np.uint32(0x7FC0_0000)


@dataclass(frozen=True)
class Difference:
    """One vector on which a unit and SoftFloat differ; all values are bit patterns."""

    unit: str
    operands: tuple[int, ...]
    expected: int
    found: int


@dataclass(frozen=True)
class Verdict:
    """Vectors run through each of the units, how many differed, and the first that did."""

    vectors: int
    differing: int
    first: Difference | None


def verify(units: Units, vectors: int, seed: int = 0) -> Verdict:
    """Compare adder, multiplier and conversion with SoftFloat on so many vectors each.

    Args:
        units: blocks of an array with an integer accumulator of at most 64 bits.
        vectors: number of vectors for each unit.
        seed: of the vectors.
    """
    differing, first = 0, None
    for name, operands, expected, found in _results(units, vectors, seed):
        wrong = np.flatnonzero(expected != found)
        differing += len(wrong)
        if first is None and len(wrong):
            i = int(wrong[0])
            values = tuple(int(operand[i]) for operand in operands)
            first = Difference(name, values, int(expected[i]), int(found[i]))
    return Verdict(vectors, differing, first)


def operands(rng: np.random.Generator, count: int) -> _U32:
    """Single binary32 operands."""
    sign = rng.integers(0, 2, count, dtype=np.uint32) << np.uint32(31)
    exponent = np.where(
        rng.random(count) < 0.5,
        rng.choice(_EDGES, count),
        rng.integers(0, 256, count, dtype=np.uint32),
    )
    # A run of ones: 2^high - 2^low, and its complement; none when they are equal.
    high = rng.integers(0, 24, count, dtype=np.uint32)
    low = rng.integers(0, 24, count, dtype=np.uint32)
    low = np.where(rng.random(count) < 0.2, high, low)
    run = (np.uint32(1) << high) - (np.uint32(1) << low)
    anything = rng.integers(0, 1 << 23, count, dtype=np.uint32)
    fraction = np.where(rng.random(count) < 0.5, run, anything) & np.uint32(0x7F_FFFF)
    return np.asarray(sign | exponent << np.uint32(23) | fraction, dtype=np.uint32)


def pairs(rng: np.random.Generator, count: int) -> tuple[_U32, _U32]:
    """Pairs of operands, a third of them nearly cancelling."""
    a, b = operands(rng, count), operands(rng, count)
    distance = rng.integers(0, 1 << 26, count, dtype=np.uint32) >> rng.integers(
        0, 27, count, dtype=np.uint32
    )
    close = (a ^ np.uint32(1 << 31)) + distance
    return a, np.where(rng.random(count) < 1 / 3, close, b)


def accumulators(rng: np.random.Generator, bits: int, count: int) -> NDArray[np.int64]:
    """Accumulator values of any length, half of them near a tie of their rounding."""
    length = rng.integers(0, bits, count)
    magnitude = rng.integers(0, 1 << 62, count, dtype=np.int64) >> (62 - np.minimum(length, 62))
    below = np.maximum(length - 24, 1)
    tie = ((magnitude >> below) << below) | (np.int64(1) << (below - 1))
    tie += rng.integers(-1, 2, count)
    value = np.where(rng.random(count) < 0.5, magnitude, tie)
    value = np.where(rng.random(count) < 0.5, -value, value)
    limit = 1 << (bits - 1)
    return np.asarray(np.clip(value, -limit, limit - 1), dtype=np.int64)


def _results(
    units: Units, vectors: int, seed: int
) -> Iterator[tuple[str, tuple[NDArray[np.integer], ...], _U32, _U32]]:
    parameters = units.hardware.parameters
    rng = np.random.default_rng(seed)
    for start in range(0, vectors, _CHUNK):
        count = min(_CHUNK, vectors - start)
        a, b = pairs(rng, count)
        sums, products = units.binary32(a, b)
        x, y = a.view(np.float32), b.view(np.float32)
        yield "add", (a, b), _canonical(softfloat.add(x, y)), sums
        yield "mul", (a, b), _canonical(softfloat.multiply(x, y)), products
        acc = accumulators(rng, parameters.acc_bits, count)
        words = np.ascontiguousarray(acc).view(np.uint32).reshape(-1, 2)[:, : units.words]
        mask = (1 << parameters.acc_bits) - 1
        masks = np.array([mask & 0xFFFF_FFFF, mask >> 32], np.uint32)[: units.words]
        expected = softfloat.from_int64(acc, parameters.acc_lsb)
        yield "convert", (acc,), _canonical(expected), units.convert(words & masks)


def _canonical(values: NDArray[np.float32]) -> _U32:
    bits = values.view(np.uint32)
    return np.where(np.isnan(values), _NAN, bits)
