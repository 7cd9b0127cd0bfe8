"""From a network and an array to a program: the whole compiler.

Layers become regions (terms over slots); regions that are not known yet saturate in an e-graph and
leave their options; the network is assembled from options, copies and host steps, and extraction
picks kernels, dataflows and layouts of all layers together at least total cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from systolab.formats.errors import SystolabError
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.block_axes import block_axis
from systolab.glenside.network.network import Layer, Network
from systolab.glenside.program import (
    CopyStep,
    HostStep,
    KernelStep,
    Operand,
    Program,
    Statistics,
    Step,
)
from systolab.glenside.search.assembly import Assembly, Copied, Label, OnHost, Run, buffer_name
from systolab.glenside.search.extract import Choice, Solution, extract, greedy
from systolab.glenside.search.knowledge import Knowledge
from systolab.glenside.search.options import Option, Realisation, is_constant, layout_names, realise
from systolab.glenside.search.regions import MOVEMENT, Partition, Region
from systolab.rtl.kernel.kernel import Array, Mode

Graph = Mapping[str, Sequence[Choice[Label]]]


def compile(
    network: Network,
    array: Array,
    knowledge: Knowledge | None = None,
    read_through: bool = True,
) -> Program:
    """The program of least total cycles that was found.

    Args:
        network: what to run.
        array: on which machine.
        knowledge: what earlier compilations for this array learnt; grows.
        read_through: kernels read transposed and reshaped tensors where they stand; otherwise the
            host moves them first, as a compiler without access patterns would.

    Raises:
        SystolabError: the knowledge belongs to another array.
    """
    if knowledge is None:
        knowledge = Knowledge(array)
    if knowledge.array != array:
        raise SystolabError("Knowledge must be of the array that is compiled for")
    return _Compiler(network, array, knowledge, read_through).program()


class _Compiler:
    def __init__(
        self, network: Network, array: Array, knowledge: Knowledge, read_through: bool
    ) -> None:
        self._network = network
        self._array = array
        self._knowledge = knowledge
        self._partition = Partition(network, read_through)
        before = knowledge.keys()
        learnt = knowledge.learn(self._partition.regions.values())
        alone = self._without_options()
        if alone:  # what follows these layers does not suit the array's post-processing
            self._partition = Partition(network, read_through, alone)
            learnt += knowledge.learn(self._partition.regions.values())
        regions = self._partition.regions
        distinct = {region.key for region in regions.values()}
        self._statistics = Statistics(
            regions=len(regions),
            distinct=len(distinct),
            known=len(before & distinct),
            nodes=learnt.nodes,
            classes=learnt.classes,
            iterations=learnt.iterations,
            applications=learnt.applications,
            saturated=learnt.saturated,
        )
        self._options = {
            output: knowledge.options(region)
            for output, region in regions.items()
            if knowledge.options(region)
        }
        self._realised: dict[tuple[str, int], Realisation] = {}
        self._host_layers = {layer.name: layer for layer in self._on_host()}

    def _without_options(self) -> set[str]:
        """Layers that cannot run together with the ones that joined them."""
        return {
            region.layers[0]
            for region in self._partition.regions.values()
            if len(region.layers) > 1 and not self._knowledge.options(region)
        }

    # Which layers run on the host

    def _on_host(self) -> list[Layer]:
        """Layers that the host runs: all that no region covers and whose output someone needs.

        A layer that moves elements is needed only by the host or as an output of the network:
        regions read through it.
        """
        covered = {name for o in self._options for name in self._partition.regions[o].layers}
        needed = set(self._network.outputs)
        for output in self._options:
            needed.update(self._partition.regions[output].slots.values())
        found = []
        for layer in reversed(self._network.layers):
            if layer.name in covered or not needed.intersection(layer.outputs):
                continue
            found.append(layer)
            needed.update(layer.inputs)
        return found[::-1]

    # The network as an e-graph

    def _layouts(self, tensor: str) -> tuple[str, ...]:
        shape = self._network.shapes[tensor]
        return layout_names(tuple(shape), self._array) if shape else ()

    def _graph(self) -> Graph:
        assembly = Assembly()
        for tensor, shape in self._network.inputs.items():
            assembly.given(tensor, Layout.row_major(len(shape)).name)
        tensors = set(self._network.inputs)
        for key in sorted({self._partition.regions[o].key for o in self._options}):
            region = next(r for r in self._partition.regions.values() if r.key == key)
            for index, option in enumerate(self._knowledge.options(region)):
                assembly.option(key, index, tuple(option.layouts.values()), option.output)
        for output in self._options:
            region = self._partition.regions[output]
            option = self._options[output][0]
            operands = tuple(region.slots[slot] for slot in option.layouts)
            assembly.applies(output, region.key, operands)
            tensors.add(output)
        for layer in self._host_layers.values():
            self._assemble_host(assembly, layer)
            tensors.update(t for t in layer.outputs if t)
        for tensor in sorted(tensors):
            if self._network.shapes[tensor]:
                assembly.layouts(tensor, self._layouts(tensor))
        return assembly.choices(self._cost)

    def _assemble_host(self, assembly: Assembly, layer: Layer) -> None:
        """A host step works in any one layout if all tensors have one rank, else in row-major."""
        inputs = [t for t in layer.inputs if t and t not in self._network.constants]
        outputs = [t for t in layer.outputs if t]
        ranks = {len(self._network.shapes[t]) for t in (*inputs, *outputs)}
        free = len(ranks) == 1 and layer.op not in MOVEMENT
        names = {name for t in outputs for name in self._layouts(t)} if free else set()
        rows = {rank: Layout.row_major(rank).name if rank else "" for rank in ranks}
        for name in sorted(names | ({""} if not free else set())):
            for output in outputs:
                assembly.host(
                    layer.name,
                    name,
                    ((t, self._nearest(t, name) or rows[self._rank(t)]) for t in inputs),
                    (output, self._nearest(output, name) or rows[self._rank(output)]),
                )

    def _rank(self, tensor: str) -> int:
        return len(self._network.shapes[tensor])

    def _nearest(self, tensor: str, name: str) -> str | None:
        """The layout itself, or the tensor's equal of it where sizes of one make some equal."""
        if not name:
            return None
        names = self._layouts(tensor)
        return name if name in names else names[0]

    def _cost(self, label: Label) -> int:
        if isinstance(label, Run):
            return self._options[label.output][label.index].cycles
        if isinstance(label, Copied):
            return sum(self._lines(label.tensor, name) for name in (label.source, label.target))
        if isinstance(label, OnHost):
            return self._move_cost(self._host_layers[label.step])
        return 0

    def _lines(self, tensor: str, layout: str) -> int:
        size = Layout.parse(layout).size(self._shape(tensor))
        return -(-size // self._array.line)

    def _move_cost(self, layer: Layer) -> int:
        """Lines read and written by a transpose; what only renames dimensions moves nothing."""
        if layer.op != "transpose":
            return 0
        return sum(
            self._lines(tensor, Layout.row_major(self._rank(tensor)).name)
            for tensor in (layer.inputs[0], layer.outputs[0])
        )

    # Extraction

    def _roots(self) -> list[str]:
        roots = []
        for tensor in self._network.outputs:
            if tensor in self._network.constants:
                continue
            rank = self._rank(tensor)
            roots.append(buffer_name(tensor, Layout.row_major(rank).name if rank else ""))
        return roots

    def _policies(self, graph: Graph) -> dict[str, Solution[Label]]:
        """Solutions under fixed policies: one layout for all images, or one dataflow for all."""
        blocked = f"NCHW{self._array.line}c"
        policies: dict[str, Callable[[Label], bool]] = {
            f"all {name}": partial(self._keeps, name=name) for name in ("NCHW", "NHWC", blocked)
        }
        for mode in Mode:
            policies[f"all {mode.value}"] = partial(self._flows, mode=mode)
        found = {}
        for name, allowed in policies.items():
            kept = {
                buffer: [choice for choice in choices if allowed(choice.label)]
                for buffer, choices in graph.items()
            }
            solution = greedy(kept, self._roots())
            if solution is not None:  # None: some layer has no option under this policy
                found[name] = solution
        return found

    def _keeps(self, label: Label, name: str) -> bool:
        """Whether a kernel keeps images in layout `name`, and other tensors in row-major order."""
        if isinstance(label, Run):
            option = self._options[label.output][label.index]
            region = self._partition.regions[label.output]
            used = {region.slots[slot]: layout for slot, layout in option.layouts.items()}
            used[label.output] = option.output
            return all(layout == self._fixed(tensor, name) for tensor, layout in used.items())
        return True

    def _flows(self, label: Label, mode: Mode) -> bool:
        """Whether a kernel has a dataflow; what is no kernel has any."""
        return (
            not isinstance(label, Run)
            or self._options[label.output][label.index].dataflow == mode.value
        )

    def _fixed(self, tensor: str, name: str) -> str | None:
        """The layout of a tensor under a policy for images; other tensors are row-major."""
        return self._nearest(tensor, name) if self._rank(tensor) == 4 else self._layouts(tensor)[0]

    def program(self) -> Program:
        graph = self._graph()
        policies = self._policies(graph)
        solution = extract(graph, self._roots(), [p.choices for p in policies.values()])
        return Program(
            self._network,
            self._array,
            self._steps(solution),
            {name: policy.cost for name, policy in policies.items()},
            self._statistics,
        )

    def _steps(self, solution: Solution[Label]) -> tuple[Step, ...]:
        steps: list[Step] = []
        done: set[str] = set()
        for choice in solution.choices.values():
            label = choice.label
            if isinstance(label, Run):
                steps.append(self._kernel_step(label))
            elif isinstance(label, Copied):
                steps.append(
                    CopyStep(
                        f"{label.tensor}: {label.source} to {label.target}",
                        label.tensor,
                        Layout.parse(label.source),
                        Layout.parse(label.target),
                        choice.cost,
                    )
                )
            elif isinstance(label, OnHost) and label.step not in done:
                done.add(label.step)
                steps.append(self._host_step(self._host_layers[label.step]))
        return tuple(steps)

    def _host_step(self, layer: Layer) -> HostStep:
        reason = self._partition.reasons.get(layer.name)
        if reason is None:
            reason = "moves elements for the host" if layer.op in MOVEMENT else self._no_kernel()
        return HostStep(layer.name, (layer.name,), reason, self._move_cost(layer))

    def _no_kernel(self) -> str:
        if self._array.block_scaled:
            return "no block-scaled kernel: blocks must run along one dimension of both operands"
        return "no kernel within the array's limits"

    def _kernel_step(self, run: Run) -> KernelStep:
        region = self._partition.regions[run.output]
        options = self._options[run.output]
        option = options[run.index]
        key = (region.key, run.index)
        if key not in self._realised:
            self._realised[key] = realise(option, self._array)
        real = self._realised[key]
        contraction = real.layer.contraction
        axes: tuple[int | None, int | None] = (None, None)
        if self._array.block_scaled:
            blocks = block_axis(contraction)
            axes = blocks.a, blocks.w
        a, w = (
            replace(self._operand(region, option, real, place.tensor), block_axis=axis)
            for place, axis in zip((contraction.a, contraction.w), axes, strict=True)
        )
        bias = real.layer.bias
        return KernelStep(
            name=region.layers[0],
            layers=region.layers,
            op=region.op,
            kernel=real.kernel,
            a=a,
            w=w,
            o=Operand(run.output, Layout.parse(option.output), self._shape(run.output)),
            bias=None if bias is None else region.slots[bias.tensor],
            bias_index=None if bias is None else bias.index,
            lo=real.layer.lo,
            hi=real.layer.hi,
            macs=region.macs,
            cycles=option.cycles,
            alternatives=_alternatives(options),
            rules=option.rules,
            source=region.term,
            slots=region.slots,
            target=real.target,
        )

    def _operand(self, region: Region, option: Option, real: Realisation, slot: str) -> Operand:
        tensor = region.slots[slot]
        if is_constant(slot):
            assert real.w_layout is not None
            return Operand(tensor, real.w_layout, self._shape(tensor))
        return Operand(tensor, Layout.parse(option.layouts[slot]), self._shape(tensor))

    def _shape(self, tensor: str) -> tuple[int, ...]:
        return tuple(self._network.shapes[tensor])


def _alternatives(options: Sequence[Option]) -> dict[str, int]:
    """Cycles of every way that is known, by dataflow and layouts, cheapest first."""
    named = {
        f"{option.dataflow} {' '.join(option.layouts.values())} -> {option.output}": option.cycles
        for option in options
    }
    return dict(sorted(named.items(), key=lambda item: (item[1], item[0])))
