"""The post-processing stage: binary32 units against Berkeley SoftFloat, in TestFloat's manner."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.check import binary32, block_scales, inputs
from systolab.cosim.check.binary32 import canonical_bits
from systolab.cosim.check.blocks import Tally
from systolab.cosim.check.context import Context
from systolab.cosim.check.integers import from_words
from systolab.cosim.check.report import Coverage, Finding, StageResult
from systolab.cosim.check.value import binary32_text, comparison32
from systolab.formats.arithmetic import softfloat as sf
from systolab.formats.dot.postprocess import to_binary32

__all__ = ["postprocessing"]

_U32 = NDArray[np.uint32]
_F32 = NDArray[np.float32]


def postprocessing(context: Context) -> StageResult:
    """Addition, multiplication, clamp and conversion of the RTL against SoftFloat."""
    tally = Tally("post-processing")
    rng = context.random("post-processing")
    effort = context.effort
    edges = inputs.float_operands(effort.float_patterns)
    a = np.concatenate([np.repeat(edges, len(edges)), _random(rng, effort.random_floats)])
    b = np.concatenate([np.tile(edges, len(edges)), _random(rng, effort.random_floats)])
    # Close operands: cancellation and ties.
    close = (a[-effort.random_floats :] ^ np.uint32(1 << 31)) + rng.integers(
        0, 1 << 26, effort.random_floats, dtype=np.uint32
    )
    a = np.concatenate([a, a[-effort.random_floats :]])
    b = np.concatenate([b, close])
    sums, products = context.units.binary32(a, b)
    _binary(tally, "sum_o of systolab_f32_add", "+", a, b, _reference(sf.add, a, b), sums)
    _binary(
        tally, "product_o of systolab_f32_mul", "*", a, b, _reference(sf.multiply, a, b), products
    )
    _clamp(context, tally, rng, edges)
    if not context.hardware.parameters.float32:
        _convert(context, tally, rng)
    if context.array.block_scaled:
        _scale(context, tally, rng)
    _isolated(context, tally, rng)
    return tally.result(
        Coverage.SAMPLED,
        f"SoftFloat: add, multiply: {len(edges)}^2 edge operands, {effort.random_floats:,} random "
        "and as many close pairs; clamp; conversion; operands that are not valid"
        + (f"; {effort.random_floats:,} scaled sums" if context.array.block_scaled else ""),
    )


def _random(rng: np.random.Generator, count: int) -> _U32:
    return rng.integers(0, 1 << 32, count, dtype=np.uint32)


def _reference(function: Callable[[_F32, _F32], _F32], a: _U32, b: _U32) -> _U32:
    return canonical_bits(function(a.view(np.float32), b.view(np.float32)))


def _binary(
    tally: Tally, signal: str, sign: str, a: _U32, b: _U32, expected: _U32, found: _U32
) -> None:
    def explain(i: int) -> Finding:
        rows = (
            ("operation", f"{binary32_text(int(a[i]))} {sign} {binary32_text(int(b[i]))}"),
            *comparison32(int(expected[i]), int(found[i])),
            ("signal", signal),
        )
        return Finding("binary32 arithmetic differs from SoftFloat", rows)

    tally.compare(expected, found, explain)


def _clamp(context: Context, tally: Tally, rng: np.random.Generator, edges: _U32) -> None:
    limits = [
        *((-np.inf, np.inf), (0.0, np.inf), (-1.0, 1.0), (0.0, 6.0), (-0.0, 0.0), (1.5, 1.5)),
        *((-6.0, -0.75), (0.75, 6.0), (-np.inf, -1e-40), (1e-40, np.inf)),
    ]
    x = np.concatenate([edges, inputs.SPECIALS, _random(rng, 4096)])
    for low, high in limits:
        bits = np.array([low, high], np.float32).view(np.uint32)
        # Values beside the limits, where an off-by-one comparison would show.
        near = (bits[:, None] + np.arange(-2, 3).astype(np.uint32)).reshape(-1)
        values = np.concatenate([x, near])
        found = context.units.clamp(
            values, np.full_like(values, bits[0]), np.full_like(values, bits[1])
        )
        expected = binary32.clamp(values, int(bits[0]), int(bits[1]))

        def explain(
            i: int,
            values: _U32 = values,
            expected: _U32 = expected,
            found: _U32 = found,
            low: float = low,
            high: float = high,
        ) -> Finding:
            rows = (
                ("operation", f"clamp {binary32_text(int(values[i]))} to [{low}, {high}]"),
                *comparison32(int(expected[i]), int(found[i])),
                ("signal", "value_o of systolab_f32_clamp"),
            )
            return Finding("the clamp differs from IEEE 754's comparisons", rows)

        tally.compare(expected, found, explain)


def _accumulators(context: Context, rng: np.random.Generator) -> _U32:
    """Accumulators (block-scaled: column sums) around every rounding decision [n, words]."""
    bits = context.hardware.parameters.acc_bits
    numbers = _accumulator_values(bits, rng, context.effort.random_floats // 16)
    words = context.units.words
    mask = (1 << bits) - 1
    data = b"".join((x & mask).to_bytes(4 * words, "little") for x in numbers)
    return np.frombuffer(data, "<u4").astype(np.uint32).reshape(-1, words)


def _scale(context: Context, tally: Tally, rng: np.random.Generator) -> None:
    """Column sums scaled by the scales of their blocks, in the pipeline of a column."""
    parameters = context.hardware.parameters
    count = context.effort.random_floats
    sums = rng.choice(_accumulators(context, rng), count)
    edges = block_scales.finite_operands(context.effort.float_patterns)
    # Powers of two, edges and any finite values, in any combination; near ones, whose products
    # stay in the range.
    mixed = [
        np.where(rng.random(count) < 0.5, block_scales.near(rng, count), rng.choice(pool, count))
        for pool in (
            np.concatenate([block_scales.E8M0, edges, block_scales.draw(rng, count, "any")])
            for _ in range(2)
        )
    ]
    act, weight = mixed
    first = rng.random(count) < 0.5
    first[0] = True
    held = weight[np.maximum.accumulate(np.where(first, np.arange(count), 0))]
    found = context.units.scale(sums, act.view(np.uint32), weight.view(np.uint32), first)
    values = from_words(sums, parameters.acc_bits)
    s = to_binary32(values, parameters.acc_lsb, softfloat=True)
    x = sf.multiply(s, sf.multiply(act, held))
    expected = canonical_bits(np.where((s == 0) | (x == 0), np.float32(0), x))

    def explain(i: int) -> Finding:
        rows = (
            ("column sum", f"{int(values[i])} * 2^{parameters.acc_lsb}"),
            ("scale of A", binary32_text(int(act[i : i + 1].view(np.uint32)[0]))),
            ("scale of W", binary32_text(int(held[i : i + 1].view(np.uint32)[0]))),
            ("first of its tile", "yes" if first[i] else "no"),
            *comparison32(int(expected[i]), int(found[i])),
            ("signal", "scaled_o of systolab_column_scale"),
        )
        return Finding("a scaled column sum differs from SoftFloat", rows)

    tally.compare(expected, found, explain)


def _convert(context: Context, tally: Tally, rng: np.random.Generator) -> None:
    parameters = context.hardware.parameters
    bits = parameters.acc_bits
    acc = _accumulators(context, rng)
    found = context.units.convert(acc)
    values = from_words(acc, bits)
    expected = canonical_bits(to_binary32(values, parameters.acc_lsb, softfloat=True))

    def explain(i: int) -> Finding:
        rows = (
            ("accumulator", f"{int(values[i])} * 2^{parameters.acc_lsb}"),
            *comparison32(int(expected[i]), int(found[i])),
            ("signal", "value_o of systolab_int_to_f32"),
        )
        return Finding("conversion of an accumulator differs from SoftFloat", rows)

    tally.compare(expected, found, explain)


def _isolated(context: Context, tally: Tally, rng: np.random.Generator) -> None:
    """Operands that are not valid come out as zero, of the clamp as they are."""
    n = 1024
    a, b = _random(rng, n), _random(rng, n)
    acc = inputs.accumulators(context.hardware.parameters.acc_bits, False, rng, n)
    found = context.units.isolated(a, b, acc)
    expected = np.zeros_like(found)
    expected[:, 2] = a
    if context.hardware.parameters.float32:
        expected[:, 3] = acc[:, 0]

    def explain(i: int) -> Finding:
        names = (
            "sum_o",
            "product_o",
            "value_o of the clamp",
            "value_o of the conversion",
            "code_o",
        )
        k = int(np.argmax(expected[i] != found[i]))
        rows = (
            ("expected", f"{int(expected[i, k]):#x}"),
            ("found", f"{int(found[i, k]):#x}"),
            ("signal", names[k]),
        )
        return Finding("a block does not isolate operands that are not valid", rows)

    tally.compare(expected, found, explain)


def _accumulator_values(bits: int, rng: np.random.Generator, count: int) -> list[int]:
    """Values around every rounding decision: each position of the leading one, ties and beside."""
    chosen: set[int] = {0}
    for top in range(bits - 1):
        chosen |= {1 << top, (1 << top) - 1, (1 << top) + 1}
        if top >= 24:
            unit = 1 << (top - 23)  # one unit in the last place of a significand at this position
            half = unit >> 1
            for odd in (0, 1):
                tie = (1 << top) + odd * unit + half
                chosen |= {tie - 1, tie, tie + 1}
            chosen.add((1 << (top + 1)) - half)  # rounds up to the next power of two
    half_range = 1 << (bits - 1)
    random = [int.from_bytes(rng.bytes(bits // 8 + 1), "little") for _ in range(count)]
    lengths = rng.integers(1, bits + 1, count).tolist()
    chosen |= {x & ((1 << n) - 1) for x, n in zip(random, lengths, strict=True)}
    both = chosen | {-x for x in chosen}
    return sorted(x for x in {*both, -half_range} if -half_range <= x < half_range)
