"""Access patterns against nested loops, and every validation error by its text."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from systolab.formats import get
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.errors import SystolabError
from systolab.rtl import AccessPattern, Array, Guard, Kernel, Mode, parse_array
from systolab.rtl.kernel.gemm import gemm_kernel
from tests.kernels import reads

FORMAT = get("adaptivfloat:8,3")
ARRAY = Array(4, 4, FORMAT, FORMAT, FORMAT, Exact(), acc_rows=8, k_max=100)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_pattern_equals_nested_loops(data: st.DataObject) -> None:
    lengths = tuple(data.draw(st.lists(st.integers(1, 4), max_size=3)))
    pattern = data.draw(reads(lengths, data.draw(st.integers(1, 4))))
    addresses, active = [], []
    for index in itertools.product(*[range(n) for n in lengths]):
        for lane in range(pattern.lanes):
            addresses.append(
                pattern.base
                + sum(i * s for i, s in zip(index, pattern.strides, strict=True))
                + lane * pattern.lane[1]
            )
            active.append(
                all(
                    0
                    <= guard.offset
                    + sum(i * s for i, s in zip(index, guard.strides, strict=True))
                    + lane * guard.lane_stride
                    < guard.bound
                    for guard in pattern.guards
                )
            )
    assert pattern.addresses().reshape(-1).tolist() == addresses
    assert pattern.active().reshape(-1).tolist() == active


@pytest.mark.parametrize(
    ("text", "sides"), [("16x16", (16, 16)), ("1x64", (1, 64)), ("5x3", (5, 3))]
)
def test_parse_array(text: str, sides: tuple[int, int]) -> None:
    assert parse_array(text) == sides


@pytest.mark.parametrize(
    "text", ["0x4", "4x0", "65x1", "16", "x16", "16x", "-1x4", "4X4", " 4x4", "4x4x4", "٤x4", ""]
)
def test_parse_array_refuses(text: str) -> None:
    with pytest.raises(SystolabError) as caught:
        parse_array(text)
    assert str(caught.value) == f"Array must be ROWSxCOLS with both from 1 to 64, not '{text}'"


def test_line_defaults_to_the_smallest() -> None:
    lines = [
        Array(rows, cols, FORMAT, FORMAT, FORMAT, Exact()).line
        for rows, cols in [(1, 1), (4, 4), (5, 3), (3, 16), (64, 1)]
    ]
    assert lines == [4, 4, 8, 16, 64]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "Array rows must be from 1 to 64, not 0"),
        ({"cols": 65}, "Array columns must be from 1 to 64, not 65"),
        ({"line": 12}, "Line length must be a power of two from 4 to 64, not 12"),
        ({"line": 128}, "Line length must be a power of two from 4 to 64, not 128"),
        ({"rows": 9, "line": 8}, "Line length must be a power of two from 16 to 64, not 8"),
        ({"acc_rows": 3}, "Accumulator rows must be from 4 to 65536, not 3"),
        ({"k_max": 0}, "Longest reduction must be from 1 to 2^31-1, not 0"),
    ],
)
def test_array_errors(change: dict[str, int], message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        replace(ARRAY, **change)  # type: ignore[arg-type]
    assert str(caught.value) == message


def pattern(*lengths: int, lanes: int = 2) -> AccessPattern:
    return AccessPattern(0, tuple((length, 1) for length in lengths), (lanes, 1))


# Outer loop of 2, reduction of 3, 5 rows.
GOOD: dict[str, object] = {
    "mode": Mode.WEIGHT_STATIONARY,
    "outer": (2,),
    "reduction": (3,),
    "rows": (5,),
    "a": pattern(2, 3, 5),
    "w": pattern(2, 3, 2),
    "o": pattern(2, 5),
    "p": pattern(2),
}
LONG = (1,) * 13


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mode": "input-stationary"},
            "Kernel mode must be 'weight-stationary' or 'output-stationary', "
            "not 'input-stationary'",
        ),
        (
            {"mode": "output-stationary"},
            "Kernel rows must be empty in output-stationary mode, not (5,)",
        ),
        ({"a": pattern(2, 5, 3)}, "Stream A must have loops of lengths (2, 3, 5), not (2, 5, 3)"),
        ({"w": pattern(2, 3, 4)}, "Stream W must have loops of lengths (2, 3, 2), not (2, 3, 4)"),
        ({"o": pattern(2)}, "Stream O must have loops of lengths (2, 5), not (2,)"),
        ({"p": pattern()}, "Stream P must have loops of lengths (2,), not ()"),
        ({"o": pattern(2, 5, lanes=3)}, "Stream O must have the 2 lanes of stream W, not 3"),
        ({"p": pattern(2, lanes=1)}, "Stream P must have the 2 lanes of stream W, not 1"),
        (
            {"p": replace(pattern(2), guards=(Guard(0, (0,), 0, 1),))},
            "Stream P must have no guards, not 1",
        ),
        (
            {"outer": LONG, "a": pattern(*LONG, 3, 5)},
            "Stream A must have at most 12 loops, not 15",
        ),
        (
            {"outer": (0,), "a": pattern(0, 3, 5)},
            "Loop lengths of stream A must be from 1 to 65536, not 0",
        ),
        (
            {"outer": (65537,), "a": pattern(65537, 3, 5)},
            "Loop lengths of stream A must be from 1 to 65536, not 65537",
        ),
        (
            {"a": replace(pattern(2, 3, 5), guards=(Guard(0, (0, 0, 0), 0, 1),) * 5)},
            "Stream A must have at most 4 guards, not 5",
        ),
        (
            {"a": replace(pattern(2, 3, 5), guards=(Guard(0, (0, 0), 0, 1),))},
            "Guards of stream A must have one stride for each of the 3 loops, not 2",
        ),
        (
            {"a": replace(pattern(2, 3, 5), guards=(Guard(0, (0, 0, 0), 0, -1),))},
            "Guard bounds of stream A must be from 0 to 2^31-1, not -1",
        ),
        (
            {"a": replace(pattern(2, 3, 5), guards=(Guard(0, (0, 0, -(1 << 30)), 0, 1),))},
            "Guard values of stream A must fit 32 signed bits, not span -4294967296 to 0",
        ),
        (
            {"a": replace(pattern(2, 3, 5), base=(1 << 31) - 8)},
            "Addresses of stream A must fit 32 signed bits, not span 2147483640 to 2147483648",
        ),
    ],
)
def test_kernel_errors(change: dict[str, object], message: str) -> None:
    Kernel(**GOOD)  # type: ignore[arg-type]
    with pytest.raises(SystolabError) as caught:
        Kernel(**(GOOD | change))  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 1}, "Stream A must have at most the array's 1 lanes, not 2"),
        ({"cols": 1}, "Stream W must have at most the array's 1 lanes, not 2"),
        (
            {"acc_rows": 4},
            "Output rows of an iteration must be at most the 4 rows of an accumulator bank, not 5",
        ),
        ({"k_max": 5}, "Reduction must be at most 5 steps long, not 6"),
    ],
)
def test_kernel_must_fit_the_array(change: dict[str, int], message: str) -> None:
    kernel = Kernel(**GOOD)  # type: ignore[arg-type]
    kernel.check(ARRAY)
    with pytest.raises(SystolabError) as caught:
        kernel.check(replace(ARRAY, **change))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_derived_quantities() -> None:
    kernel = Kernel(**GOOD)  # type: ignore[arg-type]
    assert (kernel.group, kernel.length, kernel.bank_rows) == (2, 6, 5)
    stationary = gemm_kernel(ARRAY, 4, 9, 4, Mode.OUTPUT_STATIONARY)
    assert (stationary.group, stationary.length, stationary.bank_rows) == (1, 9, 4)
    assert ARRAY.name == "4x4"
