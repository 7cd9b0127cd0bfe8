"""Minimisation, on devices that are the software model with a planted fault."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.case import (
    Axis,
    Case,
    Device,
    Outcome,
    axes,
    restrict,
    software,
    squeeze,
)
from systolab.cosim.divergence.minimise import minimise
from systolab.cosim.simulator.model import HardwareFaultError
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import values
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.kernel import AccessPattern, Array
from systolab.rtl.kernel.modes import Dimension, Mode

F = formats.get("adaptivfloat:8,3")
ARRAY = Array(4, 4, F, F, F, Exact())
MODES = [Mode.WEIGHT_STATIONARY, Mode.OUTPUT_STATIONARY]


def random_case(mode: Mode, m: int = 9, k: int = 11, n: int = 7, seed: int = 1) -> Case:
    rng = np.random.default_rng(seed)
    return Case(
        gemm_kernel(ARRAY, m, k, n, mode),
        rng.integers(0, 256, m * k).astype(np.uint8),
        rng.integers(0, 256, k * n).astype(np.uint8),
        np.full(n, 2.0**-9, np.float32),
        rng.normal(size=n).astype(np.float32),
        -100.0,
        100.0,
        np.zeros(m * n, np.uint8),
    )


@pytest.mark.parametrize("mode", MODES)
def test_restricted_kernels_compute_the_same_outputs(mode: Mode) -> None:
    """Every iteration of an outer loop, a row loop or the W lanes alone gives the same codes."""
    case = random_case(mode)
    whole = values.run(ARRAY, case).o_mem
    for axis, length in axes(case.kernel):
        inside_sum = axis.dimension is Dimension.REDUCTION or (
            axis.dimension is Dimension.A_LANES and mode is Mode.WEIGHT_STATIONARY
        )
        if inside_sum:
            continue
        merged = case.o
        for start in range(length):
            part = restrict(case.kernel, axis, start, 1)
            part_of_whole = replace(case, kernel=squeeze(part), o=merged)
            merged = values.run(ARRAY, part_of_whole).o_mem
        assert np.array_equal(merged, whole), axis


def test_a_cut_reduction_sums_its_part() -> None:
    case = random_case(Mode.OUTPUT_STATIONARY, m=1, k=5, n=1)
    case = replace(case, bias=np.zeros(1, np.float32), scale=np.ones(1, np.float32))
    kernel = restrict(case.kernel, Axis(Dimension.REDUCTION), 3, 1)
    y = values.run(ARRAY, replace(case, kernel=kernel)).o_mem[0]
    product = float(F.values[case.a[3]] * F.values[case.w[3]])
    assert y == F.encode(np.float32(np.clip(product, -100, 100)))


def at(pattern: AccessPattern, index: tuple[int, ...], lane: int) -> int | None:
    """Address of one lane of one vector; None where it is inactive."""
    for guard in pattern.guards:
        value = guard.offset + guard.lane_stride * lane
        value += sum(s * i for s, i in zip(guard.strides, index, strict=True))
        if not 0 <= value < guard.bound:
            return None
    strides = pattern.strides
    return (
        pattern.base
        + pattern.lane[1] * lane
        + sum(s * i for s, i in zip(strides, index, strict=True))
    )


def brute(product: Callable[[int, int, int, int], float], extra_cycles: int = 0) -> Device:
    """A device that walks the loop nest one product at a time.

    ``product`` is given both codes and the row and column of the processing element.
    """

    def run(case: Case) -> Outcome:
        kernel, o = case.kernel, case.o.copy()
        stationary = kernel.mode is Mode.WEIGHT_STATIONARY
        zero = F.zero_code
        for outer in indices(kernel.outer):
            rows = indices(kernel.rows) if stationary else [(r,) for r in range(kernel.a.lanes)]
            for row in rows:
                for col in range(kernel.w.lanes):
                    target = at(kernel.o, (*outer, *row), col)
                    if target is None:
                        continue
                    total = 0.0
                    for step in indices(kernel.reduction):
                        for lane in range(kernel.a.lanes) if stationary else row:
                            if stationary:
                                a = at(kernel.a, (*outer, *step, *row), lane)
                                w = at(kernel.w, (*outer, *step, lane), col)
                            else:
                                a = at(kernel.a, (*outer, *step), lane)
                                w = at(kernel.w, (*outer, *step), col)
                            codes = (
                                zero if a is None else case.a[a],
                                zero if w is None else case.w[w],
                            )
                            total += product(int(codes[0]), int(codes[1]), lane, col)
                    p = at(kernel.p, outer, col)
                    assert p is not None
                    y = np.float32(np.float32(total) * case.scale[p]) + case.bias[p]
                    o[target] = F.encode(np.clip(np.float32(y), case.lo, case.hi))
        sound = software(ARRAY)(case)
        return replace(sound, o=o, cycles=sound.cycles + extra_cycles)

    return run


def indices(lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*map(range, lengths)))


def exact(a: int, w: int, row: int, col: int) -> float:
    return float(F.values[a] * F.values[w])


@pytest.mark.parametrize("mode", MODES)
def test_devices_that_agree_have_nothing_to_minimise(mode: Mode) -> None:
    assert minimise(random_case(mode), ARRAY, software(ARRAY), brute(exact)) is None


@pytest.mark.parametrize("mode", MODES)
def test_one_wrong_product_is_minimised_to_itself(mode: Mode) -> None:
    """An error in the product of one pair of codes among 65,536 is left alone with that pair."""
    case = random_case(mode)
    case.a[5 * 11 + 6], case.w[6 * 7 + 3] = 0x7F, 0x7E  # element [5, 3], reduction step 6

    def wrong(a: int, w: int, row: int, col: int) -> float:
        return 0.0 if (a, w) == (0x7F, 0x7E) else exact(a, w, row, col)

    found = minimise(case, ARRAY, software(ARRAY), brute(wrong))
    assert found is not None
    small = found.case
    assert found.products == 1
    assert [length for _, length in axes(small.kernel)] == [1, 1]  # lanes: the only loops left
    assert len(small.o) == 4  # one line
    assert small.a[small.kernel.a.addresses()[0, 0]] == 0x7F
    assert small.w[small.kernel.w.addresses()[0, 0]] == 0x7E
    assert (small.lo, small.hi) == (-np.inf, np.inf)
    assert not small.bias.any()
    assert found.difference.expected != found.difference.found
    assert found.difference.found == F.zero_code


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_of_one_processing_element_keeps_its_place(mode: Mode) -> None:
    """Only PE (2, 3) is wrong, so at least 3 rows and 4 columns must be left."""

    def wrong(a: int, w: int, row: int, col: int) -> float:
        return exact(a, w, row, col) * (2 if (row, col) == (2, 3) else 1)

    found = minimise(random_case(mode), ARRAY, software(ARRAY), brute(wrong))
    assert found is not None
    lanes = found.case.kernel.a.lanes, found.case.kernel.w.lanes
    assert lanes == (3, 4)
    assert found.products == 1


def test_a_wrong_cycle_count_is_minimised_as_such() -> None:
    found = minimise(random_case(MODES[0]), ARRAY, software(ARRAY), brute(exact, 1))
    assert found is not None
    assert found.difference.what == "cycles"
    assert found.difference.found == found.difference.expected + 1
    assert [length for _, length in axes(found.case.kernel)] == [1, 1]


@pytest.mark.parametrize("mode", MODES)
def test_a_hang_is_minimised_as_such(mode: Mode) -> None:
    """A device that hangs in the third outer iteration, whatever the data."""

    def hangs(case: Case) -> Outcome:
        right = software(ARRAY)(case)
        if math.prod(case.kernel.outer) < 3:
            return right
        fault = HardwareFaultError("", "Array must finish.", 7 * right.cycles, case.o)
        return replace(right, o=fault.memory, cycles=fault.cycle, fault=fault)

    found = minimise(random_case(mode, m=19, n=19), ARRAY, software(ARRAY), hangs)
    assert found is not None
    difference = found.difference
    assert difference.what == "hang"
    assert difference.found == 7 * difference.expected
    assert str(difference.fault) == "Array must finish."
    assert math.prod(found.case.kernel.outer) == 3
    assert found.products == 0


def test_the_budget_is_kept() -> None:
    def wrong(a: int, w: int, row: int, col: int) -> float:
        return 0.0

    found = minimise(random_case(MODES[0]), ARRAY, software(ARRAY), brute(wrong), limit=10)
    assert found is not None
    assert found.runs == 10
    assert found.stopped == "stopped after 10 runs"


def test_without_time_the_case_itself_is_what_is_found() -> None:
    def wrong(a: int, w: int, row: int, col: int) -> float:
        return 0.0

    case = random_case(MODES[0])
    found = minimise(case, ARRAY, software(ARRAY), brute(wrong), seconds=0)
    assert found is not None
    assert (found.case, found.runs) == (case, 0)
    assert found.stopped == "stopped after 0 s"
