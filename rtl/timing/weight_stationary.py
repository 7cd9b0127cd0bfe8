"""Cycles of a weight-stationary kernel.

Within an outer iteration the recurrence over tiles is linear in the (max, +) algebra, so it is
computed once for each distinct kind of outer iteration.
"""

from __future__ import annotations

import math

import numpy as np

from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.timing.lines import stream_costs
from systolab.rtl.timing.pipeline import START, Ints, Pipeline, Timing

__all__ = ["weight_stationary"]


def weight_stationary(kernel: Kernel, array: Array) -> Timing:
    """Cycles of a kernel and their breakdown."""
    outer = len(kernel.outer)
    tile_loops = outer + len(kernel.reduction)
    a = stream_costs(kernel.a, tile_loops, array.line)
    w = stream_costs(kernel.w, tile_loops, array.line)
    o = stream_costs(kernel.o, outer, array.line)
    a_tile = _spread(a.vectors.sum(axis=1)[a.kind], kernel.reduction)
    a_first = _spread(a.vectors[:, 0][a.kind], kernel.reduction)
    w_tile = _spread(w.vectors.sum(axis=1)[w.kind], kernel.reduction)
    if kernel.block_scaled:  # beside the weights, one scale a cycle
        w_tile = np.maximum(w_tile, kernel.w.lanes)
    a_tile, a_first, w_tile = np.broadcast_arrays(a_tile, a_first, w_tile)
    shape = a_tile.shape[:outer]
    tiles = math.prod(kernel.reduction)
    a_tile, a_first, w_tile = (x.reshape(-1, tiles) for x in (a_tile, a_first, w_tile))
    kinds = np.arange(len(a_tile)).reshape(shape)
    pipeline = _Pipeline(kernel, array, a_tile, a_first, w_tile)
    pipeline.run(kinds, o.vectors.sum(axis=1)[o.kind], kernel.outer)

    a_cycles = int(a_tile.sum()) * (math.prod(kernel.outer) // len(a_tile))
    return pipeline.report(
        steps=kernel.a.vectors,
        a_lines=a_cycles - kernel.a.vectors,
        w_lines=0,
        weight_load=pipeline.issued - START - a_cycles - pipeline.write_back,
    )


class _Pipeline(Pipeline):
    def __init__(self, kernel: Kernel, array: Array, a: Ints, first: Ints, w: Ints) -> None:
        """``a``, ``first`` and ``w`` as in ``_iteration_maps``."""
        super().__init__(kernel, array)
        self._maps = _iteration_maps(a, first, w)
        self._load: list[int] = w[:, 0].tolist()

    def compute(self, kind: int) -> int:
        bank = max(self.issued, self.freed[0])
        self.write_back += max(0, bank - max(self.issued, self.ahead + self._load[kind]))
        (ahead_ahead, ahead_issued), (issued_ahead, issued_issued) = self._maps[kind]
        ahead = self.ahead
        self.ahead = max(ahead + ahead_ahead, bank + ahead_issued)
        self.issued = max(ahead + issued_ahead, bank + issued_issued)
        return self.issued


def _spread(costs: Ints, reduction: tuple[int, ...]) -> Ints:
    """Costs of tiles with all reduction loops at full length, outer loops as they are."""
    kinds = costs.shape[: costs.ndim - len(reduction)]
    return np.broadcast_to(costs, kinds + reduction)


def _iteration_maps(a_tile: Ints, a_first: Ints, w_tile: Ints) -> list[list[list[int]]]:
    """What the tiles of an outer iteration do to the (max, +) state, for each kind of iteration.

    The state is (when shadow weights are free, when the A stream is free). A tile's weights load
    from the former; its A vectors follow both; the shadow weights are free after the first of them.

    Args:
        a_tile: cycles of all A vectors of each tile, ``[kinds, tiles]``.
        a_first: cycles of the first A vector of each tile.
        w_tile: cycles of all W vectors of each tile.
    """
    maps = np.stack([w_tile + a_first, a_first, w_tile + a_tile, a_tile], axis=-1)
    maps = maps.reshape(*a_tile.shape, 2, 2)
    while maps.shape[1] > 1:
        odd = maps[:, -1:] if maps.shape[1] % 2 else maps[:, :0]
        earlier, later = maps[:, 0 : maps.shape[1] - 1 : 2], maps[:, 1::2]
        product = np.max(later[..., :, :, None] + earlier[..., None, :, :], axis=-2)
        maps = np.concatenate([product, odd], axis=1)
    result: list[list[list[int]]] = maps[:, 0].tolist()
    return result
