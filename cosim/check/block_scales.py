"""Block scales for the kernels of block-scaled arrays: random, extreme, every pair of E8M0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import Case
from systolab.cosim.check import inputs
from systolab.formats.families.floating import NAMED, Float
from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel

__all__ = [
    "E8M0",
    "dense",
    "draw",
    "finite",
    "finite_operands",
    "near",
    "pairs",
    "random_patterns",
    "scaled",
]

_F32 = NDArray[np.float32]

E8M0 = np.ldexp(np.float32(1), np.arange(-127, 128)).astype(np.float32)

_EDGES = np.array(
    [0.0, 2.0**-149, 2.0**-127, 2.0**-126, 2.0**-63, 1.0, 2.0**63, 2.0**127, 2.0**128 - 2.0**104],
    np.float32,
)

_KINDS = ("near", "near", "near powers", "E8M0", "E4M3 under a binary32", "any", "edges")


def near(rng: np.random.Generator, count: int) -> _F32:
    """Any significands within a few binades, so that neither sums nor factors leave the range."""
    return np.ldexp(rng.uniform(1, 2, count), rng.integers(-3, 3, count)).astype(np.float32)


def draw(rng: np.random.Generator, count: int, kind: str | None = None) -> _F32:
    """Scales as formats have them, or any finite binary32 values.

    Args:
        rng: drawn from.
        count: how many.
        kind: one of the kinds above; None: a random one.
    """
    match str(rng.choice(_KINDS)) if kind is None else kind:
        case "near":
            return near(rng, count)
        case "near powers":
            return np.ldexp(np.float32(1), rng.integers(-3, 4, count)).astype(np.float32)
        case "E8M0":
            return E8M0[rng.integers(0, len(E8M0), count)]
        case "E4M3 under a binary32":
            block = Float(NAMED["e4m3fn"], "e4m3fn").values
            tensor = near(rng, 1)[0]
            positive = block[np.isfinite(block) & (block > 0)]
            return np.asarray(rng.choice(positive, count) * tensor, np.float32)
        case "edges":
            return _EDGES[rng.integers(0, len(_EDGES), count)]
        case _:
            return finite(rng.integers(0, 1 << 32, count, dtype=np.uint32))


def finite(bits: NDArray[np.uint32]) -> _F32:
    """binary32 values of bit patterns; infinities and NaNs become finite ones of their sign."""
    special = (bits & np.uint32(0x7F800000)) == np.uint32(0x7F800000)
    kept = np.where(special, bits ^ np.uint32(0x40000000), bits)
    return np.asarray(kept, dtype=np.uint32).view(np.float32)


def dense(kernel: Kernel) -> Kernel:
    """The kernel with a scale of its own for every vector of A, and every column of every tile.

    Loops that do not move an operand do not move its scales.
    """
    tiles = len(kernel.outer + kernel.reduction)
    return replace(
        kernel,
        sa=_row_major(kernel.a.loops, 1),
        sw=_row_major(kernel.w.loops[:tiles], kernel.w.lanes),
    )


def _row_major(moves: tuple[tuple[int, int], ...], lanes: int) -> AccessPattern:
    loops, stride = [], lanes
    for length, move in reversed(moves):
        loops.append((length, stride if move else 0))
        stride *= length if move else 1
    return AccessPattern(0, tuple(reversed(loops)), (lanes, 1 if lanes > 1 else 0))


def scaled(array: Array, case: Case, rng: np.random.Generator) -> Case:
    """A case without block scales as one of ``array``: on a block-scaled one with scales near 1."""
    if not array.block_scaled:
        return case
    kernel = dense(case.kernel)
    assert kernel.sa is not None
    assert kernel.sw is not None
    a, w = (near(rng, int(x.addresses().max()) + 1) for x in (kernel.sa, kernel.sw))
    return replace(case, kernel=kernel, a_scale=a, w_scale=w)


def random_patterns(kernel: Kernel, rng: np.random.Generator) -> Kernel:
    """The kernel with streams SA and SW of any layout: repeated, contiguous, strided, backwards."""
    tiles = kernel.outer + kernel.reduction
    sa, sw = _any(rng, kernel.a.lengths, 1), _any(rng, tiles, kernel.w.lanes)
    return replace(kernel, sa=sa, sw=sw)


def _any(rng: np.random.Generator, lengths: tuple[int, ...], lanes: int) -> AccessPattern:
    choices = np.array([0, 1, 1, 2, 3, 5, 8, 16, 33, -1, -4])
    strides = rng.choice(choices, len(lengths)).tolist()
    lane = int(rng.choice([0, 1, 1, 1, 3, -1])) if lanes > 1 else 0
    spans = [(n - 1) * s for n, s in zip(lengths, strides, strict=True)] + [(lanes - 1) * lane]
    base = -sum(min(span, 0) for span in spans) + int(rng.integers(0, 9))
    return AccessPattern(base, tuple(zip(lengths, strides, strict=True)), (lanes, lane))


def pairs(
    array: Array, a_scales: _F32, w_scales: _F32, a: NDArray[np.integer], w: NDArray[np.integer]
) -> Case:
    """Every scale of A times every scale of W, applied to the same sums.

    Args:
        array: the block-scaled machine.
        a_scales: scales of A [n].
        w_scales: scales of W [m].
        a: codes of A ``[t, lanes]``: the scales are those of the last tile, in the ones before
            both are 1.
        w: codes of W ``[t, lanes]``, the same in every column.
    """
    tiles, lanes = a.shape
    n, columns = len(a_scales), array.cols
    groups = -(-len(w_scales) // columns)
    sa = np.ones((n, tiles), np.float32)
    sa[:, -1] = a_scales
    sw = np.ones((groups, tiles, columns), np.float32)
    sw[:, -1] = np.resize(w_scales, groups * columns).reshape(groups, columns)
    each = AccessPattern(0, ((n, groups * columns), (groups, columns)), (columns, 1))
    kernel = Kernel(
        array.modes[0],
        (n, groups),
        (tiles,),
        (),
        AccessPattern(0, ((n, 0), (groups, 0), (tiles, lanes)), (lanes, 1)),
        AccessPattern(
            0, ((n, 0), (groups, 0), (tiles, lanes * columns), (lanes, columns)), (columns, 1)
        ),
        each,
        each,
        AccessPattern(0, ((n, tiles), (groups, 0), (tiles, 1)), (1, 0)),
        AccessPattern(0, ((n, 0), (groups, tiles * columns), (tiles, columns)), (columns, 1)),
    )
    count = n * groups * columns
    return Case(
        kernel,
        a.reshape(-1).astype(array.act.code_type),
        np.repeat(w.reshape(-1), columns).astype(array.weight.code_type),
        np.ones(count, np.float32),
        np.zeros(count, np.float32),
        -np.inf,
        np.inf,
        np.zeros(count, array.out.code_type),
        a_scale=sa.reshape(-1),
        w_scale=sw.reshape(-1),
    )


def finite_operands(patterns: int) -> _F32:
    """The finite ones of TestFloat's operands."""
    values = inputs.float_operands(patterns).view(np.float32)
    return values[np.isfinite(values)]
