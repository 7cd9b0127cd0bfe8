"""Matrix products as kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from systolab.rtl.kernel.kernel import AccessPattern, Array, Guard, Kernel
from systolab.rtl.kernel.modes import DEFAULT_MODE, Dimension, Mode

__all__ = ["Loop", "MatrixNest", "Strides", "gemm_kernel", "summed_lanes"]

Strides = tuple[int, int]


def gemm_kernel(
    array: Array,
    m: int,
    k: int,
    n: int,
    mode: Mode = DEFAULT_MODE,
    a_strides: Strides | None = None,
    w_strides: Strides | None = None,
    o_strides: Strides | None = None,
) -> Kernel:
    """Kernel of ``O[m,n] = A[m,k] @ W[k,n]``, one scale and bias for each of the n columns.

    Strides are those of the (row, column) index of each matrix, in codes; by default the matrices
    are row-major. Ragged edges are guarded.

    Args:
        array: machine configuration.
        m: rows of A and O.
        k: columns of A, rows of W.
        n: columns of W and O.
        mode: dataflow.
        a_strides: strides of A; ``(1, m)`` is column-major.
        w_strides: strides of W.
        o_strides: strides of O.
    """
    if mode.description.sums_lanes:
        lanes = min(array.rows, k)
        tiles = (Loop(-(-k // lanes), {"k": lanes}),)
        nest = summed_lanes(array, mode, (m, k, n), lanes, tiles)
    else:
        nest = _kept_lanes(array, mode, (m, k, n))
    return nest.kernel(a_strides or (k, 1), w_strides or (n, 1), o_strides or (n, 1))


@dataclass(frozen=True)
class Loop:
    """A loop over a matrix product: its length, and how far a step moves each index, by name."""

    length: int
    steps: Mapping[str, int]


@dataclass(frozen=True)
class MatrixNest:
    """A matrix product cut to the array: every stream's loops follow from its mode.

    Attributes:
        mode: dataflow.
        sizes: end of the indices ``m``, ``k`` and ``n``.
        loops: loops of every kind, outermost first; one for lanes.
    """

    mode: Mode
    sizes: Mapping[str, int]
    loops: Mapping[Dimension, tuple[Loop, ...]]

    def kernel(self, a: Strides, w: Strides, o: Strides) -> Kernel:
        """The kernel of matrices with the given strides of (row, column)."""
        (a_row, a_col), (w_row, w_col), (o_row, o_col) = a, w, o
        return Kernel(
            self.mode,
            self._lengths(Dimension.OUTER),
            self._lengths(Dimension.REDUCTION),
            self._lengths(Dimension.ROWS),
            self.pattern("A", {"k": a_col, "m": a_row}, guarded=True),
            self.pattern("W", {"k": w_row, "n": w_col}, guarded=True),
            self.pattern("O", {"m": o_row, "n": o_col}, guarded=True),
            self.pattern("P", {"n": 1}),
        )

    def pattern(
        self, stream: str, strides: Mapping[str, int], guarded: bool = False
    ) -> AccessPattern:
        """A stream's access pattern.

        Args:
            stream: its name.
            strides: of the indices that move it.
            guarded: whether lanes past the end of an index are inactive.
        """
        walk = self.mode.description.walks[stream]
        loops = [loop for kind in walk.loops for loop in self.loops[kind]]
        lane = Loop(1, {}) if walk.lanes is None else self.loops[walk.lanes][0]

        def moves(loop: Loop) -> int:
            return sum(step * strides.get(index, 0) for index, step in loop.steps.items())

        guards = tuple(
            Guard(
                0,
                tuple(loop.steps.get(index, 0) for loop in loops),
                lane.steps.get(index, 0),
                self.sizes[index],
            )
            for index in strides
            if guarded and self._ragged(index)
        )
        return AccessPattern(
            0,
            tuple((loop.length, moves(loop)) for loop in loops),
            (lane.length, moves(lane)),
            guards,
        )

    def _lengths(self, kind: Dimension) -> tuple[int, ...]:
        return tuple(loop.length for loop in self.loops[kind])

    def _ragged(self, index: str) -> bool:
        """Whether the loops go past the end of an index."""
        loops = [loop for kind in self.loops.values() for loop in kind]
        return sum((x.length - 1) * x.steps.get(index, 0) for x in loops) >= self.sizes[index]


def summed_lanes(
    array: Array, mode: Mode, sizes: tuple[int, int, int], lanes: int, reduction: tuple[Loop, ...]
) -> MatrixNest:
    """A matrix product with A's lanes along k, in a mode that sums them.

    Loops: column tile, row block, the loops of ``reduction``, row.

    Args:
        array: machine configuration.
        mode: dataflow.
        sizes: m, k and n.
        lanes: lanes of A.
        reduction: loops over tiles of the reduction.
    """
    m, k, n = sizes
    cols = min(array.cols, n)
    blocks = -(-m // array.acc_rows)
    rows = -(-m // blocks)
    return MatrixNest(
        mode,
        {"m": m, "k": k, "n": n},
        {
            Dimension.OUTER: (Loop(-(-n // cols), {"n": cols}), Loop(blocks, {"m": rows})),
            Dimension.REDUCTION: reduction,
            Dimension.ROWS: (Loop(rows, {"m": 1}),),
            Dimension.A_LANES: (Loop(lanes, {"k": 1}),),
            Dimension.W_LANES: (Loop(cols, {"n": 1}),),
        },
    )


def _kept_lanes(array: Array, mode: Mode, sizes: tuple[int, int, int]) -> MatrixNest:
    """A matrix product with A's lanes along m, in a mode that keeps a sum for each of them.

    Loops: column tile, row tile, reduction step.
    """
    m, k, n = sizes
    lanes, cols = min(array.rows, m), min(array.cols, n)
    return MatrixNest(
        mode,
        {"m": m, "k": k, "n": n},
        {
            Dimension.OUTER: (
                Loop(-(-n // cols), {"n": cols}),
                Loop(-(-m // lanes), {"m": lanes}),
            ),
            Dimension.REDUCTION: (Loop(k, {"k": 1}),),
            Dimension.ROWS: (),
            Dimension.A_LANES: (Loop(lanes, {"m": 1}),),
            Dimension.W_LANES: (Loop(cols, {"n": 1}),),
        },
    )
