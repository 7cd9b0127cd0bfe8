"""Where in the hardware a case goes wrong: the first signal that shows what it must not.

The waveform of a short case is held against what the software expects at every block's boundary, in
the order of the data's way: requested lines, operand vectors, decoders, processing elements where
each is an instance of its own, column sums, accumulators, each step of post-processing, encoder.
The earliest difference is the place.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from systolab.cosim.case import Case
from systolab.cosim.check import binary32
from systolab.cosim.check.value import binary32_text, code_text, comparison32, exact
from systolab.cosim.divergence.expected import Expected, Sum, add32, first_difference, multiply32
from systolab.cosim.divergence.locate_scales import SCALING, SUM_DELAY, first_wrong, output_of
from systolab.cosim.simulator.vcd import Signal, Waves
from systolab.formats.format import Format
from systolab.rtl.hardware.hardware import operand_words
from systolab.rtl.kernel.kernel import Array

CORE = "TOP.systolab_top.u_core."
_PIPELINE = 4  # cycles between a stream's issue and its vector, at most


@dataclass(frozen=True)
class Place:
    """A signal that is wrong in a cycle.

    Attributes:
        cycle: clock cycle since the start pulse.
        order: position on the data's way, for equal cycles.
        signal: hierarchical name.
        block: what the signal belongs to.
        rows: more about it, label and text.
    """

    cycle: int
    order: int
    signal: str
    block: str
    rows: tuple[tuple[str, str], ...]


class Locator:
    """Compares one waveform with what the software expects."""

    def __init__(self, case: Case, array: Array, waves: Waves, hung: bool = False) -> None:
        """Prepare the comparison.

        Args:
            case: what ran.
            array: on which machine.
            waves: what its signals did.
            hung: the case did not finish, so sequences end early.
        """
        self._hung = hung
        self._array = array
        self._waves = waves
        self._expected = Expected(case, array)
        self._case = case
        self._parameters = self._expected.arithmetic.parameters
        # Of the accumulators.
        self._binary32 = self._parameters.float32 or self._parameters.block_scaled

    def first(self) -> Place | None:
        """The earliest wrong signal, or None where all that are known are right."""
        places = [
            *self._requests(),
            *self._operands(),
            *self._decoders(),
            *self._elements(),
            *self._scales(),
            *self._columns(),
            *self._postprocessing(),
        ]
        first = min(places, key=lambda place: (place.cycle, place.order), default=None)
        return self._standstill() if first is None and self._hung else first

    def _signal(self, name: str) -> Signal | None:
        return self._waves.get(CORE + name)

    def _cycles(self, *when: Signal | None) -> list[int]:
        """Cycles in which the core moves and all of the given signals are set."""
        enable = self._signal("en")
        needed = [signal for signal in (enable, *when) if signal is not None]
        span = range(self._waves.first, self._waves.last + 1)
        return [cycle for cycle in span if all(signal.at(cycle) for signal in needed)]

    def _requests(self) -> Iterator[Place]:
        expected = self._expected
        for stream, target, wanted in (
            ("a", "line", expected.a_lines()),
            ("w", "line", expected.w_lines()),
            ("p", "index", expected.parameters()),
            *((stream, "index", wanted) for stream, wanted in expected.scale_requests().items()),
        ):
            value = self._signal(f"{stream}_req_{target}_o")
            valid = self._signal(f"{stream}_req_valid_o")
            ready = self._signal(f"{stream}_req_ready_i")
            if value is None or valid is None or ready is None:
                continue
            span = range(self._waves.first, self._waves.last + 1)
            cycles = [t for t in span if valid.at(t) and ready.at(t)]
            found = [value.at(cycle) for cycle in cycles]
            at = first_difference(wanted, found)
            if at is None or (self._hung and at == len(found)):
                continue
            rows = (
                ("request", f"number {at} of stream {stream.upper()}"),
                ("expected", f"{target} {wanted[at]}" if at < len(wanted) else "no request"),
                ("found", f"{target} {found[at]}" if at < len(found) else "no request"),
            )
            cycle = cycles[at] if at < len(cycles) else self._waves.last
            name = f"{stream}_req_{target}_o" if at < len(found) else f"{stream}_req_valid_o"
            block = f"address generator of stream {stream.upper()}"
            yield Place(cycle, 0, CORE + name, block, rows)

    def _standstill(self) -> Place | None:
        """Where nothing is wrong but nothing moves: the cycle after the last request of any port.

        The signal is the controller's permission that a stream waits for, if there is one.
        """
        expected = self._expected
        span = range(self._waves.first, self._waves.last + 1)
        rows: list[tuple[str, str]] = []
        stopped, missing = self._waves.first, ""
        for stream, wanted in (
            ("a", expected.a_lines()),
            ("w", expected.w_lines()),
            ("p", expected.parameters()),
            ("o", expected.o_lines()),
        ):
            valid, ready = (self._signal(f"{stream}_req_{n}") for n in ("valid_o", "ready_i"))
            if valid is None or ready is None:
                return None
            cycles = [t for t in span if valid.at(t) and ready.at(t)]
            when = f", the last in cycle {cycles[-1]}" if cycles else ""
            text = f"{len(cycles)} of {len(wanted)} requests{when}"
            rows.append((f"stream {stream.upper()}", text))
            stopped = max(stopped, *cycles[-1:], 0)
            if len(cycles) < len(wanted):
                missing = missing or f"{stream}_req_valid_o"
        cycle = min(stopped + 1, self._waves.last)
        scope = "u_controller."
        state = [
            (name, signal.at(self._waves.last))
            for name in ("a_valid_i", "a_go_o", "w_valid_i", "w_go_o", "bank_free", "loaded_q")
            if (signal := self._signal(scope + name)) is not None
        ]
        rows.append(("controller", ", ".join(f"{name} {value}" for name, value in state)))
        now = dict(state)
        waits = (f"{s}_go_o" for s in "aw" if now.get(f"{s}_valid_i") and not now[f"{s}_go_o"])
        waiting = next(waits, None)
        name = missing or "done_o" if waiting is None else scope + waiting
        return Place(cycle, 9, CORE + name, "nothing: the core stands still from here", tuple(rows))

    def _operands(self) -> Iterator[Place]:
        """Operand vectors as the streams deliver them, some fixed number of cycles after issue."""
        expected, array = self._expected, self._array
        for stream, wanted, bits in (
            ("a", expected.a_vectors, array.act.bits),
            ("w", expected.w_vectors, array.weight.bits),
        ):
            issue, codes, active = (
                self._signal(f"{stream}_{what}") for what in ("issue", "code", "active")
            )
            if issue is None or codes is None or active is None:
                continue
            cycles = self._cycles(issue)
            best: tuple[int, Place] | None = None
            for delay in range(_PIPELINE + 1):
                place = self._vectors(stream, wanted, bits, codes, active, cycles, delay)
                if place is None:
                    best = None
                    break
                if best is None or place[0] > best[0]:
                    best = place
            if best is not None:
                yield best[1]

    def _vectors(
        self,
        stream: str,
        wanted: list[list[int | None]],
        bits: int,
        codes: Signal,
        active: Signal,
        cycles: list[int],
        delay: int,
    ) -> tuple[int, Place] | None:
        """Index and place of the first wrong vector under an assumed delay."""
        for i, cycle in enumerate(cycles[: len(wanted)]):
            word, mask = codes.at(cycle + delay), active.at(cycle + delay)
            for lane, code in enumerate(wanted[i]):
                found = (word >> (bits * lane) & ((1 << bits) - 1)) if mask >> lane & 1 else None
                if found == code:
                    continue
                fmt = self._array.act if stream == "a" else self._array.weight
                texts = ["inactive" if x is None else code_text(fmt, x) for x in (code, found)]
                rows = (
                    ("vector", f"number {i} of stream {stream.upper()}, lane {lane}"),
                    ("expected", texts[0]),
                    ("found", texts[1]),
                )
                is_mask = found is None or code is None
                name = CORE + f"{stream}_{'active' if is_mask else 'code'}"
                block = f"stream {stream.upper()}"
                return i, Place(cycle + delay, 1, name, block, rows)
        return None

    def _decoders(self) -> Iterator[Place]:
        array = self._array
        for kind, count, fmt in (
            ("g_act", array.rows, array.act),
            ("g_weight", array.cols, array.weight),
        ):
            table = operand_words(fmt, self._parameters, weight=kind == "g_weight")
            for lane in range(count):
                scope = f"{kind}[{lane}].u_decoder."
                active, code, operand = (
                    self._signal(scope + name) for name in ("active_i", "code_i", "operand_o")
                )
                if active is None or code is None or operand is None:
                    continue
                for cycle in self._cycles():
                    wanted = table[code.at(cycle)] if active.at(cycle) else 0
                    if operand.at(cycle) != wanted:
                        rows = (
                            ("code", code_text(fmt, code.at(cycle))),
                            ("expected", f"operand {wanted:#x}"),
                            ("found", f"operand {operand.at(cycle):#x}"),
                        )
                        side = "activation" if kind == "g_act" else "weight"
                        block = f"{side} decoder, lane {lane}"
                        yield Place(cycle, 2, CORE + scope + "operand_o", block, rows)
                        break

    def _elements(self) -> Iterator[Place]:
        """Each multiply-add: its sum follows from its operands and its addend.

        Only where processing elements are instances (Float32 accumulators, hand-written ones).
        """
        kernel = self._expected.kernel
        for row in range(kernel.a.lanes):
            for column in range(kernel.w.lanes):
                scope = f"u_mesh.g_pe.u_mesh.g_row[{row}].g_col[{column}].u_pe."
                signals = [
                    self._signal(scope + name)
                    for name in ("act_i", "weight", "addend", "sum", "valid_i")
                ]
                present = [signal for signal in signals if signal is not None]
                if len(present) == len(signals):
                    place = self._element(scope, row, column, *present)
                    if place is not None:
                        yield place

    def _element(
        self,
        scope: str,
        row: int,
        column: int,
        act: Signal,
        weight: Signal,
        addend: Signal,
        total: Signal,
        valid: Signal,
    ) -> Place | None:
        for cycle in self._cycles(valid):
            a, w, x = act.at(cycle), weight.at(cycle), self._sum(addend, cycle)
            wanted, found = self._expected.arithmetic.step(a, w, x), self._sum(total, cycle)
            if wanted != found:
                rows = (
                    ("activation", self._operand(self._array.act, a)),
                    ("weight", self._operand(self._array.weight, w)),
                    ("addend", self._show_sum(x)),
                    ("expected sum", self._show_sum(wanted)),
                    ("found", self._show_sum(found)),
                )
                name = f"processing element of row {row}, column {column}"
                return Place(cycle, 3, CORE + scope + "sum", name, rows)
        return None

    def _sum(self, signal: Signal, cycle: int) -> int:
        """A sum within the array, which block scaling leaves an integer."""
        return signal.at(cycle) if self._parameters.float32 else signal.signed(cycle)

    def _operand(self, fmt: Format, word: int) -> str:
        """An operand of systolab_mac: its active flag is above its code or binary32."""
        if self._parameters.own_pe:
            active, code = word >> fmt.bits, word & ((1 << fmt.bits) - 1)
            return code_text(fmt, code) if active else "inactive"
        return binary32_text(word & 0xFFFFFFFF) if word >> 32 else "inactive"

    def _columns(self) -> Iterator[Place]:
        for column in range(self._expected.kernel.w.lanes):
            scope = f"g_column[{column}].u_accumulator."
            valid, row, value, total = (
                self._signal(scope + name) for name in ("valid_q", "row_q", "sum_i", "sum")
            )
            if valid is None or row is None or value is None or total is None:
                continue
            wanted = self._expected.sums(column)
            cycles = self._cycles(valid)
            pending = self._by_row(wanted)
            for cycle in cycles:
                queue = pending.get(row.at(cycle))
                if not queue:
                    rows = (("found", f"a command for accumulator row {row.at(cycle)}"),)
                    yield Place(cycle, 4, CORE + scope + "row_q", "controller", rows)
                    break
                item = queue.pop(0)
                place = self._column(scope, column, item, cycle, value, total)
                if place is not None:
                    yield place
                    break

    @staticmethod
    def _by_row(sums: list[Sum]) -> dict[int, list[Sum]]:
        rows: dict[int, list[Sum]] = {}
        for item in sums:
            rows.setdefault(item.row, []).append(item)
        return rows

    def _column(
        self, scope: str, column: int, item: Sum, cycle: int, value: Signal, total: Signal
    ) -> Place | None:
        found = self._number(value, cycle)
        if found != item.addend and item.scales is None:
            return self._wrong_sum(scope, column, item, cycle, found, cycle)
        place = output_of(item, column)
        if found != item.addend:
            rows: tuple[tuple[str, str], ...] = (
                *place,
                ("expected scaled sum", self._show(item.addend)),
                ("found", self._show(found)),
            )
            name = CORE + scope + "sum_i"
            return Place(cycle, 4, name, f"scaling of column {column}", rows)
        written = self._number(total, cycle)
        if written != item.total:
            rows = (
                *place,
                ("expected total", self._show(item.total)),
                ("found", self._show(written)),
            )
            return Place(cycle, 5, CORE + scope + "sum", f"accumulator of column {column}", rows)
        return None

    def _wrong_sum(
        self, scope: str, column: int, item: Sum, cycle: int, found: int, summed: int
    ) -> Place:
        """A wrong sum of processing elements.

        Args:
            scope: instance whose ``sum_i`` it is.
            column: of the array.
            item: what is expected.
            cycle: in which it is wrong.
            found: what the column sum is.
            summed: cycle after the one in which the last PE of the column acts.
        """
        show = self._show_sum
        elements = [
            f"PE ({pe}, {column}), reduction step {step}, product {show(product)}"
            for step, pe, product in item.terms
        ]
        rows: tuple[tuple[str, str], ...] = (
            *output_of(item, column),
            ("expected sum", show(item.value)),
            ("found", show(found)),
            ("made of", "; ".join(elements) or "no products: zero"),
        )
        if len(item.terms) == 1:
            step, pe, _ = item.terms[0]
            acted = summed - (self._array.rows - pe)
            rows += (
                ("reduction step", str(step)),
                ("PE", f"row {pe}, column {column}, acting in cycle {acted}"),
            )
        name = CORE + scope + "sum_i"
        return Place(cycle, 4, name, f"processing elements of column {column}", rows)

    def _scales(self) -> Iterator[Place]:
        """Column sums and their block scales, up to the product that enters the accumulator.

        A vector's sum is due a fixed number of the core's cycles after the vector is issued.
        """
        issue = self._signal("a_issue")
        if not self._parameters.block_scaled or issue is None:
            return
        moving = self._cycles()
        after = dict(itertools.pairwise(moving))
        issued = [i for i, cycle in enumerate(moving) if issue.at(cycle)]
        for column in range(self._expected.kernel.w.lanes):
            scope = f"g_block_scaled.g_scale[{column}].u_scale."
            signals = {
                name: signal
                for name in (*SCALING, "sum_i")
                if (signal := self._signal(scope + name)) is not None
            }
            if "sum_i" not in signals:
                continue
            due = [i + self._array.rows + SUM_DELAY + column for i in issued]
            cycles = [moving[i] for i in due if i < len(moving)]
            for cycle, item in zip(cycles, self._expected.sums(column), strict=False):
                found = signals["sum_i"].signed(cycle)
                if found != item.value:
                    yield self._wrong_sum(scope, column, item, cycle, found, cycle)
                    break
                wrong = first_wrong(item, signals, cycle, after.get(cycle), self._expected)
                if wrong is not None:
                    at, name, rows = wrong
                    block = f"{SCALING[name]} of column {column}"
                    rows = (*output_of(item, column), *rows)
                    yield Place(at, 4, CORE + scope + name, block, rows)
                    break

    def _number(self, signal: Signal, cycle: int) -> int:
        return signal.at(cycle) if self._binary32 else signal.signed(cycle)

    def _show(self, number: int) -> str:
        return binary32_text(number) if self._binary32 else self._show_sum(number)

    def _show_sum(self, number: int) -> str:
        if self._parameters.float32:
            return binary32_text(number)
        value = number * 2.0**self._parameters.acc_lsb
        return f"{number} ({number & ((1 << self._parameters.acc_bits) - 1):#x}) = {exact(value)}"

    def _postprocessing(self) -> Iterator[Place]:
        for column in range(self._expected.kernel.w.lanes):
            yield from self._steps(column)

    def _steps(self, column: int) -> Iterator[Place]:
        """Each step of one column: its result follows from its inputs."""
        scope = f"g_column[{column}].u_postprocess."
        valid, enable = self._signal(scope + "valid_i"), self._signal(scope + "en_i")
        if valid is None:
            return
        cycles = self._cycles(enable)
        steps: tuple[tuple[int, str, tuple[str, ...], Callable[..., int]], ...] = (
            (0, "converted", ("acc_i",), self._convert),
            (1, "scaled", ("converted_q", "scale_i"), multiply32),
            (2, "biased", ("scaled_q", "bias_i"), add32),
            (3, "clamped", ("biased_q", "low_i", "high_i"), _clamp),
            (3, "code", ("clamped",), self._encode),
        )
        for number, (step, name, inputs, function) in enumerate(steps):
            output = self._signal(scope + name)
            sources = [self._signal(scope + source) for source in inputs]
            present = [source for source in sources if source is not None]
            if output is None or len(present) != len(sources):
                continue
            for cycle in cycles:
                if not valid.at(cycle) >> step & 1:
                    continue
                words = [source.at(cycle) for source in present]
                wanted, found = function(*words), output.at(cycle)
                if wanted != found:
                    given = tuple(
                        (source, self._word(source, word))
                        for source, word in zip(inputs, words, strict=True)
                    )
                    shown = (
                        comparison32(wanted, found)
                        if name != "code"
                        else (
                            ("expected", code_text(self._array.out, wanted)),
                            ("found", code_text(self._array.out, found)),
                        )
                    )
                    block = f"post-processing of column {column}: {name}"
                    yield Place(cycle, 6 + number, CORE + scope + name, block, (*given, *shown))
                    break
        yield from self._given(column, scope, valid, cycles)

    def _word(self, name: str, word: int) -> str:
        return f"{word:#x}" if name == "acc_i" else binary32_text(word)

    def _given(self, column: int, scope: str, valid: Signal, cycles: list[int]) -> Iterator[Place]:
        """What enters post-processing: the finished accumulators, scale and bias."""
        last = self._expected.tiles - 1 if self._expected.stationary else 0
        finished = [item for item in self._expected.sums(column) if item.tile == last]
        index = self._expected.kernel.p.addresses()[:, column]
        outer = [item.outer for item in finished]
        scale = self._case.scale[index].view(np.uint32)
        bias = self._case.bias[index].view(np.uint32)
        mask = 0xFFFFFFFF if self._binary32 else (1 << self._parameters.acc_bits) - 1
        for step, name, wanted in (
            (0, "acc_i", [item.total & mask for item in finished]),
            (1, "scale_i", [int(scale[i]) for i in outer]),
            (2, "bias_i", [int(bias[i]) for i in outer]),
        ):
            signal = self._signal(scope + name)
            if signal is None:
                continue
            at = [cycle for cycle in cycles if valid.at(cycle) >> step & 1]
            found = [signal.at(cycle) for cycle in at]
            i = first_difference(wanted, found)
            if i is not None and i < min(len(at), len(finished)):
                item = finished[i]
                rows = (
                    ("output", f"outer iteration {item.outer}, row {item.row}, column {column}"),
                    ("expected", f"{wanted[i]:#x}"),
                    ("found", f"{found[i]:#x}"),
                )
                block = f"drain of column {column}"
                yield Place(at[i], 5, CORE + scope + name, block, rows)

    def _convert(self, acc: int) -> int:
        if self._binary32:
            return acc
        bits = self._parameters.acc_bits
        number = acc - (1 << bits) if acc >> (bits - 1) else acc
        return self._expected.arithmetic.binary32(number)

    def _encode(self, word: int) -> int:
        x = np.array([word], np.uint32).view(np.float32)
        return int(self._array.out.encode(x)[0])


def _clamp(x: int, low: int, high: int) -> int:
    return int(binary32.clamp(np.array([x], np.uint32), low, high)[0])
