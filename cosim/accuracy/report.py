"""Numerical error of a network: the report of what was measured and tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from systolab.cosim.accuracy.repair import Trial, repair
from systolab.cosim.accuracy.trace_error import Calls, Trace, trace
from systolab.cosim.network.fixed_bias import FixedBias
from systolab.cosim.network.plan import Plan
from systolab.cosim.terminal.shown import Part, Shown, Verdict
from systolab.cosim.terminal.table import Table, headings
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.choices import integer

__all__ = ["ErrorReport", "chosen_format", "parse_budget", "report"]


@dataclass(frozen=True, repr=False)
class ErrorReport(Shown):
    """What was measured, and what was tried where it exceeds the budget.

    Attributes:
        measured: errors of the network as it is.
        budget: largest error allowed, a fraction.
        tried: changes in the order of their costs; the last one meets the budget if any does.
    """

    measured: Trace
    budget: float
    tried: tuple[Trial, ...]

    @property
    def headline(self) -> str:
        """Format, largest error and budget, in a line."""
        worst = max((layer.error for layer in self.measured.layers), default=0.0)
        allowed = f"budget {100 * self.budget:g} %"
        return f"{self.measured.format}: {100 * worst:.2f} % in the worst layer, {allowed}"

    @property
    def repaired(self) -> Trial | None:
        """The cheapest change that meets the budget, if one does."""
        last = self.tried[-1] if self.tried else None
        return last if last is not None and last.error <= self.budget else None

    def parts(self) -> list[Part]:
        """Errors of all layers, the first over the budget, and what was tried."""
        measured, budget = self.measured, self.budget
        heading = ["layer", "step", "error", "SQNR dB", "clipped", "flushed"]
        body = [
            [
                layer.name,
                str(layer.time),
                f"{100 * layer.error:.3f} %",
                f"{layer.sqnr_db:.1f}",
                "" if layer.clipped is None else f"{100 * layer.clipped:.2f} %",
                "" if layer.flushed is None else f"{100 * layer.flushed:.2f} %",
            ]
            for layer in measured.layers
        ]
        lines: list[Part] = [
            f"error of {measured.format}, accumulator {measured.accumulator}, against binary32",
            Table(headings(heading, range(1, 6)), body),
        ]
        over_time = measured.by_time()
        if len(over_time) > 1:
            shown = "  ".join(f"{100 * error:.2f} %" for error in over_time)
            lines.append(f"at the end of each time step: {shown}")
        first = measured.first_over(budget)
        if first is None:
            return [*lines, Verdict(f"every tensor is within {100 * budget:g} %", True)]
        over = (
            f"first over {100 * budget:g} %: {first.name}, step {first.time}, "
            f"{100 * first.error:.2f} %"
        )
        return [*lines, Verdict(over, False), *self._trials()]

    def _trials(self) -> list[Part]:
        if not self.tried:
            return ["nothing is known that could repair it"]
        rows = [
            [
                trial.change,
                str(trial.cost.operand_bits),
                str(trial.cost.accumulator_bits),
                f"{100 * trial.error:.2f} %",
            ]
            for trial in self.tried
        ]
        heading = ["change", "operand bits", "accumulator bits", "error"]
        best = self.repaired
        return [
            "tried, cheapest first (largest error at the end of a time step):",
            Table(headings(heading, (1, 2, 3)), rows),
            Verdict("none of these is within the budget", False)
            if best is None
            else Verdict(
                f"cheapest within the budget: {best.change}: {100 * best.error:.2f} %", True
            ),
        ]

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON; a number that is none or infinite becomes null."""
        first, best = self.measured.first_over(self.budget), self.repaired
        return {
            "budget": self.budget,
            "layers": [_finite(asdict(layer)) for layer in self.measured.layers],
            "first_over": None if first is None else {"layer": first.name, "time": first.time},
            "tried": [
                _finite({"change": trial.change, "error": trial.error, **trial.cost._asdict()})
                for trial in self.tried
            ],
            "repaired": None if best is None else best.change,
        }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def parse_budget(given: str | float) -> float:
    """A budget as a fraction, from ``"5%"``, ``"0.05"`` or ``0.05``.

    Raises:
        SystolabError: it is not a positive number.
    """
    text = str(given)
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value < math.inf:
        raise SystolabError(
            Parameter("budget"), f" must be a positive number or percentage, not {given!r}"
        )
    return value


def chosen_format(fmt: Format, bias: int | None) -> Format:
    """The format, with a fixed bias if one is given.

    Raises:
        SystolabError: the bias is beyond binary32's exponents.
    """
    if bias is None:
        return fmt
    return FixedBias(fmt, integer(Parameter("fixed_bias"), bias, -100, 100))


def report(
    plan: Plan,
    calibration: Calls,
    calls: Calls,
    budget: float,
    progress: Callable[[str], None] = lambda _: None,
) -> ErrorReport:
    """Trace a network; where it exceeds the budget, try what repairs it.

    Args:
        plan: the program, calibrated.
        calibration: inputs that scales are fitted to.
        calls: inputs the error is measured on.
        budget: largest error allowed, a fraction.
        progress: told every change before it is tried.
    """
    measured = trace(plan, calls)
    tried: list[Trial] = []
    if measured.first_over(budget) is not None:
        tried = repair(plan.program, calibration, calls, budget, plan.weight_scales, progress)
    return ErrorReport(measured, budget, tuple(tried))
