"""Probes of the streams: what starts them, what they request, deliver and write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from systolab.cosim.check.value import code_text
from systolab.cosim.divergence.probes.probe import CORE, Place, Probe, Rows, Sample
from systolab.cosim.divergence.probes.view import View
from systolab.cosim.simulator.vcd import Signal
from systolab.rtl import values

__all__ = ["operands", "requests", "standstill", "starts", "writes"]

_PIPELINE = 4  # cycles between a stream's issue and its vector, at most


def starts(view: View) -> Iterator[Probe]:
    """The start of the kernel, which comes once, in cycle 0."""
    signal = view.get("init")
    if signal is None:
        return
    samples = [Sample(cycle, 0, signal.at(cycle)) for cycle in view.span if cycle > 0]
    about = (("found", "the kernel starts again while it runs"),)
    yield Probe("init", "start and clock enable", 0, samples, lambda _: about)


def requests(view: View) -> Iterator[Probe]:
    """Lines and indices that the ports are asked for, in order."""
    expected = view.expected
    for stream, target, wanted in (
        ("a", "line", expected.a_lines()),
        ("w", "line", expected.w_lines()),
        ("p", "index", expected.parameters()),
        *((stream, "index", wanted) for stream, wanted in expected.scale_requests().items()),
    ):
        if view.all(f"{stream}_req_", ("valid_o", "ready_i")) is None:
            continue
        value = view.get(f"{stream}_req_{target}_o")
        if value is None:
            continue

        def describe(sample: Sample, stream: str = stream, target: str = target) -> Rows:
            texts = [
                "no request" if x is None else f"{target} {x}"
                for x in (sample.expected, sample.found)
            ]
            return (
                ("request", f"number {sample.about} of stream {stream.upper()}"),
                ("expected", texts[0]),
                ("found", texts[1]),
            )

        cycles = view.taken(stream)
        made = [
            Sample(cycle, wanted[i] if i < len(wanted) else None, value.at(cycle), i)
            for i, cycle in enumerate(cycles)
        ]
        missing = [
            Sample(view.span[-1], wanted[i], None, i)
            for i in range(len(cycles), len(wanted))
            if not view.hung
        ]
        block = f"address generator of stream {stream.upper()}"
        yield Probe(f"{stream}_req_{target}_o", block, 0, made, describe)
        yield Probe(f"{stream}_req_valid_o", block, 0, missing, describe)


def writes(view: View) -> Iterator[Probe]:
    """Lines of the output that are written, in order: their number, their codes, and which."""
    signals = view.all("o_req_", ("line_o", "mask_o", "data_o"))
    if signals is None:
        return
    line, mask, data = signals
    bits, array = view.array.out.bits, view.array
    codes = values.run(array, view.case).o_mem
    wanted = view.expected.writes()
    cycles = view.taken("o")

    def describe(sample: Sample) -> Rows:
        what, number = sample.about
        texts = ["none" if x is None else f"{x:#x}" for x in (sample.expected, sample.found)]
        return (
            ("write", f"number {number} of stream O: {what}"),
            ("expected", texts[0]),
            ("found", texts[1]),
        )

    lines: list[Sample] = []
    masks: list[Sample] = []
    written: list[Sample] = []
    for number, cycle in enumerate(cycles):
        here, bit_mask = wanted[number] if number < len(wanted) else (None, None)
        lines.append(Sample(cycle, here, line.at(cycle), ("line", number)))
        if here is None or bit_mask is None or here != line.at(cycle):
            break  # what follows is of other lines
        masks.append(Sample(cycle, bit_mask, mask.at(cycle), ("mask of the codes", number)))
        for lane in range(array.line):
            if bit_mask >> lane & 1:
                found = data.at(cycle) >> (lane * bits) & ((1 << bits) - 1)
                code = int(codes[here * array.line + lane])
                written.append(Sample(cycle, code, found, (f"code {lane} of its line", number)))
    if len(cycles) < len(wanted) and not view.hung:
        about = ("line", len(cycles))
        lines.append(Sample(view.span[-1], wanted[len(cycles)][0], None, about))
    for name, samples in (("line", lines), ("mask", masks), ("data", written)):
        yield Probe(f"o_req_{name}_o", "stream O", 11, samples, describe)


def operands(view: View) -> Iterator[Probe]:
    """Operand vectors as the streams deliver them, some fixed number of cycles after issue."""
    expected, array = view.expected, view.array
    for stream, wanted, fmt in (
        ("a", expected.a_vectors, array.act),
        ("w", expected.w_vectors, array.weight),
    ):
        signals = view.all(f"{stream}_", ("issue", "code", "active"))
        if signals is None:
            continue
        issue, codes, active = signals
        issued = view.moving(issue)[: len(wanted)]

        def look(
            delay: int,
            wanted: list[list[int | None]] = wanted,
            issued: list[int] = issued,
            lanes: tuple[Signal, Signal, int] = (codes, active, fmt.bits),
        ) -> list[Sample]:
            """Every lane of every vector, if they come this many cycles after their issue."""
            return [
                Sample(cycle + delay, code, _code(*lanes, cycle + delay, lane), (number, lane))
                for number, cycle in enumerate(issued)
                for lane, code in enumerate(wanted[number])
            ]

        def describe(sample: Sample, stream: str = stream) -> Rows:
            number, lane = cast(tuple[int, int], sample.about)
            fmt = view.array.act if stream == "a" else view.array.weight
            texts = [
                "inactive" if x is None else code_text(fmt, x)
                for x in (sample.expected, sample.found)
            ]
            return (
                ("vector", f"number {number} of stream {stream.upper()}, lane {lane}"),
                ("expected", texts[0]),
                ("found", texts[1]),
            )

        # The delay is the one under which the most vectors are right.
        samples = max(map(look, range(_PIPELINE + 1)), key=_right)
        block = f"stream {stream.upper()}"
        masks = [x for x in samples if x.expected is None or x.found is None]
        values = [x for x in samples if x.expected is not None and x.found is not None]
        yield Probe(f"{stream}_active", block, 1, masks, describe)
        yield Probe(f"{stream}_code", block, 1, values, describe)


def _code(codes: Signal, active: Signal, bits: int, cycle: int, lane: int) -> int | None:
    """The code of one lane, None where it is inactive."""
    if not active.at(cycle) >> lane & 1:
        return None
    return codes.at(cycle) >> (bits * lane) & ((1 << bits) - 1)


def _right(samples: list[Sample]) -> int:
    """How many samples are right before the first wrong one."""
    wrong = (i for i, sample in enumerate(samples) if sample.expected != sample.found)
    return next(wrong, len(samples))


def standstill(view: View) -> Place | None:
    """Where nothing is wrong but nothing moves: the cycle after the last request of any port.

    The signal is the controller's permission that a stream waits for, if there is one.
    """
    expected = view.expected
    rows: list[tuple[str, str]] = []
    stopped, missing = view.span[0], ""
    for stream, wanted in (
        ("a", expected.a_lines()),
        ("w", expected.w_lines()),
        ("p", expected.parameters()),
        ("o", expected.o_lines()),
    ):
        if view.all(f"{stream}_req_", ("valid_o", "ready_i")) is None:
            return None
        cycles = view.taken(stream)
        when = f", the last in cycle {cycles[-1]}" if cycles else ""
        text = f"{len(cycles)} of {len(wanted)} requests{when}"
        rows.append((f"stream {stream.upper()}", text))
        stopped = max(stopped, *cycles[-1:], 0)
        if len(cycles) < len(wanted):
            missing = missing or f"{stream}_req_valid_o"
    last = view.span[-1]
    cycle = min(stopped + 1, last)
    scope = "u_controller."
    state = [
        (name, signal.at(last))
        for name in ("a_valid_i", "a_go_o", "w_valid_i", "w_go_o", "bank_free", "loaded_q")
        if (signal := view.get(scope + name)) is not None
    ]
    rows.append(("controller", ", ".join(f"{name} {value}" for name, value in state)))
    now = dict(state)
    waits = (f"{s}_go_o" for s in "aw" if now.get(f"{s}_valid_i") and not now[f"{s}_go_o"])
    waiting = next(waits, None)
    name = missing or "done_o" if waiting is None else scope + waiting
    return Place(cycle, 9, CORE + name, "nothing: the core stands still from here", tuple(rows))
