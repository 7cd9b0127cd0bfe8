"""Matrix products as kernels."""

from __future__ import annotations

from systolab.rtl.kernel.kernel import AccessPattern, Array, Guard, Kernel, Mode

Strides = tuple[int, int]


def gemm_kernel(
    array: Array,
    m: int,
    k: int,
    n: int,
    mode: Mode = Mode.WEIGHT_STATIONARY,
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
    a_row, a_col = a_strides or (k, 1)
    w_row, w_col = w_strides or (n, 1)
    o_row, o_col = o_strides or (n, 1)
    cols = min(array.cols, n)
    n_tiles = -(-n // cols)
    if mode is Mode.WEIGHT_STATIONARY:
        lanes = min(array.rows, k)
        k_tiles = -(-k // lanes)
        blocks = -(-m // array.acc_rows)
        rows = -(-m // blocks)
        # Loops: column tile, row block, reduction tile, row; the W tile has its own row loop.
        outer, reduction = (n_tiles, blocks), (k_tiles,)
        inner: tuple[int, ...] = (rows,)
        a = AccessPattern(
            0,
            ((n_tiles, 0), (blocks, rows * a_row), (k_tiles, lanes * a_col), (rows, a_row)),
            (lanes, a_col),
            ragged(
                (Guard(0, (0, 0, lanes, 0), 1, k), k % lanes),
                (Guard(0, (0, rows, 0, 1), 0, m), m % rows),
            ),
        )
        w = AccessPattern(
            0,
            ((n_tiles, cols * w_col), (blocks, 0), (k_tiles, lanes * w_row), (lanes, w_row)),
            (cols, w_col),
            ragged(
                (Guard(0, (0, 0, lanes, 1), 0, k), k % lanes),
                (Guard(0, (cols, 0, 0, 0), 1, n), n % cols),
            ),
        )
        o = AccessPattern(
            0,
            ((n_tiles, cols * o_col), (blocks, rows * o_row), (rows, o_row)),
            (cols, o_col),
            ragged(
                (Guard(0, (0, rows, 1), 0, m), m % rows),
                (Guard(0, (cols, 0, 0), 1, n), n % cols),
            ),
        )
    else:
        lanes = min(array.rows, m)
        m_tiles = -(-m // lanes)
        outer, reduction = (n_tiles, m_tiles), (k,)
        inner = ()
        a = AccessPattern(
            0,
            ((n_tiles, 0), (m_tiles, lanes * a_row), (k, a_col)),
            (lanes, a_row),
            ragged((Guard(0, (0, lanes, 0), 1, m), m % lanes)),
        )
        w = AccessPattern(
            0,
            ((n_tiles, cols * w_col), (m_tiles, 0), (k, w_row)),
            (cols, w_col),
            ragged((Guard(0, (cols, 0, 0), 1, n), n % cols)),
        )
        o = AccessPattern(
            0,
            ((n_tiles, cols * o_col), (m_tiles, lanes * o_row), (lanes, o_row)),
            (cols, o_col),
            ragged(
                (Guard(0, (0, lanes, 1), 0, m), m % lanes),
                (Guard(0, (cols, 0, 0), 1, n), n % cols),
            ),
        )
    p = AccessPattern(0, ((n_tiles, cols), (outer[1], 0)), (cols, 1))
    return Kernel(mode, outer, reduction, inner, a, w, o, p)


def ragged(*candidates: tuple[Guard, int]) -> tuple[Guard, ...]:
    """The guards of ragged edges, those with a remainder."""
    return tuple(guard for guard, remainder in candidates if remainder)
