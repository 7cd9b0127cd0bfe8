"""The exact cycle count against the vector-by-vector model, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import AccessPattern, Array, Guard, Kernel, Mode
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.timing.lines import stream_costs
from systolab.rtl.timing.reference import cycles as reference_cycles
from systolab.rtl.timing.reference import traffic as reference_traffic
from systolab.rtl.timing.reference import vector_costs
from systolab.rtl.timing.timing import cycles, timing
from systolab.rtl.timing.traffic import traffic
from tests.kernels import Convolution, convolutions, random_kernels, reads

FORMAT = get("adaptivfloat:8,3")


def make_array(rows: int, cols: int, line: int = 0, acc_rows: int = 64) -> Array:
    return Array(rows, cols, FORMAT, FORMAT, FORMAT, Exact(), line, acc_rows)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_lines_equal_the_walk(data: st.DataObject) -> None:
    lengths = tuple(data.draw(st.lists(st.integers(1, 5), max_size=4)))
    tile_loops = data.draw(st.integers(0, len(lengths)))
    pattern = data.draw(reads(lengths, data.draw(st.integers(1, 6))))
    line = data.draw(st.sampled_from([4, 8, 16]))
    costs = stream_costs(pattern, tile_loops, line)
    kind = np.broadcast_to(costs.kind, lengths[:tile_loops]).reshape(-1)
    assert costs.vectors[kind].tolist() == vector_costs(pattern, tile_loops, line)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_random_kernels_equal_the_reference(data: st.DataObject) -> None:
    rows, cols = data.draw(st.sampled_from([(1, 1), (1, 4), (4, 1), (4, 4), (5, 3), (3, 8)]))
    array = make_array(rows, cols, line=data.draw(st.sampled_from([0, 8, 16])))
    kernel = data.draw(random_kernels(rows, cols))
    result = timing(kernel, array)
    assert result.cycles == reference_cycles(kernel, array)
    assert result.breakdown.total == result.cycles
    assert min(vars(result.breakdown).values()) >= 0
    assert traffic(kernel, array) == reference_traffic(kernel, array)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(list(Mode)),
    st.tuples(st.integers(1, 40), st.integers(1, 4)),
    st.tuples(st.sampled_from([1, 1, 4]), st.sampled_from([1, 7, 16])),
    st.integers(1, 2),
    st.sampled_from([1, 1, 2, 5]),
    st.sampled_from([0, 1, 16, 32]),
    st.sampled_from([1, 1, 5, 16, 64]),
)
def test_repetitions_equal_the_reference(
    mode: Mode,
    outer: tuple[int, int],
    lanes: tuple[int, int],
    height: int,
    k: int,
    step: int,
    o_step: int,
) -> None:
    # The first outer loop changes no cost if its strides are multiples of a line.
    a_lanes, w_lanes = lanes
    array = make_array(a_lanes, 16)
    repeats, inner = outer
    weight_stationary = mode is Mode.WEIGHT_STATIONARY
    rows = (height,) if weight_stationary else ()
    a = tuple(zip((repeats, inner, k, *rows), (16 * step, step, 3, 7), strict=False))
    w_tail = ((a_lanes, w_lanes),) if weight_stationary else ()
    kernel = Kernel(
        mode,
        outer,
        (k,),
        rows,
        AccessPattern(0, a, (a_lanes, 1)),
        AccessPattern(0, ((repeats, 0), (inner, 5), (k, 64), *w_tail), (w_lanes, 1)),
        AccessPattern(
            0, ((repeats, 1024), (inner, 0), (rows[0] if rows else a_lanes, 1)), (w_lanes, o_step)
        ),
        AccessPattern(0, ((repeats, 0), (inner, 0)), (w_lanes, 1)),
    )
    result = timing(kernel, array)
    assert result.cycles == reference_cycles(kernel, array)
    assert result.breakdown.total == result.cycles
    assert min(vars(result.breakdown).values()) >= 0


@settings(deadline=None, max_examples=60)
@given(convolutions(), st.sampled_from(list(Mode)))
def test_convolutions_equal_the_reference(convolution: Convolution, mode: Mode) -> None:
    array = make_array(4, 4)
    kernel = convolution.lower(mode, 4, 4, array.acc_rows)
    assert cycles(kernel, array) == reference_cycles(kernel, array)


def test_second_line_alternates_between_the_two_held_lines() -> None:
    # Both lanes of every vector lie in lines 0 and 1: the first vector reads both and keeps line 1,
    # each later one misses exactly the line that its predecessor did not keep.
    pattern = AccessPattern(0, ((5, 0),), (2, 4))
    assert stream_costs(pattern, 0, 4).vectors.tolist() == [[2, 1, 1, 1, 1]]
    # Three lines: one is kept, two are missed each time.
    pattern = AccessPattern(0, ((4, 0),), (3, 4))
    assert stream_costs(pattern, 0, 4).vectors.tolist() == [[3, 2, 2, 2]]


def test_blank_vector_costs_one_cycle() -> None:
    pattern = AccessPattern(0, ((3, 4),), (4, 1), (Guard(0, (1,), 0, 1),))
    assert stream_costs(pattern, 0, 4).vectors.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("mode", list(Mode))
def test_kinds_do_not_grow_with_an_aligned_product(mode: Mode) -> None:
    array = make_array(16, 16, acc_rows=256)
    a_strides = (1024, 1) if mode is Mode.WEIGHT_STATIONARY else (1, 1024)
    kernel = gemm_kernel(array, 1024, 1024, 1024, mode, a_strides=a_strides)
    for pattern in (kernel.a, kernel.w, kernel.o):
        assert stream_costs(pattern, len(kernel.outer), array.line).kind.size == 1
    busy = 1024**3 / (timing(kernel, array).cycles * 256)
    assert busy > 0.95


def test_steps_are_the_vectors_of_a() -> None:
    array = make_array(4, 4)
    kernel = gemm_kernel(array, 10, 9, 7)
    assert timing(kernel, array).breakdown.steps == math.prod(kernel.a.lengths)
    assert isinstance(kernel, Kernel)


# The closed forms of docs/machine.md, aligned cases.


@pytest.mark.parametrize(("rows", "cols", "t"), [(8, 8, 64), (4, 16, 20), (16, 4, 60), (1, 1, 5)])
def test_weight_stationary_closed_form(rows: int, cols: int, t: int) -> None:
    array = make_array(rows, cols, acc_rows=t)
    side = array.line
    one = gemm_kernel(array, t, rows, cols, a_strides=(side, 1), w_strides=(side, 1))
    assert cycles(one, array) == 2 * rows + cols + 2 * t + 9
    # The tiles of a reduction start at a line only where a line has as many codes as lanes.
    for tiles in (1, 2, 5) if rows == side else (1,):
        totals = []
        for iterations in (10, 30):
            kernel = gemm_kernel(
                array,
                t * iterations,
                rows * tiles,
                cols,
                a_strides=(side * tiles, 1),
                w_strides=(side, 1),
                o_strides=(side, 1),
            )
            totals.append(cycles(kernel, array))
        period = max(tiles * t, (tiles * t + t + rows + cols + 8) / 2, t + 6)
        assert totals[1] - totals[0] == 20 * period


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (4, 16), (16, 4)])
@pytest.mark.parametrize("k", [1, 5, 30, 50])
def test_output_stationary_closed_form(rows: int, cols: int, k: int) -> None:
    array = make_array(rows, cols, line=16)
    totals = []
    for iterations in (1, 16, 48):
        m = rows * iterations
        kernel = gemm_kernel(
            array,
            m,
            k,
            cols,
            Mode.OUTPUT_STATIONARY,
            a_strides=(1, -(-m // 16) * 16),
            w_strides=(16, 1),
            o_strides=(16, 1),
        )
        totals.append(cycles(kernel, array))
    assert totals[0] == k + 3 * rows + cols + 10
    assert totals[2] - totals[1] == 32 * max(k, (3 * rows + cols + 10) / 2)
