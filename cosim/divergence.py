"""A difference of the two machines, minimised, located and shown."""

from __future__ import annotations

from pathlib import Path

from cosim.case import Case, Difference
from cosim.check.context import Context
from cosim.check.report import Finding
from cosim.check.value import comparison
from cosim.minimise import minimise


class Divergence:
    """Explains the differences that one check finds."""

    def __init__(self, context: Context, directory: Path, command: str) -> None:
        """Write waveforms to ``directory``; ``command`` lacks only its stage."""
        self._context = context
        self._directory = directory
        self._command = command

    def explain(self, stage: str, case: Case, difference: Difference) -> Finding:
        """Minimise a case on which the machines differ, and say where they part."""
        context = self._context
        small = minimise(case, context.array, context.software, context.rtl)
        rows: list[tuple[str, str]] = []
        if small is not None:
            difference = small.difference
            rows.append(("minimised", f"to {small.products} product(s), in {small.runs} runs"))
        if difference.what == "code":
            rows += comparison(context.array.out, difference.expected, difference.found)
        command = f"{self._command} --stage {stage}"
        return Finding(f"the RTL's {difference.what} differs", tuple(rows), (), command)
