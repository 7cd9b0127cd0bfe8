"""A difference of the two machines, minimised, located and shown."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from systolab.cosim.case import (
    Axis,
    Case,
    Device,
    Difference,
    Outcome,
    axes,
    compare_conduct,
    hardware_model,
)
from systolab.cosim.check.context import Context
from systolab.cosim.check.kernels import Data
from systolab.cosim.check.report import Finding
from systolab.cosim.check.value import comparison
from systolab.cosim.divergence.locate import locate
from systolab.cosim.divergence.minimise import Minimised, minimise
from systolab.cosim.divergence.probes.expected import Expected
from systolab.cosim.divergence.probes.probe import CORE, Place
from systolab.cosim.simulator.model import HardwareFaultError, Model, Waveform
from systolab.cosim.simulator.vcd import PERIOD, Waves, read, save_file
from systolab.formats.errors import SystolabError
from systolab.rtl.kernel.block_gemm import product_kernel
from systolab.rtl.kernel.modes import Dimension
from systolab.rtl.timing import timing

__all__ = ["WAVES", "Divergence"]

WAVES = "systolab-divergence"  # folder of the waveforms, if no other is named

_LONGEST = 20_000  # cycles of a case whose whole waveform is read
_BEFORE, _AFTER = 24, 12  # cycles shown around the place

_SUMMARY = {
    "code": "an output code of the RTL is not the software's",
    "cycles": "the RTL takes other than the predicted cycles",
    "hang": "the RTL does not finish",
    "address": "the RTL leaves its memories",
}
_OTHERWISE = "the RTL does not behave at its ports as predicted"


class Divergence:
    """Explains the differences that one check (or one run) finds."""

    def __init__(self, context: Context, directory: Path, command: str, staged: bool = True):
        """Prepare.

        Args:
            context: the two machines.
            directory: where waveforms go; made when needed.
            command: the command line that reproduces the difference; empty if none does.
            staged: whether the command takes the stage as ``--stage``.
        """
        self._context = context
        self._directory = directory
        self._command = command
        self._staged = staged
        self._found = 0  # differences located, each with a waveform of its own

    @cached_property
    def _traced(self) -> Model:
        context = self._context
        return Model(context.array, trace=True, wrap=False, sources=context.hardware)

    def explain(self, stage: str, case: Case) -> Finding:
        """Minimise a case on which the machines differ, and say where they part."""
        context = self._context
        small, warm = self._minimised(case)
        staged = self._staged and self._command
        command = f"{self._command} --stage {stage}" if staged else self._command
        if small is None:
            what = "the difference does not show again on the kernel alone"
            return Finding(f"{stage}: {what}", (("kernel", _shape(case)),), (), command)
        rows = [
            ("kernel", _shape(case)),
            (
                "minimised",
                f"{_shape(small.case)}, {small.products} product(s), {small.runs} runs"
                + (f", {small.stopped}" if small.stopped else ""),
            ),
        ]
        difference = small.difference
        if difference.what == "code":
            rows += self._element(small, case)
            rows += comparison(context.array.out, difference.expected, difference.found)
        else:
            rows += _conduct(difference)
        place, files = self._locate(small, warm)
        if place is not None:
            rows += [("first wrong", place.block), ("signal", place.signal)]
            rows += [("cycle", str(place.cycle)), *((f"  {a}", b) for a, b in place.rows)]
        elif difference.what == "code":
            rows.append(("first wrong", "no signal before the output port: see the waveform"))
        summary = _SUMMARY.get(difference.what, _OTHERWISE)
        return Finding(f"{stage}: {summary}", tuple(rows), files, command)

    def _minimised(self, case: Case) -> tuple[Minimised | None, Case | None]:
        """The minimised case, and what a new instance must run before it to show the difference.

        Registers that a fault leaves alone may hold something from the kernels before.
        """
        context = self._context
        array = context.array
        data = Data(array, np.random.default_rng(context.seed))
        size = 2 * array.rows
        before = data.case(product_kernel(array, size, size, 2 * array.cols))
        for warm in (None, before):
            device = hardware_model(array, context.model, fresh=True, warm=warm)
            small = minimise(case, array, context.software, device)
            if small is not None:
                return self._shorter(small, device), warm
        return minimise(case, array, context.software, context.rtl), None

    def _shorter(self, small: Minimised, device: Device) -> Minimised:
        """A case that a waveform can show: where a long one differs in conduct too, by that.

        Codes of a long sum depend on all of it, cycles and transfers mostly on little.
        """
        array = self._context.array
        if small.difference.what != "code" or timing.cycles(small.case.kernel, array) <= _LONGEST:
            return small

        def conduct(_: Case, expected: Outcome, found: Outcome) -> Difference | None:
            return compare_conduct(expected, found)

        other = minimise(small.case, array, self._context.software, device, conduct)
        if other is None:
            return small
        start = {axis: first + other.start.get(axis, 0) for axis, first in small.start.items()}
        return replace(other, runs=small.runs + other.runs, start=start)

    def _element(self, small: Minimised, case: Case) -> list[tuple[str, str]]:
        """The output element, and the operands that are left."""
        address = small.difference.address
        assert address is not None
        expected = Expected(small.case, self._context.array)
        element = expected.output_element(address)
        if element is None:
            guarded = expected.inactive_element(address)
            if guarded is None:
                why = "no lane has this address"
            else:
                outer, row, column = guarded
                why = f"outer iteration {outer}, row {row}, column {column} is inactive"
            text = f"address {address}, which the kernel does not write: {why}"
            return [("output element", text + _origin(small, case))]
        outer, row, column = element
        rows = [
            (
                "output element",
                f"address {address}: outer iteration {outer}, row {row}, column {column}"
                + _origin(small, case),
            )
        ]
        terms = [
            term
            for item in expected.sums(column)
            if (item.outer, item.row) == (outer, row)
            for term in item.terms
        ]
        if len(terms) == 1:
            step, pe, _ = terms[0]
            rows.append(("reduction step", f"{step}, in PE row {pe}, column {column}"))
        return rows

    def _locate(
        self, small: Minimised, warm: Case | None
    ) -> tuple[Place | None, tuple[tuple[str, str], ...]]:
        """The earliest wrong signal and the files that show it."""
        case, fault = small.case, small.difference.fault
        hung = fault is not None and fault.what == "hang"
        self._found += 1
        number = "" if self._found == 1 else f"-{self._found}"
        path = self._directory / f"divergence{number}.vcd"
        try:
            waves = self._waves(case, warm, Waveform(path, 0, _LONGEST))
        except SystolabError as error:
            return None, (("waveform", f"none: {error}"),)
        partial = fault is not None or waves.last + 1 >= _LONGEST
        place = locate(case, self._context.array, waves, hung, partial)
        if place is None and fault is not None and fault.stream:
            name = f"{CORE}{fault.stream.lower()}_req_line_o"
            place = Place(fault.cycle, 0, name, f"address generator of stream {fault.stream}", ())
        if place is None and small.difference.what == "cycles":
            # The counter itself: nothing that it counts is wrong, as far as the waveform goes.
            place = Place(small.difference.found, 0, f"{CORE}cycles_o", "cycle counter", ())
        save = path.with_suffix(".gtkw")
        start = 0 if place is None else max(0, place.cycle - _BEFORE)
        saved = str(save)
        try:
            if place is not None:
                self._waves(case, warm, Waveform(path, start, place.cycle + _AFTER))
            save_file(save, path, _shown(waves, place), PERIOD * start)
        except SystolabError as error:  # the whole waveform is still there
            saved = f"none: {error}"
        return place, (("waveform", str(path)), ("GTKWave save file", saved))

    def _waves(self, case: Case, warm: Case | None, waveform: Waveform) -> Waves:
        self._traced.renew()
        if warm is not None:
            hardware_model(self._context.array, self._traced)(warm)
        with suppress(HardwareFaultError):  # the waveform up to it is what is wanted
            self._traced.run(case, case.stall_seed, waveform, _LONGEST)
        return read(waveform.path)


def _conduct(difference: Difference) -> list[tuple[str, str]]:
    """What was expected and found where no code differs."""
    if difference.misconduct:
        return [("found", difference.misconduct)]
    if difference.fault is not None:
        return [("expected", f"{difference.expected} cycles"), ("found", str(difference.fault))]
    return [
        ("expected", f"{difference.expected} {difference.what}"),
        ("found", f"{difference.found} {difference.what}"),
    ]


def _shape(case: Case) -> str:
    """A kernel in one line."""
    kernel = case.kernel
    parts = [
        f"{name} {'x'.join(map(str, lengths))}"
        for name, lengths in (
            ("outer", kernel.outer),
            ("reduction", kernel.reduction),
            ("rows", kernel.rows),
        )
        if lengths
    ]
    return " ".join(
        [kernel.mode.description.short, *parts, f"lanes {kernel.a.lanes}x{kernel.w.lanes}"]
    )


def _origin(small: Minimised, case: Case) -> str:
    """Where the first iterations of the minimised kernel were in the original one."""
    moved = [
        f"{_name(axis, case)} {small.start[axis]}"
        for axis, _ in axes(case.kernel)
        if small.start[axis]
    ]
    return f" (0 was {', '.join(moved)} of the original)" if moved else ""


def _name(axis: Axis, case: Case) -> str:
    single = axis.dimension in (Dimension.A_LANES, Dimension.W_LANES)
    del case
    return axis.dimension.value if single else f"{axis.dimension.value} loop {axis.index}"


def _shown(waves: Waves, place: Place | None) -> list[str]:
    """Signals of a save file: the clock, the ports' handshakes, and the place with its block."""
    names = [f"{CORE}{name}" for name in ("clk_i", "start_i", "en", "a_issue", "w_issue")]
    names += [f"{CORE}{s}_req_{t}_o" for s in "aw" for t in ("valid", "line")]
    if place is not None:
        scope = place.signal.rsplit(".", 1)[0]
        same = [n for n in waves.signals if n.rsplit(".", 1)[0] == scope]
        names += [place.signal, *(same if len(same) <= 40 else [])]
    result = []
    for name in dict.fromkeys(names):
        signal = waves.get(name)
        if signal is not None and not name.rsplit(".", 1)[1][0].isupper():
            result.append(name if signal.width == 1 else f"{name}[{signal.width - 1}:0]")
    return result
