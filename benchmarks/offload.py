"""What reaches the array: operators, MACs and cycles of whole networks, against the targets.

    python -m benchmarks.offload [--array 16x16] [NAME ...]

Names are those of ``examples.networks``, and ``resnet50`` for the graph shipped inside the onnx
package; without names all of the targets' networks. Exit status 1 if a target is missed.

Beside the counts stand those published for flexible matching, "exact > flexible" invocations of
three accelerators. They are of other graphs of the same architectures (their LSTM has 35 steps in
one model, their Transformer more layers), so they compare what is covered, not numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

from benchmarks.command import parser as command_line
from benchmarks.command import start
from examples.networks.__main__ import NETWORKS
from systolab.cosim.terminal.table import Table, headings
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.folding import fold
from systolab.glenside.network.network import Layer, Network
from systolab.glenside.onnx.importer import from_model, load
from systolab.glenside.program import Program
from systolab.rtl.kernel.kernel import Array, parse_array

RESNET50 = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"

KINDS = ("convolution", "grouped", "depthwise", "dense", "batched")

REQUIRED: Mapping[str, int | None] = {  # layers on the array; None: every product there is
    "resnet50": 54,
    "resnet20": 22,
    "mobilenet_v2": None,
    "efficientnet_lite0": None,
    "resmlp": None,
    "lstm": None,
    "transformer": None,
}
REQUIRED_MACS = 0.999
REQUIRED_WINS = 3  # networks on which the extraction is strictly better than every policy

SOURCE = (
    "Published counts: flexible, tests/flexmatch_eval.txt of AD1024/flexmatch (branch isca-eval)"
    " and\n3la-evaluation, 2022-07-07; exact, its count_ops.py's patterns over its .relay files."
)
PUBLISHED: Mapping[str, tuple[str, str, str]] = {  # FlexASR, HLSCNN, VTA
    "resnet50": ("0 > 54", "53 > 53", "1 > 24"),
    "resnet20": ("1 > 22", "21 > 21", "1 > 20"),
    "mobilenet_v2": ("0 > 41", "40 > 40", "1 > 34"),
    "efficientnet_lite0": ("0 > 35", "35 > 35", "0 > 9"),
    "resmlp": ("0 > 38", "0 > -", "26 > 0"),
    "lstm": ("1 > 1", "0 > 0", "36 > 0"),
    "transformer": ("0 > 66", "0 > 0", "66 > 66"),
}


def kind_of(network: Network, layer: Layer) -> str | None:
    """Which kind of product a layer is (one of KINDS); None if it is not one."""
    if layer.op == "gemm":
        return "dense"
    if layer.op == "matmul":
        constant = any(name in network.constants for name in layer.inputs)
        return "dense" if constant else "batched"
    if layer.op != "conv":
        return None
    if layer.integer("group") == 1:
        return "convolution"
    return "depthwise" if network.shapes[layer.inputs[1]][1] == 1 else "grouped"


def macs_of(network: Network, layer: Layer) -> int:
    """Multiply-accumulates by ONNX's definition: elements of the output times the reduction."""
    shapes = [network.shapes[name] for name in layer.inputs[:2]]
    if layer.op == "conv":
        reduction = prod(shapes[1][1:])
    elif layer.op == "gemm":
        reduction = shapes[0][0 if layer.integer("trans_a") else 1]
    else:
        reduction = shapes[0][-1]
    return reduction * prod(network.shapes[layer.outputs[0]])


@dataclass(frozen=True)
class Offload:
    """What of one network is on the array.

    Attributes:
        operators: layers of the network, after folding.
        absorbed: layers that kernels compute, biases and clamps included.
        products: number of products by kind, those on the array and all.
        macs: multiply-accumulates, on the array and all.
        cycles: predicted total of the extraction, copies included.
        policies: the same under fixed policies.
    """

    operators: int
    absorbed: int
    products: Mapping[str, tuple[int, int]]
    macs: tuple[int, int]
    cycles: int
    policies: Mapping[str, int]

    @property
    def on_array(self) -> int:
        return sum(done for done, _ in self.products.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.products.values())

    @property
    def best_policy(self) -> int:
        return min(self.policies.values())

    @property
    def best_dataflow(self) -> int | None:
        """Cycles of the better of the two fixed dataflows."""
        found = [cycles for name, cycles in self.policies.items() if name.endswith("-stationary")]
        return min(found, default=None)


def offload(program: Program) -> Offload:
    """Counts a program's network by what ONNX says of its layers."""
    network = program.network
    on_array = {step.name for step in program.kernels}
    done: Counter[str] = Counter()
    total: Counter[str] = Counter()
    macs = [0, 0]
    for layer in network.layers:
        kind = kind_of(network, layer)
        if kind is None:
            continue
        size = macs_of(network, layer)
        total[kind] += 1
        macs[1] += size
        if layer.name in on_array:
            done[kind] += 1
            macs[0] += size
    return Offload(
        operators=len(network.layers),
        absorbed=sum(len(step.layers) for step in program.kernels),
        products={kind: (done[kind], total[kind]) for kind in KINDS},
        macs=(macs[0], macs[1]),
        cycles=program.cycles,
        policies=program.policies,
    )


def missed(name: str, found: Offload) -> list[str]:
    """The targets that a network misses, in words."""
    wanted = REQUIRED.get(name) or found.total
    share = found.macs[0] / found.macs[1]
    misses = []
    if found.on_array != wanted or found.on_array != found.total:
        misses.append(f"{name}: {found.on_array} of {found.total} products, {wanted} required")
    if share < REQUIRED_MACS:
        misses.append(f"{name}: {share:.2%} of MACs, {REQUIRED_MACS:.1%} required")
    if found.cycles > found.best_policy:
        misses.append(f"{name}: {found.cycles:,} cycles, a policy needs {found.best_policy:,}")
    return misses


COVERAGE_HEADING = (
    "network", "operators", "absorbed", *KINDS, "products", "MACs on array", "share",
    "FlexASR", "HLSCNN", "VTA",
)  # fmt: skip
CYCLES_HEADING = (
    "network", "cycles", "all NCHW", "all NHWC", "all NCHWc", "best dataflow", "best policy",
)  # fmt: skip


def coverage_row(name: str, found: Offload) -> tuple[str, ...]:
    """Counts of one network and the published ones."""
    counts = ("-" if not total else f"{done}/{total}" for done, total in found.products.values())
    done, total = found.macs
    return (
        name, str(found.operators), str(found.absorbed), *counts,
        f"{found.on_array}/{found.total}", f"{done:,}", f"{done / total:.2%}",
        *PUBLISHED.get(name, ("-", "-", "-")),
    )  # fmt: skip


def cycles_row(name: str, found: Offload, line: int) -> tuple[str, ...]:
    """Predicted cycles of one network and of the fixed policies."""
    fixed = [found.policies.get(f"all {layout}") for layout in ("NCHW", "NHWC", f"NCHW{line}c")]
    return (
        name, f"{found.cycles:,}",
        *("-" if cycles is None else f"{cycles:,}" for cycles in (*fixed, found.best_dataflow)),
        f"{found.best_policy / found.cycles - 1:+.2%}",
    )  # fmt: skip


def network_of(name: str) -> Network:
    """A network of the table by its name."""
    return load(RESNET50) if name == "resnet50" else fold(from_model(NETWORKS[name]()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = command_line(__doc__, array="16x16")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(REQUIRED))
    args = parser.parse_args(arguments)
    names = args.names or list(REQUIRED)
    unknown = sorted(set(names) - {"resnet50", *NETWORKS})
    if unknown:
        parser.error(f"NAME must be one of resnet50, {', '.join(NETWORKS)}, not {unknown[0]}")
    rows, cols = parse_array(args.array)
    fmt = registry.get("adaptivfloat:8,3")
    array = Array(rows, cols, fmt, fmt, fmt, parse_accumulator("exact"))
    found = {name: offload(compile_network(network_of(name), array)) for name in names}
    print(f"{array.rows}x{array.cols} array; on the array / in the network\n")
    coverage = [coverage_row(name, item) for name, item in found.items()]
    print(Table(headings(COVERAGE_HEADING, range(1, len(COVERAGE_HEADING))), coverage).text())
    print(f"\n{SOURCE}\n")
    cycles = [cycles_row(name, item, array.line) for name, item in found.items()]
    print(Table(headings(CYCLES_HEADING, range(1, len(CYCLES_HEADING))), cycles).text())
    misses = [miss for name, item in found.items() for miss in missed(name, item)]
    wins = sum(item.cycles < item.best_policy for item in found.values())
    print("\nTargets: every product on the array, >= 99.9 % of MACs, no policy better: ", end="")
    print("; ".join(misses) if misses else "met")
    print(f"Strictly better than every fixed policy: {wins} of {len(found)} networks", end="")
    few = not args.names and wins < REQUIRED_WINS
    print(f" (target {REQUIRED_WINS}: {'missed' if few else 'met'})" if not args.names else "")
    return 1 if misses or few else 0


if __name__ == "__main__":
    start(main)
