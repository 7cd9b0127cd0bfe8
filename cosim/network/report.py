"""What a run found: rows of the table, totals, the first mismatch; as text and as plain data."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import eq, ne
from typing import Any

from systolab.cosim.network.block_operands import host_work
from systolab.cosim.network.calibrate import WeightScales
from systolab.cosim.network.data import Dataset
from systolab.cosim.network.execute import Mismatch, Observed, Tally
from systolab.cosim.network.plan import Plan
from systolab.cosim.terminal.shown import Facts, Part, Shown, Verdict
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.arithmetic.accumulator import Exact, Wrap, parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.outside.escape import printable
from systolab.glenside.program import CopyStep, KernelStep, Step
from systolab.rtl.kernel.modes import Mode

__all__ = ["Accuracy", "Report", "Row", "assemble", "batch_facts", "rows", "sqnr", "verdict"]

_COLUMNS = (
    Column("layer"),
    Column("operator", narrow=Narrow.WRAP),
    Column("output shape", narrow=Narrow.MOVE),
    Column("dataflow"),
    Column("in", narrow=Narrow.MOVE),
    Column("out", narrow=Narrow.MOVE),
    Column("MACs", right=True, narrow=Narrow.MOVE),
    Column("predicted", right=True),
    Column("RTL cycles", right=True),
    Column("PE use", right=True, narrow=Narrow.MOVE),
    Column("differ", right=True),
    Column("SQNR dB", right=True),
)
_GROUP = Column("group", right=True, narrow=Narrow.MOVE)
_SHORT = {mode.value: mode.description.short for mode in Mode}


@dataclass(frozen=True)
class Row:
    """One step of the program; cycles are of one call of the network.

    Attributes:
        dataflow: the kernel's mode, or "host".
        macs: multiplications of one call; None, as all fields below, where no kernel runs.
        predicted: cycles from the timing function.
        rtl: cycles counted in the RTL on the first call.
        cycle_differences: calls on which the RTL took other than the predicted cycles.
        utilisation: macs / (cycles x processing elements), in percent.
        mismatched: codes that differ, over all calls.
        weight_scales: scales of the kernel's weights: 1, or one for each output channel.
        group: products that are summed before they are added to the accumulator, in the order of
            the reduction: what ``systolab.dot`` calls so.
        sqnr_db: signal to quantisation noise of the emulated tensor, against the binary32 network
            over all calls; infinite where there is no noise, None for tensors of integers.
    """

    name: str
    operator: str
    shape: tuple[int, ...]
    dataflow: str
    input_layout: str | None
    output_layout: str | None
    macs: int | None
    predicted: int | None
    rtl: int | None
    cycle_differences: int | None
    utilisation: float | None
    mismatched: int | None
    weight_scales: int | None
    group: int | None
    sqnr_db: float | None


@dataclass(frozen=True)
class Accuracy:
    """Correct predictions, of `images`."""

    images: int
    fp32: int
    emulated: int
    rtl: int


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """Everything that `systolab run` tells. `measured` holds what differs from run to run.

    `kept_tensor_scale` says of every kernel whose weights have one scale although `weight_scales`
    asks for one for each channel, why.
    """

    model: str
    format: str
    array: str
    accumulator: str
    weight_scales: str
    kept_tensor_scale: dict[str, str]
    engines: tuple[str, ...]
    data: str
    inputs: int
    layers: tuple[Row, ...]
    accuracy: Accuracy | None
    predictions_differ: int
    predicted_cycles: int
    rtl_cycles: int
    first_mismatch: Mismatch | None
    measured: dict[str, float]
    blocks: str = ""  # what the host does for block-scaled operands
    assumed_batch: tuple[str, ...] = ()  # dynamic dimensions that were taken as 1

    @property
    def compared(self) -> int:
        """How many kernels ran on the array, and were compared."""
        return sum(row.predicted is not None for row in self.layers)

    @property
    def headline(self) -> str:
        """Network, format, array and verdict, in a line."""
        return f"{self.model}, {self.format} on {self.array}: {verdict(self)}"

    @property
    def identical(self) -> bool:
        """Whether something was compared, and no code and no cycle count differed."""
        return self.compared > 0 and self.first_mismatch is None

    def parts(self) -> list[Part]:
        """A heading, the table, the totals and the verdict."""
        facts = batch_facts(self.assumed_batch)
        if self.blocks:
            facts.append(("blocks", self.blocks))
        if self.accuracy is not None:
            a = self.accuracy
            right = f"fp32 {a.fp32}, emulated {a.emulated}, RTL {a.rtl}, of {a.images}"
            facts.append(("accuracy", right))
        if self.weight_scales == WeightScales.CHANNEL:
            facts.append(("weight scales", _scaled(self)))
        seconds = self.measured
        facts += [
            (
                "cycles",
                f"predicted {self.predicted_cycles:,}, RTL {self.rtl_cycles:,} "
                f"over {self.inputs} inputs",
            ),
            ("simulated", f"{seconds['cycles_per_second']:,.0f} cycles/s"),
            (
                "wall time",
                f"{seconds['wall']:.1f} s (compile {seconds['compile']:.1f}, build "
                f"{seconds['build']:.1f}, run {seconds['run']:.1f})",
            ),
        ]
        return [
            printable(
                f"{self.model}: {self.format} on a {self.array} array, accumulator "
                f"{self.accumulator}, emulated by {', '.join(self.engines) or 'no engine'}; "
                f"{self.inputs} inputs ({self.data})"
            ),
            "",
            self._table(),
            "",
            Facts(facts),
            Verdict(verdict(self), self.identical, label="verdict"),
        ]

    def _table(self) -> Table:
        """A row for each step; its group where the order of the sums shows in them."""
        rows = [_cells(row) for row in self.layers]
        # Block-scaled sums are added in binary32.
        if not self.blocks and isinstance(parse_accumulator(self.accumulator), Exact | Wrap):
            return Table(_COLUMNS, rows)
        for cells, row in zip(rows, self.layers, strict=True):
            cells.append("-" if row.group is None else str(row.group))
        return Table((*_COLUMNS, _GROUP), rows)

    def as_data(self) -> dict[str, Any]:
        """Return plain data for JSON; an infinite SQNR becomes the text "inf"."""
        result = asdict(self)
        for row in result["layers"]:
            if row["sqnr_db"] is not None and math.isinf(row["sqnr_db"]):
                row["sqnr_db"] = "inf"
        return {"identical": self.identical, "compared": self.compared, **result}


def assemble(
    plan: Plan,
    observed: Observed,
    model: str,
    engines: Iterable[str],
    dataset: Dataset,
    seconds: Mapping[str, float],
) -> Report:
    """Put together what a run observed.

    Args:
        plan: what was run.
        observed: what was observed.
        model: the network's name for the heading.
        engines: names of the emulation engines that ran.
        dataset: where the inputs came from, and their labels.
        seconds: "wall", of which "compile", "build" and "run", of which "rtl".
    """
    array = plan.array
    labels = dataset.labels
    tallies = observed.tallies.values()
    cycles = sum(sum(tally.cycles) for tally in tallies)
    return Report(
        model=model,
        format=array.act.name,
        array=array.name,
        accumulator=array.sums,
        weight_scales=str(plan.weight_scales),
        kept_tensor_scale=dict(plan.kept_tensor_scale),
        engines=tuple(sorted(engines)),
        data=dataset.name,
        inputs=len(dataset.calls),
        layers=rows(plan, observed),
        accuracy=None if labels is None else _accuracy(observed, labels.tolist()),
        predictions_differ=sum(map(ne, observed.emulated, observed.rtl)),
        predicted_cycles=sum(sum(tally.predicted) for tally in tallies),
        rtl_cycles=cycles,
        first_mismatch=observed.first,
        measured={**seconds, "cycles_per_second": cycles / max(seconds["rtl"], 1e-9)},
        blocks=host_work(array),
        assumed_batch=plan.network.assumed,
    )


def _accuracy(observed: Observed, labels: list[int]) -> Accuracy:
    if len(labels) != len(observed.fp32):
        raise SystolabError(
            f"Labels must be one for each of {len(observed.fp32)} predictions, not {len(labels)}"
        )
    return Accuracy(
        images=len(labels),
        fp32=sum(map(eq, observed.fp32, labels)),
        emulated=sum(map(eq, observed.emulated, labels)),
        rtl=sum(map(eq, observed.rtl, labels)),
    )


def rows(plan: Plan, observed: Observed) -> tuple[Row, ...]:
    """One row for each step of the program, in order."""
    return tuple(_row(step, plan, observed.tallies[step.name]) for step in plan.program.steps)


def _row(step: Step, plan: Plan, tally: Tally) -> Row:
    kernel = step if isinstance(step, KernelStep) else None
    name, operator, dataflow, layouts = _describe(step, plan)
    found = tally.cycles[0] if tally.cycles else None
    elements = plan.array.rows * plan.array.cols
    return Row(
        name=name,
        operator=operator,
        shape=plan.network.shapes[plan.output(step)],
        dataflow=dataflow,
        input_layout=layouts[0],
        output_layout=layouts[1],
        macs=kernel.macs if kernel else None,
        predicted=tally.predicted[0] if kernel else None,
        rtl=found,
        cycle_differences=sum(map(ne, tally.predicted, tally.cycles)) if kernel else None,
        utilisation=100 * kernel.macs / (found * elements) if kernel and found else None,
        mismatched=tally.mismatched if kernel else None,
        weight_scales=plan.weight_scale(kernel).size if kernel else None,
        group=kernel.kernel.group if kernel else None,
        sqnr_db=sqnr(tally.signal, tally.noise),
    )


def _describe(step: Step, plan: Plan) -> tuple[str, str, str, tuple[str | None, str | None]]:
    """Name, operator, dataflow, layouts of input and output."""
    if isinstance(step, KernelStep):
        layouts = step.a.layout.name, step.o.layout.name
        return step.name, step.op, step.kernel.mode.value, layouts
    if isinstance(step, CopyStep):
        return step.tensor, "copy", "host", (step.source.name, step.target.name)
    operators = [plan.layers[name].op for name in step.layers]
    return step.name, ", ".join(operators), "host", (None, None)


def sqnr(signal: float, noise: float) -> float | None:
    """Signal to noise ratio in dB; None for no signal or a noise that is not a number."""
    if noise == 0:
        return math.inf if signal > 0 else None
    if signal == 0 or not math.isfinite(noise):
        return None
    return 10 * math.log10(signal / noise)


def batch_facts(assumed: Sequence[str]) -> list[tuple[str, str]]:
    """What to say of dynamic dimensions that nobody gave a size."""
    return [("batch", f"taken as 1: {', '.join(assumed)}")] if assumed else []


def _scaled(report: Report) -> str:
    """How many layers have a scale for each channel, and why the others have not."""
    kept = Counter(report.kept_tensor_scale.values())
    kernels = sum(row.weight_scales is not None for row in report.layers)
    parts = [f"per channel in {kernels - kept.total()} of {kernels} layers"]
    parts += [f"per tensor in {count} ({reason})" for reason, count in sorted(kept.items())]
    return ", ".join(parts)


def verdict(report: Report) -> str:
    """Say whether anything differs, and where first."""
    first = report.first_mismatch
    if not report.compared:
        return "nothing ran on the array: nothing was compared"
    if first is None:
        return "identical: every output code and every cycle count"
    where = f"MISMATCH first in kernel {first.kernel}, input {first.call}: "
    if first.what != "code":
        return f"{where}{first.text}"
    place = (
        f"address {first.address} (padding of the layout)"
        if first.element is None
        else f"element [{', '.join(map(str, first.element))}]"
    )
    return f"{where}{place}, {first.text}"


def _cells(row: Row) -> list[str]:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    rtl = number(row.rtl, ",d")
    return [
        row.name,
        row.operator,
        "x".join(map(str, row.shape)) or "scalar",
        _SHORT.get(row.dataflow, row.dataflow),
        row.input_layout or "-",
        row.output_layout or "-",
        number(row.macs, ",d"),
        number(row.predicted, ",d"),
        f"{rtl} !" if row.cycle_differences else rtl,
        "-" if row.utilisation is None else f"{row.utilisation:.1f}%",
        number(row.mismatched, ",d"),
        number(row.sqnr_db, ".1f"),
    ]
