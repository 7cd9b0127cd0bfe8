"""The scaling of one column sum in a block-scaled array, signal by signal."""

from __future__ import annotations

from collections.abc import Mapping

from systolab.cosim.check.value import binary32_text, comparison32
from systolab.cosim.divergence.expected import Expected, Sum, multiply32, scaled32
from systolab.cosim.simulator.vcd import Signal

Rows = tuple[tuple[str, str], ...]

SUM_DELAY = 3  # cycles from the issue of a vector to its sum in column 0, beyond the array's rows

# Signals of systolab_column_scale in the order of the data's way.
SCALING = {
    "valid_i": "timing of the block scales of A",
    "first_i": "begin of a tile beside the block scales of A",
    "act_i": "block scale of A",
    "weight": "block scale of W",
    "factor": "product of the block scales",
    "sum": "conversion of the sum",
    "scaled": "scaled sum",
}


def first_wrong(
    item: Sum, signals: Mapping[str, Signal], cycle: int, following: int | None, expected: Expected
) -> tuple[int, str, Rows] | None:
    """The first signal that is not what the scaling of a right sum must show.

    Args:
        item: what is expected.
        signals: those of one column, by name.
        cycle: in which the sum is there.
        following: the next cycle in which the core moves, if there is one.
        expected: gives the arithmetic.

    Returns:
        Cycle, signal and rows about it; None where all are right.
    """
    assert item.scales is not None
    a, w = item.scales
    factor, converted = multiply32(a, w), expected.arithmetic.binary32(item.value)
    steps: tuple[tuple[str, int | None, int, Rows], ...] = (
        ("valid_i", cycle, 1, ()),
        ("first_i", cycle, int(item.row == 0), ()),
        ("act_i", cycle, a, ()),
        ("weight", cycle, w, ()),
        ("factor", cycle, factor, _given(("scale of A", a), ("scale of W", w))),
        ("sum", cycle, converted, ()),
        (
            "scaled",
            following,
            scaled32(converted, factor),
            _given(("sum", converted), ("product of scales", factor)),
        ),
    )
    for name, at, wanted, given in steps:
        signal = signals.get(name)
        if signal is None or at is None:
            continue
        found = signal.at(at)
        if found != wanted:
            if signal.width == 1:
                return at, name, (("expected", str(wanted)), ("found", str(found)))
            return at, name, (*given, *comparison32(wanted, found))
    return None


def _given(*operands: tuple[str, int]) -> Rows:
    return tuple((label, binary32_text(bits)) for label, bits in operands)


def output_of(item: Sum, column: int) -> Rows:
    """The rows of a finding that say which sum it is about."""
    return (
        ("output", f"outer iteration {item.outer}, row {item.row}, column {column}"),
        ("reduction tile", str(item.tile)),
    )
