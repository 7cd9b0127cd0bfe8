"""Probes of the drain: what accumulators add and hold, and every step of post-processing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from systolab.cosim.check import binary32
from systolab.cosim.check.value import binary32_text, code_text, comparison32
from systolab.cosim.divergence.probes.expected import Sum, add32, multiply32
from systolab.cosim.divergence.probes.probe import Probe, Rows, Sample
from systolab.cosim.divergence.probes.view import View, output_of
from systolab.cosim.simulator.vcd import Signal

__all__ = ["accumulators", "postprocessing"]


def accumulators(view: View) -> Iterator[Probe]:
    """What each column's accumulator is told to add, and what it then holds."""
    for column in range(view.expected.kernel.w.lanes):
        scope = f"g_column[{column}].u_accumulator."
        signals = view.all(scope, ("valid_q", "row_q", "sum_i", "sum"))
        if signals is None:
            continue
        valid, row, value, total = signals
        commands = list(_commands(view, column, valid, row))
        # From a command for a row that expects none, nothing is known any more.
        strays = [Sample(t, None, row.at(t)) for t, item in commands if item is None][:1]
        known = [(cycle, item) for cycle, item in commands if item is not None]

        def entering(sample: Sample, column: int = column) -> Rows:
            found = sample.found or 0
            if not view.parameters.block_scaled:
                return view.wrong_sum(sample.about, column, sample.cycle, found)
            return (
                *output_of(sample.about, column),
                ("expected scaled sum", view.show_total(sample.about.addend)),
                ("found", view.show_total(found)),
            )

        def held(sample: Sample, column: int = column) -> Rows:
            return (
                *output_of(sample.about, column),
                ("expected total", view.show_total(sample.about.total)),
                ("found", view.show_total(sample.found or 0)),
            )

        maker = "scaling" if view.parameters.block_scaled else "processing elements"
        yield Probe(
            scope + "row_q",
            "controller",
            4,
            strays,
            lambda sample: (("found", f"a command for accumulator row {sample.found}"),),
        )
        addends = [Sample(t, x.addend, view.total(value, t), x) for t, x in known]
        yield Probe(scope + "sum_i", f"{maker} of column {column}", 4, addends, entering)
        totals = [Sample(t, x.total, view.total(total, t), x) for t, x in known]
        yield Probe(scope + "sum", f"accumulator of column {column}", 5, totals, held)


def _commands(
    view: View, column: int, valid: Signal, row: Signal
) -> Iterator[tuple[int, Sum | None]]:
    """Cycles in which a column accumulates, up to the first stray, with the sum that is due."""
    pending: dict[int, list[Sum]] = {}
    for item in view.expected.sums(column):
        pending.setdefault(item.row, []).append(item)
    for cycle in view.moving(valid):
        queue = pending.get(row.at(cycle))
        yield cycle, queue.pop(0) if queue else None
        if queue is None:
            return


def postprocessing(view: View) -> Iterator[Probe]:
    """Each step of each column: its result follows from its inputs, those from the accumulators."""
    for column in range(view.expected.kernel.w.lanes):
        scope = f"g_column[{column}].u_postprocess."
        valid, enable = view.get(scope + "valid_i"), view.get(scope + "en_i")
        if valid is not None:
            cycles = view.moving(enable)
            yield from _steps(view, column, scope, valid, cycles)
            yield from _given(view, column, scope, valid, cycles)


def _steps(
    view: View, column: int, scope: str, valid: Signal, cycles: list[int]
) -> Iterator[Probe]:
    steps: tuple[tuple[int, str, tuple[str, ...], Callable[..., int]], ...] = (
        (0, "converted", ("acc_i",), lambda acc: _convert(view, acc)),
        (1, "scaled", ("converted_q", "scale_i"), multiply32),
        (2, "biased", ("scaled_q", "bias_i"), add32),
        (3, "clamped", ("biased_q", "low_i", "high_i"), _clamp),
        (3, "code", ("clamped",), lambda word: _encode(view, word)),
    )
    for number, (step, name, inputs, function) in enumerate(steps):
        output, sources = view.get(scope + name), view.all(scope, inputs)
        if output is None or sources is None:
            continue

        def samples(
            step: int = step,
            sources: list[Signal] = sources,
            function: Callable[..., int] = function,
            output: Signal = output,
        ) -> Iterator[Sample]:
            for cycle in cycles:
                if valid.at(cycle) >> step & 1:
                    words = [source.at(cycle) for source in sources]
                    yield Sample(cycle, function(*words), output.at(cycle), words)

        def describe(sample: Sample, name: str = name, inputs: tuple[str, ...] = inputs) -> Rows:
            given = [
                (source, f"{word:#x}" if source == "acc_i" else binary32_text(word))
                for source, word in zip(inputs, sample.about, strict=True)
            ]
            wanted, found = int(sample.expected or 0), int(sample.found or 0)
            if name != "code":
                return (*given, *comparison32(wanted, found))
            out = view.array.out
            return (
                *given,
                ("expected", code_text(out, wanted)),
                ("found", code_text(out, found)),
            )

        block = f"post-processing of column {column}: {name}"
        yield Probe(scope + name, block, 6 + number, samples(), describe)


def _given(
    view: View, column: int, scope: str, valid: Signal, cycles: list[int]
) -> Iterator[Probe]:
    """What enters post-processing: the finished accumulators, scale and bias."""
    expected = view.expected
    last = expected.tiles - 1 if expected.sums_lanes else 0
    finished = [item for item in expected.sums(column) if item.tile == last]
    index = expected.kernel.p.addresses()[:, column]
    scale = view.case.scale[index].view(np.uint32)
    bias = view.case.bias[index].view(np.uint32)
    mask = 0xFFFFFFFF if view.binary32 else (1 << view.parameters.acc_bits) - 1

    def describe(sample: Sample) -> Rows:
        item: Sum = sample.about
        return (
            ("output", f"outer iteration {item.outer}, row {item.row}, column {column}"),
            ("expected", f"{sample.expected:#x}"),
            ("found", f"{sample.found:#x}"),
        )

    for step, name, wanted in (
        (0, "acc_i", [item.total & mask for item in finished]),
        (1, "scale_i", [int(scale[item.outer]) for item in finished]),
        (2, "bias_i", [int(bias[item.outer]) for item in finished]),
    ):
        signal = view.get(scope + name)
        if signal is None:
            continue
        at = [cycle for cycle in cycles if valid.at(cycle) >> step & 1]
        samples = [
            Sample(cycle, value, signal.at(cycle), item)
            for cycle, value, item in zip(at, wanted, finished, strict=False)
        ]
        yield Probe(scope + name, f"drain of column {column}", 5, samples, describe)


def _convert(view: View, acc: int) -> int:
    if view.binary32:
        return acc
    bits = view.parameters.acc_bits
    number = acc - (1 << bits) if acc >> (bits - 1) else acc
    return view.expected.arithmetic.binary32(number)


def _encode(view: View, word: int) -> int:
    x = np.array([word], np.uint32).view(np.float32)
    return int(view.array.out.encode(x)[0])


def _clamp(x: int, low: int, high: int) -> int:
    return int(binary32.clamp(np.array([x], np.uint32), low, high)[0])
