"""Probes of the mesh: decoders, and processing elements where each is an instance of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from systolab.cosim.check.value import binary32_text, code_text
from systolab.cosim.divergence.probes.probe import Probe, Rows, Sample
from systolab.cosim.divergence.probes.view import View
from systolab.cosim.simulator.vcd import Signal
from systolab.formats.format import Format
from systolab.rtl.hardware.parameters import operand_words

__all__ = ["decoders", "elements"]


def decoders(view: View) -> Iterator[Probe]:
    """Each decoder: its operand is that of the code before it, zero of an inactive lane."""
    array = view.array
    for kind, side, count, fmt in (
        ("g_act", "activation", array.rows, array.act),
        ("g_weight", "weight", array.cols, array.weight),
    ):
        table = operand_words(fmt, view.parameters, weight=kind == "g_weight")
        for lane in range(count):
            scope = f"{kind}[{lane}].u_decoder."
            signals = view.all(scope, ("active_i", "code_i", "operand_o"))
            if signals is None:
                continue

            def describe(sample: Sample, fmt: Format = fmt) -> Rows:
                return (
                    ("code", code_text(fmt, sample.about)),
                    ("expected", f"operand {sample.expected:#x}"),
                    ("found", f"operand {sample.found:#x}"),
                )

            samples = _decoded(view, table, *signals)
            yield Probe(scope + "operand_o", f"{side} decoder, lane {lane}", 2, samples, describe)


def _decoded(
    view: View, table: Sequence[int], active: Signal, code: Signal, operand: Signal
) -> Iterator[Sample]:
    for cycle in view.moving():
        given = code.at(cycle)
        wanted = int(table[given]) if active.at(cycle) else 0
        yield Sample(cycle, wanted, operand.at(cycle), given)


def elements(view: View) -> Iterator[Probe]:
    """Each multiply-add: its sum follows from its operands and its addend.

    Only where processing elements are instances (Float32 accumulators, hand-written ones).
    """
    kernel = view.expected.kernel

    def describe(sample: Sample) -> Rows:
        act, weight, addend = sample.about
        return (
            ("activation", _operand(view, view.array.act, act)),
            ("weight", _operand(view, view.array.weight, weight)),
            ("addend", view.show_sum(addend)),
            ("expected sum", view.show_sum(sample.expected or 0)),
            ("found", view.show_sum(sample.found or 0)),
        )

    for row in range(kernel.a.lanes):
        for column in range(kernel.w.lanes):
            scope = f"u_mesh.g_pe.u_mesh.g_row[{row}].g_col[{column}].u_pe."
            signals = view.all(scope, ("act_i", "weight", "addend", "sum", "valid_i"))
            if signals is not None:
                block = f"processing element of row {row}, column {column}"
                yield Probe(scope + "sum", block, 3, _steps(view, *signals), describe)


def _steps(
    view: View, act: Signal, weight: Signal, addend: Signal, total: Signal, valid: Signal
) -> Iterator[Sample]:
    for cycle in view.moving(valid):
        given = act.at(cycle), weight.at(cycle), view.sum(addend, cycle)
        wanted = view.expected.arithmetic.step(*given)
        yield Sample(cycle, wanted, view.sum(total, cycle), given)


def _operand(view: View, fmt: Format, word: int) -> str:
    """An operand of systolab_mac: its active flag is above its code or binary32."""
    if view.parameters.own_pe:
        active, code = word >> fmt.bits, word & ((1 << fmt.bits) - 1)
        return code_text(fmt, code) if active else "inactive"
    return binary32_text(word & 0xFFFFFFFF) if word >> 32 else "inactive"
