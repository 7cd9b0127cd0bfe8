"""Compiling networks: offload, cycles against fixed policies, time, memory, reuse of knowledge.

    python -m benchmarks.compile [--array 16x16] [MODEL.onnx ...]

Without models: the networks of ``examples.networks`` and ResNet-50 as shipped inside the onnx
package. Times are processor times of one thread.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import onnx

from benchmarks.command import parser as command_line
from benchmarks.command import start
from examples.networks.__main__ import NETWORKS
from systolab.cosim.terminal.table import Table, headings
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import load
from systolab.glenside.program import CopyStep, HostStep, Program
from systolab.glenside.search.knowledge import Knowledge
from systolab.glenside.search.products import CORES
from systolab.rtl.kernel.kernel import Array, parse_array

RESNET50 = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_line(__doc__, array="16x16")
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--reuse", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    rows, cols = parse_array(args.array)
    fmt = registry.get("adaptivfloat:8,3")
    array = Array(rows, cols, fmt, fmt, fmt, parse_accumulator("exact"))
    if args.reuse:
        _reuse_in_this_process(array, *args.reuse)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        models = args.models or _write_examples(Path(folder))
        print(_table([_measure(path, array) for path in models]))
        if not args.models:
            _reuse(array, Path(folder) / "resnet18.onnx", args.array)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of this process {peak:,.0f} MiB")
    return 0


def _write_examples(folder: Path) -> list[Path]:
    paths = []
    for name, build in NETWORKS.items():
        paths.append(folder / f"{name}.onnx")
        onnx.save(build(), paths[-1])
    return [*paths, RESNET50]


HEADING = (
    "network", "operators", "on array", "MACs", "cycles", "PE use", "best policy", "gain",
    "moves copied", "copies", "nodes", "s", "saturated",
)  # fmt: skip


def _measure(path: Path, array: Array) -> tuple[str, ...]:
    start = time.process_time()
    network = load(path)
    program = compile_network(network, array)
    seconds = time.process_time() - start
    copied = compile_network(network, array, read_through=False)
    cores = [layer for layer in network.layers if layer.op in CORES]
    macs = sum(step.macs for step in program.kernels)
    name, best = min(program.policies.items(), key=lambda item: item[1])
    places = array.rows * array.cols
    return (
        path.stem, str(len(network.layers)), f"{len(program.kernels)} of {len(cores)}",
        f"{macs:,}", f"{program.cycles:,}", f"{macs / (places * program.cycles):.1%}",
        f"{name} {best:,}", f"{best / program.cycles - 1:.2%}", f"{copied.cycles:,}",
        f"{_moves(program)} / {_moves(copied)}", f"{program.statistics.nodes:,}",
        f"{seconds:.1f}", "yes" if program.statistics.saturated else "NO",
    )  # fmt: skip


def _moves(program: Program) -> int:
    """Copies between layouts and transposes that the host makes."""
    return sum(
        isinstance(step, CopyStep) or (isinstance(step, HostStep) and step.cycles > 0)
        for step in program.steps
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    return Table(headings(HEADING, range(1, len(HEADING))), rows).text()


def _timed(network: Network, array: Array, knowledge: Knowledge) -> tuple[Program, float]:
    start = time.process_time()
    program = compile_network(network, array, knowledge)
    return program, time.process_time() - start


def _reuse(array: Array, similar: Path, name: str) -> None:
    """ResNet-50 fresh, after a ResNet-18, after itself, and in a new process from disk."""
    network = load(RESNET50)
    print("\nResNet-50, knowledge from    shapes known  rule applications  seconds")
    knowledge = Knowledge(array)
    for label, setup in (("nothing", None), ("ResNet-18", load(similar)), ("itself", network)):
        knowledge = Knowledge(array)
        if setup is not None:
            compile_network(setup, array, knowledge)
        program, seconds = _timed(network, array, knowledge)
        print(_reuse_line(label, program, seconds))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "knowledge.json"
        knowledge.save(path)
        command = ["--array", name, "--reuse", str(path), str(RESNET50)]
        sys.stdout.flush()
        subprocess.run([sys.executable, "-m", "benchmarks.compile", *command], check=True)


def _reuse_in_this_process(array: Array, path: Path, model: Path) -> None:
    network = load(model)
    start = time.process_time()
    knowledge = Knowledge.load(path, array)
    program = compile_network(network, array, knowledge)
    print(_reuse_line("disk, new process", program, time.process_time() - start))


def _reuse_line(label: str, program: Program, seconds: float) -> str:
    statistics = program.statistics
    known = f"{statistics.known} of {statistics.distinct}"
    return f"{label:<28} {known:>12}  {statistics.applications:>17,}  {seconds:>7.2f}"


if __name__ == "__main__":
    start(main)
