"""`systolab map`: compile a network and show what was chosen, and why."""

import argparse
from pathlib import Path

from systolab.cosim.commands.formats import write_json
from systolab.cosim.network.block_operands import block_scaled, output_format
from systolab.cosim.terminal.columns import columns
from systolab.formats import get
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.dot import to_dot
from systolab.glenside.onnx.importer import load
from systolab.glenside.program import CopyStep, HostStep, KernelStep, Program, Step
from systolab.glenside.rules.rulebook import BY_NAME
from systolab.glenside.search.explain import checkable, explain
from systolab.glenside.search.knowledge import Knowledge
from systolab.rtl.kernel.kernel import Array, parse_array

NAME = "map"
HELP = "compile a network: dataflow, layouts and predicted cycles of every layer, and the reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab map`."""
    parser.add_argument("model", metavar="MODEL", help="the network, an ONNX file")
    parser.add_argument(
        "--format", default="adaptivfloat:8,3", metavar="F", help="number format (adaptivfloat:8,3)"
    )
    parser.add_argument(
        "--out-format",
        metavar="F",
        help="number format that the array writes (as --format; bfloat16 where that is "
        "block-scaled)",
    )
    parser.add_argument(
        "--array", default="16x16", metavar="RxC", help="rows and columns of the array (16x16)"
    )
    parser.add_argument(
        "--accumulator", default="exact", metavar="A", help="exact, float32, wrap:32, ... (exact)"
    )
    parser.add_argument(
        "--explain",
        metavar="LAYER",
        help="print all ways known for a layer and the re-checked chain of rules to the chosen one",
    )
    parser.add_argument(
        "--knowledge", type=Path, metavar="FILE", help="start from what FILE knows, and add to it"
    )
    parser.add_argument("--dot", type=Path, metavar="FILE", help="draw the program, in DOT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Compile and print."""
    fmt = get(args.format)
    rows, cols = parse_array(args.array)
    accumulator, scaled = parse_accumulator(args.accumulator), block_scaled(fmt, fmt)
    out = output_format(args.out_format, fmt, fmt)
    array = Array(rows, cols, fmt, fmt, out, accumulator, block_scaled=scaled)
    knowledge = Knowledge(array)
    if args.knowledge is not None and args.knowledge.exists():
        knowledge = Knowledge.load(args.knowledge, array)
    program = compile_network(load(args.model), array, knowledge, read_through=not scaled)
    if args.knowledge is not None:
        knowledge.save(args.knowledge)
    if args.explain is None:
        print(_overview(program))
    else:
        print(_explanation(_named(program, args.explain)))
    if args.dot is not None:
        _write(args.dot, to_dot(program))
    if args.json is not None:
        write_json(args.json, _plain(program))
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SystolabError(f"File {path} cannot be written: {error.strerror}") from error


def _named(program: Program, name: str) -> KernelStep:
    for step in program.steps:
        if isinstance(step, KernelStep) and name in step.layers:
            return step
        if isinstance(step, HostStep) and name in step.layers:
            raise SystolabError(f"Layer '{name}' must run on the array, not on the host")
    raise SystolabError(f"Layer '{name}' must be one of the network's that compute")


def _overview(program: Program) -> str:
    heading = (
        "layer",
        "operator",
        "dataflow",
        "in",
        "out",
        "MACs",
        "cycles",
        "PE use",
        "next best",
    )
    body = [_row(program, step) for step in program.steps]
    statistics = program.statistics
    places = program.array.rows * program.array.cols
    lines = [
        columns(heading, body, right=(5, 6, 7)),
        "",
        f"{'total':<22}{program.cycles:,} cycles, "
        f"{sum(s.macs for s in program.kernels) / (program.cycles * places or 1):.1%} PE use",
        *(
            f"{name:<22}{cycles:,} cycles, {cycles / (program.cycles or 1):.3f} times as many"
            for name, cycles in program.policies.items()
        ),
        f"{'on the array':<22}{statistics.regions} layers of {statistics.distinct} shapes, "
        f"{sum(s.macs for s in program.kernels):,} MACs",
        f"{'known before':<22}{statistics.known} of {statistics.distinct} shapes",
        f"{'e-graph':<22}{statistics.nodes:,} nodes, {statistics.classes:,} classes, "
        f"{statistics.iterations} iterations, "
        + ("saturated" if statistics.saturated else "cut off"),
    ]
    return "\n".join(lines)


def _row(program: Program, step: Step) -> tuple[str, ...]:
    if isinstance(step, HostStep):
        return (step.name, step.reason, "host", *("",) * 6)
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


def _next_best(step: KernelStep) -> str:
    """The cheapest way that takes a different number of cycles."""
    for name, cycles in step.alternatives.items():
        if cycles > step.cycles:
            return f"{name} {cycles:,}"
    return ""


def _explanation(step: KernelStep) -> str:
    lines = [f"{step.name}: {step.op}, {step.cycles:,} cycles", "", "ways known, by cycles:"]
    lines += [f"  {cycles:>12,}  {name}" for name, cycles in step.alternatives.items()]
    chain = explain(step.source, step.target, step.rules)
    lines += ["", "chain of rules:", f"  {chain[0].term}"]
    for link in chain[1:]:
        assert link.rule is not None
        lines += [f"= {link.rule}: {BY_NAME[link.rule].meaning}", f"  {link.term}"]
    verdict = (
        f"all {len(chain)} terms are equal on random integers"
        if checkable(chain)
        else "the terms are too large to be interpreted here; the same rules are tested on others"
    )
    return "\n".join([*lines, "", f"re-checked: {verdict}"])


def _plain(program: Program) -> dict[str, object]:
    return {
        "array": program.array.name,
        "cycles": program.cycles,
        "policies": dict(program.policies),
        "statistics": vars(program.statistics),
        "steps": [_plain_step(step) for step in program.steps],
    }


def _plain_step(step: Step) -> dict[str, object]:
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
        "operands": {
            name: {"tensor": operand.tensor, "layout": operand.layout.name}
            for name, operand in (("a", step.a), ("w", step.w), ("o", step.o))
        },
        "macs": step.macs,
        "cycles": step.cycles,
        "alternatives": dict(step.alternatives),
    }
