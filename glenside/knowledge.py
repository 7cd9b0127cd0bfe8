"""What is known about regions: every good way to run each on an array.

Knowledge is keyed by the region's term, which names shapes and no tensors. Inserting a network
whose regions are all known runs no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from formats.errors import SystolabError
from glenside.affine import Bias, describe
from glenside.contraction import NotAffineError
from glenside.egraph import EGraph
from glenside.language import DATAFLOWS
from glenside.layout import Layout
from glenside.lowering import Candidate, lower
from glenside.regions import Region
from glenside.rules import ALL
from glenside.stream_layout import StreamLayout
from glenside.targets import OUTPUT, Target, TargetFinder
from rtl.kernel import Array, Kernel, Mode
from rtl.timing import cycles

PRUNE = 1.3  # candidates estimated at more than this many times the best are not timed
TIMED = 3  # at most so many candidates are timed for each combination of layouts and dataflow


@dataclass(frozen=True)
class Option:
    """One way to run a region.

    Attributes:
        target: the form of the region it runs.
        layouts: name of the layout of every activation slot.
        output: name of the output's layout.
        kernel: what the array executes.
        w_layout: how a constant W is stored; None if W is an activation.
        cycles: exact.
        label: dataflow and choice of lanes.
        bias: what is added to each channel, over slots.
    """

    target: Target
    layouts: Mapping[str, str]
    output: str
    kernel: Kernel
    w_layout: StreamLayout | None
    cycles: int
    label: str
    bias: Bias | None

    @property
    def operands(self) -> tuple[str, str]:
        """Slots of A and W."""
        (a,), (w,) = (view.tensors() for view in self.target.product.children())
        return a.name, w.name

    @property
    def dataflow(self) -> str:
        return self.target.product.dataflow


def layout_names(shape: tuple[int, ...], array: Array) -> tuple[str, ...]:
    """Layouts worth considering for an activation, row-major first, equal ones once."""
    plain = Layout.row_major(len(shape)).name if shape else ""
    names = {
        0: (),
        1: (plain,),
        2: (plain, "CN"),
        3: (plain, "ACB"),
        4: (plain, "NHWC", f"NCHW{array.line}c"),
    }.get(len(shape), (plain,))
    distinct: dict[object, str] = {}
    for name in names:
        layout = Layout.parse(name)
        strides = tuple(s for size, s in zip(shape, layout.strides(shape), strict=True) if size > 1)
        distinct.setdefault((layout.size(shape), strides), name)
    return tuple(distinct.values())


@dataclass(frozen=True)
class Saturation:
    """Size and effort of one saturation."""

    nodes: int
    classes: int
    iterations: int
    applications: int
    saturated: bool


class Knowledge:
    """Options of regions on one array; grows with every network."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self._options: dict[str, tuple[Option, ...]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._options

    def options(self, region: Region) -> tuple[Option, ...]:
        """What is known of a region that was learnt."""
        return self._options[region.key]

    def learn(self, regions: Iterable[Region]) -> Saturation:
        """Saturates an e-graph of the regions that are not known yet, and keeps their options."""
        new = {region.key: region.term for region in regions if region.key not in self._options}
        if not new:
            return Saturation(0, 0, 0, 0, True)
        egraph = EGraph(ALL)
        for key, term in new.items():
            egraph.insert(key, term)
        saturated = egraph.saturate()
        snapshot = egraph.snapshot()
        finder = TargetFinder(snapshot)
        for key in new:
            self._options[key] = _explore(finder.targets(snapshot.roots[key]), self.array)
        return Saturation(
            snapshot.nodes,
            len(snapshot.classes),
            egraph.iterations,
            sum(egraph.matches.values()),
            saturated,
        )


def is_constant(slot: str) -> bool:
    """Whether a slot holds a constant."""
    return slot.startswith("c")


@dataclass(frozen=True)
class _Way:
    """A candidate kernel of a target in given layouts, before its cycles are counted."""

    target: Target
    layouts: Mapping[str, str]
    output: str
    candidate: Candidate
    bias: Bias | None


def _explore(targets: Iterable[Target], array: Array) -> tuple[Option, ...]:
    """The cheapest kernel for every combination of activation layouts and dataflow.

    Of each combination only the most promising candidates are timed, and only the first of them
    where the other dataflow is already known to be faster than the estimate.
    """
    ways: dict[tuple[object, ...], dict[str, list[_Way]]] = {}
    for target in targets:
        for way in _ways(target, array):
            found = ways.setdefault((tuple(way.layouts.items()), way.output), {})
            found.setdefault(target.product.dataflow, []).append(way)
    options = []
    for found in ways.values():
        fastest: int | None = None
        for dataflow in DATAFLOWS:
            if dataflow in found:
                option = _best(found[dataflow], array, fastest)
                fastest = option.cycles if fastest is None else min(fastest, option.cycles)
                options.append(option)
    return tuple(options)


def _best(ways: Sequence[_Way], array: Array, fastest: int | None) -> Option:
    """The way of fewest cycles among those estimated best."""
    ranked = sorted(ways, key=lambda way: way.candidate.estimate)
    limit = ranked[0].candidate.estimate * PRUNE
    hopeless = fastest is not None and ranked[0].candidate.estimate > fastest
    timed = [
        (cycles(way.candidate.kernel, array), i, way)
        for i, way in enumerate(ranked[: 1 if hopeless else TIMED])
        if way.candidate.estimate <= limit
    ]
    count, _, way = min(timed, key=lambda item: item[:2])
    return Option(
        target=way.target,
        layouts=way.layouts,
        output=way.output,
        kernel=way.candidate.kernel,
        w_layout=way.candidate.w_layout,
        cycles=count,
        label=way.candidate.label,
        bias=way.bias,
    )


def _ways(target: Target, array: Array) -> Iterator[_Way]:
    """Ways of one target: layouts of its activations times the kernels of each."""
    try:
        layer = describe(target.term, OUTPUT)
    except NotAffineError:
        return
    a, w, o = layer.contraction.a, layer.contraction.w, layer.contraction.o
    if is_constant(a.tensor):
        return  # constants go to the W port: their scales are per column
    mode = Mode(target.product.dataflow)
    w_constant = is_constant(w.tensor)
    outputs = layout_names(o.shape, array)
    w_names = (None,) if w_constant else layout_names(w.shape, array)
    for a_name, w_name in product(layout_names(a.shape, array), w_names):
        if w.tensor == a.tensor and w_name not in (None, a_name):
            continue
        layouts = {a.tensor: a_name}
        if w_name is not None:
            layouts[w.tensor] = w_name
        for output in outputs:
            try:
                nest = layer.contraction.nest(
                    Layout.parse(a_name),
                    None if w_name is None else Layout.parse(w_name),
                    Layout.parse(output),
                )
                candidates = lower(nest, array, w_constant, (mode,), PRUNE)
            except SystolabError:
                continue
            for candidate in candidates:
                yield _Way(target, layouts, output, candidate, layer.bias)
