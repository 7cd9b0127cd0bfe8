"""Cycles and traffic of a kernel, the slow and obvious way: every vector, one after the other.

The tests hold ``systolab.rtl.timing`` against this model. It shares the pipeline's constants and
nothing else: it asks no mode's description which loops are a tile, so that a wrong one shows.
"""

from __future__ import annotations

import math

import numpy as np

from systolab.rtl.kernel.kernel import AccessPattern, Array, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing import pipeline
from systolab.rtl.timing.traffic import Traffic

__all__ = ["cycles", "traffic", "vector_costs", "vector_lines"]


def vector_lines(pattern: AccessPattern, tile_loops: int, line: int) -> list[list[int]]:
    """Lines that every vector of every tile transfers; arguments as ``lines.stream_costs``."""
    tiles = math.prod(pattern.lengths[:tile_loops])
    shape = (tiles, -1, pattern.lanes)
    lines = (pattern.addresses() // line).reshape(shape).tolist()
    active = pattern.active().reshape(shape)
    costs = []
    for tile in range(tiles):
        held = None
        tile_costs = []
        for vector, mask in zip(lines[tile], active[tile], strict=True):
            new: list[int] = []
            for lane in np.nonzero(mask)[0]:
                if vector[lane] != held and vector[lane] not in new:
                    new.append(vector[lane])
            if new:
                held = new[-1]
            tile_costs.append(len(new))
        costs.append(tile_costs)
    return costs


def vector_costs(pattern: AccessPattern, tile_loops: int, line: int) -> list[list[int]]:
    """Cycles of every vector of every tile."""
    tiles = vector_lines(pattern, tile_loops, line)
    return [[max(1, lines) for lines in tile] for tile in tiles]


def traffic(kernel: Kernel, array: Array) -> Traffic:
    """Transfers of every memory port."""
    outer = len(kernel.outer)
    tiles = outer
    if kernel.mode is Mode.WEIGHT_STATIONARY:
        tiles += len(kernel.reduction)
    a, w, o = (
        sum(map(sum, vector_lines(pattern, loops, array.line)))
        for pattern, loops in ((kernel.a, tiles), (kernel.w, tiles), (kernel.o, outer))
    )
    p, sa, sw = (
        0 if pattern is None else pattern.vectors * lanes
        for pattern, lanes in (
            (kernel.p, kernel.w.lanes),
            (kernel.sa, 1),
            (kernel.sw, kernel.w.lanes),
        )
    )
    return Traffic(a, w, p, o, sa, sw)


def cycles(kernel: Kernel, array: Array) -> int:
    """Cycles from the start pulse to done when no memory port stalls."""
    kernel.check(array)
    weight_stationary = kernel.mode is Mode.WEIGHT_STATIONARY
    outer = len(kernel.outer)
    tile_loops = outer + len(kernel.reduction) if weight_stationary else outer
    a = vector_costs(kernel.a, tile_loops, array.line)
    w = vector_costs(kernel.w, tile_loops, array.line)
    o = vector_costs(kernel.o, outer, array.line)
    tiles = math.prod(kernel.reduction)

    begin = pipeline.START
    shadow_free = a_free = drain_busy = begin  # when each unit can take its next command
    drain_ends: list[int] = []
    parameters_loaded = begin
    for iteration, o_costs in enumerate(o):
        two_before = drain_ends[-2] if len(drain_ends) >= 2 else begin
        one_before = drain_ends[-1] if drain_ends else begin
        if weight_stationary:
            for tile in range(iteration * tiles, (iteration + 1) * tiles):
                scales = kernel.w.lanes if kernel.block_scaled else 0
                weights_ready = shadow_free + max(sum(w[tile]), scales)
                start = max(a_free, weights_ready)
                if tile == iteration * tiles:
                    start = max(start, two_before)
                shadow_free = max(weights_ready, start + a[tile][0])
                a_free = start + sum(a[tile])
            summed = a_free + pipeline.latency(array)
        else:
            step_costs = [max(pair) for pair in zip(a[iteration], w[iteration], strict=True)]
            for cost in step_costs[:-1]:
                a_free += cost
            a_free = max(a_free, drain_busy, two_before) + step_costs[-1]
            drain_busy = a_free + pipeline.LAT_HOLD + kernel.a.lanes
            summed = drain_busy + pipeline.latency(array)
        parameters_loaded = max(parameters_loaded, two_before) + kernel.w.lanes
        drain = max(summed, one_before, parameters_loaded + pipeline.LAT_PARAMETER)
        drain_ends.append(drain + pipeline.LAT_DRAIN + sum(o_costs) + pipeline.FLUSH)
    return drain_ends[-1]
