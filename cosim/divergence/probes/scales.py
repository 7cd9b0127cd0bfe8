"""Probes of block scaling: column sums and their scales, up to what enters the accumulator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from systolab.cosim.check.value import binary32_text, comparison32
from systolab.cosim.divergence.probes.expected import Sum, multiply32, scaled32
from systolab.cosim.divergence.probes.probe import Probe, Rows, Sample
from systolab.cosim.divergence.probes.view import View, output_of

__all__ = ["scales"]

_SUM_DELAY = 3  # cycles from the issue of a vector to its sum in column 0, beyond the array's rows

_Operands = tuple[tuple[str, int], ...]


def scales(view: View) -> Iterator[Probe]:
    """Every signal of systolab_column_scale, in the order of the data's way.

    A vector's sum is due a fixed number of the core's cycles after the vector is issued.
    """
    issue = view.get("a_issue")
    if not view.parameters.block_scaled or issue is None:
        return
    moving = view.moving()
    after = dict(itertools.pairwise(moving))
    issued = [i for i, cycle in enumerate(moving) if issue.at(cycle)]
    for column in range(view.expected.kernel.w.lanes):
        scope = f"g_block_scaled.g_scale[{column}].u_scale."
        total = view.get(scope + "sum_i")
        if total is None:
            continue
        due = [i + view.array.rows + _SUM_DELAY + column for i in issued]
        cycles = [moving[i] for i in due if i < len(moving)]
        sums = list(zip(cycles, view.expected.sums(column), strict=False))

        def wrong(sample: Sample, column: int = column) -> Rows:
            return view.wrong_sum(sample.about, column, sample.cycle, sample.found or 0)

        samples = [Sample(cycle, item.value, total.signed(cycle), item) for cycle, item in sums]
        block = f"processing elements of column {column}"
        yield Probe(scope + "sum_i", block, 4, samples, wrong)
        for name, what, wanted, operands, next_cycle in _steps(view):
            signal = view.get(scope + name)
            if signal is None:
                continue
            looks = [
                (at, item)
                for cycle, item in sums
                if (at := after.get(cycle) if next_cycle else cycle) is not None
            ]
            steps = [Sample(at, wanted(item), signal.at(at), item) for at, item in looks]

            def describe(
                sample: Sample,
                column: int = column,
                operands: Callable[[Sum], _Operands] = operands,
                flag: bool = signal.width == 1,
            ) -> Rows:
                found = int(sample.found or 0)
                wanted = int(sample.expected or 0)
                given = tuple((x, binary32_text(bits)) for x, bits in operands(sample.about))
                plain = (("expected", str(wanted)), ("found", str(found)))
                shown = plain if flag else comparison32(wanted, found)
                return (*output_of(sample.about, column), *given, *shown)

            yield Probe(scope + name, f"{what} of column {column}", 4, steps, describe)


def _steps(
    view: View,
) -> tuple[tuple[str, str, Callable[[Sum], int], Callable[[Sum], _Operands], bool], ...]:
    """Signal, what it is, its value for a right sum, what that is made from, a cycle later."""

    def pair(item: Sum) -> tuple[int, int]:
        assert item.scales is not None
        return item.scales

    def factor(item: Sum) -> int:
        return multiply32(*pair(item))

    def converted(item: Sum) -> int:
        return view.expected.arithmetic.binary32(item.value)

    def nothing(_: Sum) -> _Operands:
        return ()

    def both(item: Sum) -> _Operands:
        a, w = pair(item)
        return ("scale of A", a), ("scale of W", w)

    def product(item: Sum) -> _Operands:
        return ("sum", converted(item)), ("product of scales", factor(item))

    def scaled(item: Sum) -> int:
        return scaled32(converted(item), factor(item))

    return (
        ("valid_i", "timing of the block scales of A", lambda _: 1, nothing, False),
        (
            "first_i",
            "begin of a tile beside the block scales of A",
            lambda item: int(item.row == 0),
            nothing,
            False,
        ),
        ("act_i", "block scale of A", lambda item: pair(item)[0], nothing, False),
        ("weight", "block scale of W", lambda item: pair(item)[1], nothing, False),
        ("factor", "product of the block scales", factor, both, False),
        ("sum", "conversion of the sum", converted, nothing, False),
        ("scaled", "scaled sum", scaled, product, True),
    )
