"""A network compiled for an array: dataflow, layouts and predicted cycles, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from systolab.cosim.network.report import batch_facts
from systolab.cosim.terminal.shown import Facts, Part, Shown
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.arithmetic.accumulator import AccumulatorLike
from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.formats.outside.choices import path
from systolab.formats.outside.escape import printable
from systolab.formats.outside.writing import check_file
from systolab.formats.registry.registry import FormatLike
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.language.term import Term
from systolab.glenside.language.text import layout
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.dimensions import Dims
from systolab.glenside.onnx.importer import load
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Program, Step
from systolab.glenside.rules.rulebook import BY_NAME
from systolab.glenside.search.explain import checkable, explain
from systolab.glenside.search.knowledge import Knowledge
from systolab.rtl.kernel.configuration import ArrayLike
from systolab.rtl.kernel.configuration import array as make_array

__all__ = ["MapReport", "compile", "map"]

_NAMED = 12  # layers that an error names
_LINE = 78  # characters in a line of an explanation


def compile(
    model: str | Path | Network,
    array: ArrayLike = "16x16",
    format: FormatLike | None = None,
    *,
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    dims: Dims | None = None,
    knowledge: Knowledge | None = None,
) -> Program:
    """Compile a network: kernels, dataflows and layouts of least total cycles.

    >>> import systolab as sl
    >>> machine = sl.array("8x8", "adaptivfloat:8,3")
    >>> program = sl.compile("examples/digits_cnn.onnx", machine)
    >>> [step.name for step in program.kernels]
    ['conv1', 'conv2', 'dense1', 'dense2']

    Args:
        model: an ONNX file, or what ``load`` returned.
        array: a whole ``Array``, or rows and columns of one; then its format must be given, too.
        format: number format of weights and activations.
        out_format: format that the array writes; None: as ``format``, bfloat16 where that is
            block-scaled.
        accumulator: how products are summed; None: exactly.
        dims: sizes of dynamic dimensions of inputs, ``{"N": 8}`` or ``"N=8"``; a batch without one
            is 1.
        knowledge: what earlier compilations for this array learnt; grows.

    Raises:
        SystolabError: an argument cannot be used, or the knowledge belongs to another array.
    """
    machine = make_array(array, format, out_format=out_format, accumulator=accumulator)
    return compile_network(
        load(model, dims=dims), machine, knowledge, read_through=not machine.block_scaled
    )


def map(
    model: str | Path | Network,
    format: FormatLike | None = None,
    *,
    array: ArrayLike = "16x16",
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    dims: Dims | None = None,
    knowledge: str | Path | None = None,
) -> MapReport:
    """Compile a network and report what was chosen for every layer, with the alternatives.

    >>> import systolab as sl
    >>> report = sl.map("examples/digits_cnn.onnx", "adaptivfloat:8,3", array="8x8")
    >>> report.program.cycles <= min(report.program.policies.values())
    True

    Args:
        model: an ONNX file, or what ``load`` returned.
        format: number format of weights and activations.
        array: rows and columns, or a whole ``Array``, which brings its formats and accumulator.
        out_format: format that the array writes; None: as ``format``, bfloat16 where that is
            block-scaled.
        accumulator: how products are summed; None: exactly.
        dims: as for ``compile``.
        knowledge: a file; what it knows is used, and what is learnt is added to it.

    Raises:
        SystolabError: an argument cannot be used, alone or with the others.
    """
    machine = make_array(array, format, out_format=out_format, accumulator=accumulator)
    known = Knowledge(machine)
    file = None if knowledge is None else path(Parameter("knowledge"), knowledge)
    if file is not None:
        check_file(file)
    if file is not None and file.exists():
        known = Knowledge.load(file, machine)
    program = compile(model, machine, dims=dims, knowledge=known)
    if file is not None:
        known.save(file)
    return MapReport(program)


_COLUMNS = (
    Column("layer"),
    Column("operator", narrow=Narrow.WRAP),
    Column("dataflow"),
    Column("in", narrow=Narrow.MOVE),
    Column("out", narrow=Narrow.MOVE),
    Column("MACs", right=True),
    Column("cycles", right=True),
    Column("PE use", right=True),
    Column("next best", narrow=Narrow.MOVE),
)
_REASON = Column("why on the host", narrow=Narrow.MOVE)


@dataclass(frozen=True, repr=False)
class MapReport(Shown):
    """What was compiled, and what it was chosen from.

    Attributes:
        program: the compiled network.
    """

    program: Program

    @property
    def headline(self) -> str:
        """Network, array and total, in a line."""
        return self.program.headline

    def parts(self) -> list[Part]:
        """The table of all steps, and totals."""
        program = self.program
        statistics = program.statistics
        places = program.array.rows * program.array.cols
        macs = sum(step.macs for step in program.kernels)
        use = macs / (program.cycles * places or 1)
        facts = [
            *batch_facts(program.network.assumed),
            ("total", f"{program.cycles:,} cycles, {use:.1%} PE use"),
            *(
                (name, f"{cycles:,} cycles, {cycles / (program.cycles or 1):.3f} times as many")
                for name, cycles in program.policies.items()
            ),
            (
                "on the array",
                f"{statistics.regions} layers of {statistics.distinct} shapes, {macs:,} MACs",
            ),
            ("known before", f"{statistics.known} of {statistics.distinct} shapes"),
            (
                "e-graph",
                f"{statistics.nodes:,} nodes, {statistics.classes:,} classes, "
                f"{statistics.iterations} iterations, "
                + ("saturated" if statistics.saturated else "cut off"),
            ),
        ]
        rows = [(*_row(program, step), _reason(step)) for step in program.steps]
        if any(isinstance(step, HostStep) for step in program.steps):
            table = Table((*_COLUMNS, _REASON), rows)
        else:
            table = Table(_COLUMNS, [row[:-1] for row in rows])
        return [table, "", Facts(facts, 22)]

    def as_data(self) -> dict[str, object]:
        """Plain data for JSON."""
        program = self.program
        return {
            "array": program.array.name,
            "assumed_batch": list(program.network.assumed),
            "cycles": program.cycles,
            "policies": dict(program.policies),
            "statistics": vars(program.statistics),
            "steps": [_step_data(step) for step in program.steps],
        }

    def explain(self, layer: str) -> str:
        """All ways known for a layer, and the re-checked chain of rules to the chosen one.

        Raises:
            SystolabError: there is no such layer, or it does not run on the array.
        """
        step = _named(self.program, layer)
        named = printable(f"{step.name}: {step.op}, {step.cycles:,} cycles")
        lines = [named, "", "ways known, by cycles:"]
        lines += [f"  {cycles:>12,}  {name}" for name, cycles in step.alternatives.items()]
        chain = explain(step.source, step.target, step.rules)
        lines += ["", "chain of rules:", *_set(chain[0].term)]
        for link in chain[1:]:
            assert link.rule is not None
            lines += ["", f"= {link.rule}: {BY_NAME[link.rule].meaning}", *_set(link.term)]
        verdict = (
            f"all {len(chain)} terms are equal on random integers"
            if checkable(chain)
            else "the terms are too large to be interpreted here; "
            "the same rules are tested on others"
        )
        return "\n".join([*lines, "", f"re-checked: {verdict}"])


def _set(term: Term) -> list[str]:
    """A term over as many lines as it takes, indented."""
    return [f"  {line}" for line in layout(str(term), _LINE - 2)]


def _named(program: Program, name: str) -> KernelStep:
    for step in program.steps:
        if isinstance(step, KernelStep) and name in step.layers:
            return step
        if isinstance(step, HostStep) and name in step.layers:
            raise SystolabError(f"Layer '{name}' must run on the array, not on the host")
    layers = [layer for step in program.kernels for layer in step.layers]
    rows = [step.name for step in program.kernels]
    some = (", ".join(rows[:_NAMED]) or "none does") + (", ..." if len(rows) > _NAMED else "")
    fused = "; or one fused with them" if len(layers) > len(rows) else ""
    raise SystolabError(
        f"Layer must be one that runs on the array ({some}{fused}), not {name!r}"
        f"{meant(name, layers)}"
    )


def _row(program: Program, step: Step) -> tuple[str, ...]:
    if isinstance(step, HostStep):
        operators = {layer.name: layer.op for layer in program.network.layers}
        names = ", ".join(operators[name] for name in step.layers)
        return (step.name, names, "host", *("",) * 6)
    if isinstance(step, CopyStep):
        layouts = (step.source.name, step.target.name)
        return (step.tensor, "copy", "host", *layouts, "", f"{step.cycles:,}", "", "")
    places = program.array.rows * program.array.cols
    inputs = " ".join(
        operand.layout.name
        for operand in (step.a, step.w)
        if operand.tensor not in program.network.constants
    )
    return (
        step.name, step.op, step.kernel.mode.value, inputs, step.o.layout.name, f"{step.macs:,}",
        f"{step.cycles:,}", f"{step.macs / (places * step.cycles):.1%}", _next_best(step),
    )  # fmt: skip


def _reason(step: Step) -> str:
    return step.reason if isinstance(step, HostStep) else ""


def _next_best(step: KernelStep) -> str:
    """The cheapest way that takes a different number of cycles."""
    for name, cycles in step.alternatives.items():
        if cycles > step.cycles:
            return f"{name} {cycles:,}"
    return ""


def _step_data(step: Step) -> dict[str, object]:
    if isinstance(step, HostStep):
        return {"kind": "host", "name": step.name, "layers": step.layers, "reason": step.reason}
    if isinstance(step, CopyStep):
        return {
            "kind": "copy",
            "tensor": step.tensor,
            "from": step.source.name,
            "to": step.target.name,
            "cycles": step.cycles,
        }
    return {
        "kind": "kernel",
        "name": step.name,
        "layers": step.layers,
        "operator": step.op,
        "dataflow": step.kernel.mode.value,
        "group": step.kernel.group,
        "operands": {
            name: {"tensor": operand.tensor, "layout": operand.layout.name}
            for name, operand in (("a", step.a), ("w", step.w), ("o", step.o))
        },
        "macs": step.macs,
        "cycles": step.cycles,
        "alternatives": dict(step.alternatives),
    }
