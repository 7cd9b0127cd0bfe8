"""Options: every good way to run a region on an array, found by timing candidate kernels.

An option says which form, layouts and candidate it is, and its cycles; the kernel itself is made
again from that when it is wanted, so options are small and can be written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from systolab.formats.errors import SystolabError
from systolab.glenside.affine.contraction import NotAffineError
from systolab.glenside.affine.reading import Layer, describe
from systolab.glenside.language.layout import Layout
from systolab.glenside.language.machine import DATAFLOWS
from systolab.glenside.language.term import Term
from systolab.glenside.language.text import parse
from systolab.glenside.lowering.block_axes import block_axis
from systolab.glenside.lowering.kernels import Blocks, Candidate, lower
from systolab.glenside.lowering.stream_layout import StreamLayout
from systolab.glenside.search.targets import OUTPUT, Target
from systolab.rtl.kernel.block_gemm import block_length
from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.timing import cycles

__all__ = ["Option", "Realisation", "explore", "is_constant", "layout_names", "realise"]

_PRUNE = 1.3  # candidates estimated at more than this many times the best are not timed
_TIMED = 3  # at most so many candidates are timed for each combination of layouts and dataflow


@dataclass(frozen=True)
class Option:
    """One way to run a region.

    Attributes:
        target: text of the form of the region it runs.
        rules: names of the rules that may have led to the form.
        dataflow: of the form's product.
        layouts: name of the layout of every activation slot, by slot in ascending order.
        output: name of the output's layout.
        candidate: which of the kernels for these layouts, as ``lower`` lists them.
        cycles: exact.
    """

    target: str
    rules: tuple[str, ...]
    dataflow: str
    layouts: Mapping[str, str]
    output: str
    candidate: int
    cycles: int


@dataclass(frozen=True)
class Realisation:
    """An option in full.

    Attributes:
        target: the form as a term.
        layer: its contraction, bias and clamp, over slots.
        kernel: what the array executes.
        w_layout: how a constant W is stored; None if W is an activation.
    """

    target: Term
    layer: Layer
    kernel: Kernel
    w_layout: StreamLayout | None


def layout_names(shape: tuple[int, ...], array: Array) -> tuple[str, ...]:
    """Layouts worth considering for an activation, row-major first, equal ones once."""
    plain = Layout.row_major(len(shape)).name
    names = {
        2: (plain, "CN"),
        3: (plain, "ACB"),
        4: (plain, "NHWC", f"NCHW{array.line}c"),
    }.get(len(shape), (plain,))
    if array.block_scaled:  # blocks that share a scale need no blocks of the layout across them
        names = tuple(name for name in names if not any(x.isdigit() for x in name))
    distinct: dict[object, str] = {}
    for name in names:
        layout = Layout.parse(name)
        strides = tuple(s for size, s in zip(shape, layout.strides(shape), strict=True) if size > 1)
        distinct.setdefault((layout.size(shape), strides), name)
    return tuple(distinct.values())


def is_constant(slot: str) -> bool:
    """Whether a slot holds a constant."""
    return slot.startswith("c")


def realise(option: Option, array: Array) -> Realisation:
    """The option's kernel.

    Raises:
        SystolabError: the option does not belong to this compiler or array.
    """
    try:
        target = parse(option.target)
        layer = describe(target, OUTPUT)
        candidates = _candidates(layer, option.layouts, option.output, array)
    except (SystolabError, KeyError) as problem:  # NotAffineError is a ShapeError; a slot, a layout
        raise SystolabError(
            f"What is known of {option.target} must be of this compiler and array, not {problem}"
        ) from None
    if 0 <= option.candidate < len(candidates):
        chosen = candidates[option.candidate]
        if cycles(chosen.kernel, array) == option.cycles:
            return Realisation(target, layer, chosen.kernel, chosen.w_layout)
    raise SystolabError(
        f"What is known of {option.target} must take {option.cycles} cycles, not another number"
    )


def explore(targets: Iterable[Target], array: Array) -> tuple[Option, ...]:
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


@dataclass(frozen=True)
class _Way:
    """A candidate kernel of a target in given layouts, before its cycles are counted."""

    target: Target
    layouts: Mapping[str, str]
    output: str
    index: int
    candidate: Candidate


def _best(ways: Sequence[_Way], array: Array, fastest: int | None) -> Option:
    """The way of fewest cycles among those estimated best."""
    ranked = sorted(ways, key=lambda way: way.candidate.estimate)
    limit = ranked[0].candidate.estimate * _PRUNE
    hopeless = fastest is not None and ranked[0].candidate.estimate > fastest
    timed = [
        (cycles(way.candidate.kernel, array), i, way)
        for i, way in enumerate(ranked[: 1 if hopeless else _TIMED])
        if way.candidate.estimate <= limit
    ]
    count, _, way = min(timed, key=lambda item: item[:2])
    return Option(
        target=str(way.target.term),
        rules=way.target.rules,
        dataflow=way.target.product.dataflow,
        layouts=way.layouts,
        output=way.output,
        candidate=way.index,
        cycles=count,
    )


def _ways(target: Target, array: Array) -> Iterator[_Way]:
    """Ways of one target: layouts of its activations times the kernels of each."""
    try:
        layer = describe(target.term, OUTPUT)
    except NotAffineError:
        return
    if layer.dataflow not in array.modes:
        return
    if is_constant(layer.contraction.a.tensor):
        return  # constants go to the W port: their scales are per column
    shapes = {
        region.tensor: layout_names(region.shape, array)
        for region in (layer.contraction.a, layer.contraction.w)
        if not is_constant(region.tensor)
    }
    slots = sorted(shapes)
    for names in product(*(shapes[slot] for slot in slots)):
        layouts = dict(zip(slots, names, strict=True))
        for output in layout_names(layer.contraction.o.shape, array):
            try:
                candidates = _candidates(layer, layouts, output, array)
            except SystolabError:
                continue  # these layouts do not suit, or the machine's limits are exceeded
            for index, candidate in enumerate(candidates):
                yield _Way(target, layouts, output, index, candidate)


def _candidates(
    layer: Layer, layouts: Mapping[str, str], output: str, array: Array
) -> list[Candidate]:
    """Kernels of a layer whose activations are laid out as given."""
    a, w = layer.contraction.a.tensor, layer.contraction.w.tensor
    constant = is_constant(w)
    nest = layer.contraction.nest(
        Layout.parse(layouts[a]),
        None if constant else Layout.parse(layouts[w]),
        Layout.parse(output),
    )
    assert layer.dataflow is not None
    blocks = None
    if array.block_scaled:
        blocks = Blocks(block_axis(layer.contraction).name, block_length(array))
    return lower(nest, array, constant, (Mode(layer.dataflow),), _PRUNE, blocks)
