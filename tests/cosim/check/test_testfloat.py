"""Adder, multiplier and conversion of the RTL equal SoftFloat, and a wrong one is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.check.testfloat import accumulators, pairs, verify
from systolab.cosim.simulator.units import Units
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.kernel import Array


def _hardware(name: str) -> Hardware:
    fmt = formats.get(name)
    return hardware(Array(1, 1, fmt, fmt, fmt, Exact()))


@pytest.mark.parametrize("name", ["adaptivfloat:8,3", "int:8"])
def test_a_million_vectors_each(name: str) -> None:
    verdict = verify(Units(_hardware(name)), 1_000_000)
    assert (verdict.differing, verdict.first) == (0, None)


def test_vectors_reach_the_corners() -> None:
    rng = np.random.default_rng(0)
    a, b = (x.view(np.float32) for x in pairs(rng, 200_000))
    with np.errstate(all="ignore"):
        sums, products = a + b, a * b
        tiny = np.finfo(np.float32).tiny
        for results in (sums, products):
            assert np.count_nonzero(np.isnan(results)) > 1000
            assert np.count_nonzero(np.isinf(results)) > 1000
            assert np.count_nonzero((np.abs(results) < tiny) & (results != 0)) > 1000
            assert np.count_nonzero(results == 0) > 100
        # Cancellation: the sum lies far below both operands.
        assert np.count_nonzero(np.abs(sums) * 4096 < np.minimum(np.abs(a), np.abs(b))) > 5000
    acc = accumulators(rng, 41, 200_000)
    assert int(np.abs(acc).max()).bit_length() >= 40
    # Exact ties: the bits below the 24 that remain are a one and zeros.
    length = np.frexp(np.abs(acc).astype(np.float64))[1]
    below = np.maximum(length - 24, 1)
    tie = (np.abs(acc) & ((np.int64(1) << below) - 1)) == np.int64(1) << (below - 1)
    assert np.count_nonzero(tie & (length > 24)) > 5000


@pytest.mark.parametrize(
    ("name", "right", "wrong", "unit"),
    [
        ("systolab_f32_add_pkg.sv", "|| total[3])", "|| !total[3])", "add"),
        ("systolab_f32_mul_pkg.sv", "excess > 11'd25", "excess > 11'd22", "mul"),
        ("systolab_int_to_f32.sv", "sticky || shifted[Padded-24]", "sticky", "convert"),
    ],
)
def test_a_wrong_unit_is_seen(name: str, right: str, wrong: str, unit: str) -> None:
    sources = _hardware("adaptivfloat:4,2")
    assert right in sources.files[name]
    files = {**sources.files, name: sources.files[name].replace(right, wrong)}
    verdict = verify(Units(replace(sources, files=files)), 100_000)
    assert verdict.first is not None
    assert verdict.first.unit == unit
