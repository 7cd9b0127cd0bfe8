"""One Transformer encoder layer: moves of K, of the heads and of the result, and their cycles.

    python -m benchmarks.attention [--array 16x16] [--length 64] [--width 128] [--heads 4]

"Read through": kernels read transposed and split tensors where they stand, and the extraction
decides which copies pay. "Moved first": the same compiler, but the host makes every transpose that
the graph writes, as a compiler without access patterns would; below it the same under each fixed
policy. Exit status 1 if reading through is not the cheapest or does not need fewer moves.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.command import parser, start
from examples.networks.transformer import transformer
from systolab.cosim.terminal.table import Table, headings
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.folding import fold
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.program import CopyStep, HostStep, Program
from systolab.rtl.kernel.kernel import Array, parse_array

HEADING = ("way", "moves", "their cycles", "kernels", "total")


def moves(program: Program) -> list[CopyStep | HostStep]:
    """Copies between layouts and transposes that the host makes."""
    return [
        step
        for step in program.steps
        if isinstance(step, CopyStep) or (isinstance(step, HostStep) and step.cycles > 0)
    ]


def row(name: str, program: Program) -> tuple[str, ...]:
    """A program's moves and cycles."""
    moved = moves(program)
    kernels = sum(step.cycles for step in program.kernels)
    spent = sum(step.cycles for step in moved)
    return name, str(len(moved)), f"{spent:,}", f"{kernels:,}", f"{program.cycles:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    args = parser(__doc__, array="16x16", length=64, width=128, heads=4).parse_args(arguments)
    if args.width % args.heads:
        raise SystolabError(f"Width must be a multiple of {args.heads} heads, not {args.width}")
    rows, cols = parse_array(args.array)
    fmt = registry.get("adaptivfloat:8,3")
    array = Array(rows, cols, fmt, fmt, fmt, parse_accumulator("exact"))
    network = fold(from_model(transformer(1, 1, args.length, args.width, args.heads)))
    through = compile_network(network, array)
    first = compile_network(network, array, read_through=False)
    table = [row("read through", through), row("moved first", first)]
    table += [(f"  {name}", "", "", "", f"{n:,}") for name, n in first.policies.items()]
    print(Table(headings(HEADING, range(1, len(HEADING))), table).text())
    for name, program in (("read through", through), ("moved first", first)):
        print(f"\nMoves, {name}:")
        for step in moves(program):
            print(f"  {step.name}: {step.cycles:,} cycles")
    cheapest = through.cycles <= min(first.cycles, *first.policies.values())
    return 0 if cheapest and len(moves(through)) < len(moves(first)) else 1


if __name__ == "__main__":
    start(main)
