"""A waveform beside what the software expects of it; what all probes are made from."""

from __future__ import annotations

from collections.abc import Sequence

from systolab.cosim.case import Case
from systolab.cosim.check.value import binary32_text, exact
from systolab.cosim.divergence.probes.expected import Expected, Sum
from systolab.cosim.divergence.probes.probe import CORE, Rows
from systolab.cosim.simulator.vcd import Signal, Waves
from systolab.rtl.kernel.kernel import Array

__all__ = ["View", "output_of"]

_TERMS = 8  # products of a wrong sum that are shown


class View:
    """One case: its waveform, and what the software expects.

    Attributes:
        case: what ran.
        array: on which machine.
        hung: the case did not finish, or the waveform ends before it, so sequences end early.
        expected: sequences that the signals must show.
        parameters: of the hardware.
        binary32: whether accumulators are binary32.
        span: all cycles of the waveform.
    """

    def __init__(self, case: Case, array: Array, waves: Waves, hung: bool) -> None:
        self.case = case
        self.array = array
        self.hung = hung
        self.expected = Expected(case, array)
        self.parameters = self.expected.arithmetic.parameters
        self.binary32 = self.parameters.float32 or self.parameters.block_scaled
        self.span = range(waves.first, waves.last + 1)
        self._waves = waves

    def get(self, name: str) -> Signal | None:
        """A signal of the core, by its name within it."""
        return self._waves.get(CORE + name)

    def all(self, scope: str, names: Sequence[str]) -> list[Signal] | None:
        """Signals of one instance; None unless all of them are there."""
        found = [signal for name in names if (signal := self.get(scope + name)) is not None]
        return found if len(found) == len(names) else None

    def moving(self, *when: Signal | None) -> list[int]:
        """Cycles in which the core moves and all of the given signals are set."""
        needed = [signal for signal in (self.get("en"), *when) if signal is not None]
        return [cycle for cycle in self.span if all(signal.at(cycle) for signal in needed)]

    def taken(self, stream: str) -> list[int]:
        """Cycles in which a request of a stream is accepted."""
        both = self.all(f"{stream}_req_", ("valid_o", "ready_i"))
        if both is None:
            return []
        valid, ready = both
        return [cycle for cycle in self.span if valid.at(cycle) and ready.at(cycle)]

    def sum(self, signal: Signal, cycle: int) -> int:
        """A sum within the mesh, which block scaling leaves an integer."""
        return signal.at(cycle) if self.parameters.float32 else signal.signed(cycle)

    def total(self, signal: Signal, cycle: int) -> int:
        """What enters or leaves an accumulator."""
        return signal.at(cycle) if self.binary32 else signal.signed(cycle)

    def show_sum(self, number: int) -> str:
        """A sum within the mesh, for people."""
        if self.parameters.float32:
            return binary32_text(number)
        value = number * 2.0**self.parameters.acc_lsb
        return f"{number} ({number & ((1 << self.parameters.acc_bits) - 1):#x}) = {exact(value)}"

    def show_total(self, number: int) -> str:
        """An accumulator, for people."""
        return binary32_text(number) if self.binary32 else self.show_sum(number)

    def wrong_sum(self, item: Sum, column: int, cycle: int, found: int) -> Rows:
        """About a sum of processing elements that is not what its products add up to.

        Args:
            item: what is expected.
            column: of the array.
            cycle: after the one in which the last processing element of the column acts.
            found: what the column sum is.
        """
        elements = [
            f"PE ({pe}, {column}), reduction step {step}, product {self.show_sum(product)}"
            for step, pe, product in item.terms[:_TERMS]
        ]
        if len(item.terms) > _TERMS:
            elements.append(f"{len(item.terms) - _TERMS:,} more")
        rows: Rows = (
            *output_of(item, column),
            ("expected sum", self.show_sum(item.value)),
            ("found", self.show_sum(found)),
            ("made of", "; ".join(elements) or "no products: zero"),
        )
        if len(item.terms) != 1:
            return rows
        step, pe, _ = item.terms[0]
        acted = cycle - (self.array.rows - pe)
        return (
            *rows,
            ("reduction step", str(step)),
            ("PE", f"row {pe}, column {column}, acting in cycle {acted}"),
        )


def output_of(item: Sum, column: int) -> Rows:
    """The rows of a finding that say which sum it is about."""
    return (
        ("output", f"outer iteration {item.outer}, row {item.row}, column {column}"),
        ("reduction tile", str(item.tile)),
    )
