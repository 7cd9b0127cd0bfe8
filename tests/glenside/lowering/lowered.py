"""Running every kernel of a contraction on the software model, for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab import formats
from systolab.formats.arithmetic.accumulator import Exact
from systolab.glenside.affine.contraction import Contraction, Linear
from systolab.glenside.affine.nest import Role
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.kernels import Candidate, lower
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array, affine
from systolab.rtl.values import run

INT8 = formats.get("int:8")
Codes = NDArray[np.uint8]


def machine(rows: int, cols: int, acc_rows: int = 256) -> Array:
    return Array(rows, cols, INT8, INT8, INT8, Exact(), acc_rows=acc_rows)


def codes(rng: np.random.Generator, shape: tuple[int, ...], low: int = -3, high: int = 4) -> Codes:
    """Small integers as codes: sums stay inside int8, so that they come out unrounded."""
    return INT8.encode(rng.integers(low, high, shape).astype(np.float32)).astype(np.uint8)


def integers(coded: Codes) -> NDArray[np.int64]:
    return INT8.values[coded].astype(np.int64)


def channels(contraction: Contraction) -> NDArray[np.int64]:
    """Channel of every output element, by walking all axes."""
    axes = contraction.axes
    lengths = [1 if axis.role is Role.REDUCTION else axis.length for axis in axes]

    def values(form: Linear) -> NDArray[np.int64]:
        return affine(form.offset, lengths, form.coefficients)

    result = np.zeros(contraction.o.shape, dtype=np.int64)
    index = [values(form) for form in contraction.o.coordinates]
    inside = np.ones(int(np.prod(lengths)), dtype=np.bool_)
    for form, bound in contraction.o.conditions:
        inside &= (values(form) >= 0) & (values(form) < bound)
    channel = values(contraction.channel)
    result[tuple(i[inside] for i in index)] = channel[inside]
    return result


def check(
    contraction: Contraction,
    a: Codes,
    w: Codes,
    expected: NDArray[np.int64],
    array: Array,
    layouts: tuple[str, str | None, str],
    fill: int = 0,
) -> list[Candidate]:
    """Every candidate computes ``expected`` plus a bias per channel, clipped to int8."""
    la, lw, lo = (Layout.parse(name) if name else None for name in layouts)
    assert la is not None
    assert lo is not None
    nest = contraction.nest(la, lw, lo)
    candidates = lower(nest, array, w_constant=lw is None, prune=np.inf)
    channel = channels(contraction)
    bias = (np.arange(channel.max() + 1) % 5 - 2).astype(np.float32)
    scale = np.ones_like(bias)
    expected = expected + bias[channel].astype(np.int64)
    wanted = lo.pack(INT8.encode(np.clip(expected, -128, 127).astype(np.float32)).astype(np.uint8))
    blank = np.zeros(lo.size(expected.shape), np.uint8)
    for candidate in candidates:
        candidate.kernel.check(array)
        layout = candidate.w_layout if lw is None else lw
        assert layout is not None
        memories = la.pack(a, fill), layout.pack(w, fill), scale, bias
        result = run(array, Job(candidate.kernel, *memories, -np.inf, np.inf, blank))
        np.testing.assert_array_equal(result.o_mem, wanted, candidate.label)
    return candidates
