"""From a network and an array to a program: the whole compiler.

Layers become regions (terms over slots); regions that are not known yet saturate in an e-graph and
leave their options; the network is assembled from options, copies and host steps, and extraction
picks kernels, dataflows and layouts of all layers together at least total cycles.
"""

from __future__ import annotations

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Network
from systolab.glenside.program import Program, Statistics
from systolab.glenside.search.alternatives import alternatives
from systolab.glenside.search.knowledge import Knowledge
from systolab.glenside.search.regions import Partition, partition
from systolab.glenside.search.solve import solve
from systolab.glenside.steps import steps
from systolab.rtl.kernel.kernel import Array

__all__ = ["compile"]


def compile(
    network: Network,
    array: Array,
    knowledge: Knowledge | None = None,
    read_through: bool = True,
) -> Program:
    """The program of least total cycles that was found; the same arguments give the same program.

    Example:
        >>> from systolab.formats.arithmetic.accumulator import parse_accumulator
        >>> from systolab.formats.registry import registry
        >>> from systolab.glenside.onnx.importer import load
        >>> af8 = registry.get("adaptivfloat:8,3")
        >>> array = Array(16, 16, af8, af8, af8, parse_accumulator("exact"))
        >>> program = compile(load("examples/digits_cnn.onnx"), array)
        >>> [(step.name, step.cycles) for step in program.kernels][:2]
        [('conv1', 255), ('conv2', 378)]

    Args:
        network: what to run; ``systolab.glenside.onnx.importer.load`` reads one from a file.
        array: on which machine: rows, columns, formats, accumulator.
        knowledge: what earlier compilations for this array learnt; grows. None starts afresh.
        read_through: kernels read transposed and reshaped tensors where they stand; otherwise the
            host moves them first, as a compiler without access patterns would.

    Returns:
        Steps in execution order (kernels of the array, copies between layouts, layers that the
        host evaluates), exact cycles of each, and the total cycles of fixed policies beside.

    Raises:
        SystolabError: the knowledge belongs to another array.
    """
    if knowledge is None:
        knowledge = Knowledge(array)
    if knowledge.array != array:
        raise SystolabError("Knowledge must be of the array that is compiled for")
    regions, statistics = _learn(network, knowledge, read_through)
    options = {output: knowledge.options(region) for output, region in regions.regions.items()}
    ways = alternatives(network, array, regions, options)
    solved = solve(ways)
    return Program(network, array, steps(ways, solved.solution), solved.policies, statistics)


def _learn(
    network: Network, knowledge: Knowledge, read_through: bool
) -> tuple[Partition, Statistics]:
    """The network's regions, all of them known afterwards, and what it took.

    A region without options is cut: what follows its first layer may not suit the array's
    post-processing.
    """
    before = knowledge.keys()
    found = partition(network, read_through)
    learnt = knowledge.learn(found.regions.values())
    alone = {
        region.layers[0]
        for region in found.regions.values()
        if len(region.layers) > 1 and not knowledge.options(region)
    }
    if alone:
        found = partition(network, read_through, alone)
        learnt += knowledge.learn(found.regions.values())
    distinct = {region.key for region in found.regions.values()}
    return found, Statistics(
        regions=len(found.regions),
        distinct=len(distinct),
        known=len(before & distinct),
        nodes=learnt.nodes,
        classes=learnt.classes,
        iterations=learnt.iterations,
        applications=learnt.applications,
        saturated=learnt.saturated,
    )
