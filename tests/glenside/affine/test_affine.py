"""Affine views and layers read from terms, against the interpreter of terms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab.glenside.affine.access import view
from systolab.glenside.affine.contraction import Linear, NotAffineError
from systolab.glenside.affine.nest import Role
from systolab.glenside.affine.reading import describe
from systolab.glenside.affine.view import View
from systolab.glenside.language import grammar as g
from systolab.glenside.language.interpreter import evaluate
from systolab.rtl.kernel.kernel import affine
from tests.glenside.lowering.lowered import check, codes, integers, machine

X = g.Tensor("x", (4, 6, 5))


def read(found: View, tensor: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a view says its access pattern holds."""
    lengths = found.loops

    def values(form: Linear) -> NDArray[np.int64]:
        return affine(form.offset, lengths, form.coefficients)

    exists = np.ones(int(np.prod(lengths)), dtype=np.bool_)
    address = np.zeros(int(np.prod(lengths)), dtype=np.int64)
    for form, size in zip(found.coordinates, found.shape, strict=True):
        index = values(form)
        exists &= (index >= 0) & (index < size)
        address = address * size + index
    for form, bound in found.conditions:
        exists &= (values(form) >= 0) & (values(form) < bound)
    flat = np.where(exists, tensor.reshape(-1)[np.where(exists, address, 0)], 0)
    order = [loop for dim in found.dims for loop in dim]
    assert sorted(order) == list(range(len(lengths)))
    return flat.reshape(lengths).transpose(order)


W22 = g.Windows(g.Access(X, 1), (3, 2), (1, 2), (2, 1))
TERMS = [
    X,
    g.Transpose(X, (2, 0, 1)),
    g.Slice(g.Access(X, 1), 1, 2, 5),
    g.Pad(X, "zero", 1, 2, 1),
    g.Slice(g.Pad(X, "zero", 2, 3, 3), 2, 1, 9),
    g.Pad(g.Slice(X, 1, 2, 5), "zero", 1, 1, 2),
    W22,
    g.Windows(
        g.Access(g.Pad(g.Pad(X, "zero", 1, 1, 1), "zero", 2, 0, 2), 1), (3, 3), (2, 1), (1, 1)
    ),
    g.Windows(W22, (2, 1), (1, 1), (1, 1)),
    g.Flatten(W22),
    g.Flatten(W22, 1),
    g.Reshape(g.Flatten(W22), (8, 2), (3, 2)),
    g.Reshape(g.Access(X, 2), (2, 2, 3, 2), (5,)),
    g.Reshape(g.Access(g.Transpose(X, (2, 1, 0)), 1), (5, 1), (2, 3, 2, 2)),
    g.Broadcast(g.InsertAxis(g.Access(X, 1), 0), (3, 4, 6, 5)),
    g.Squeeze(g.Slice(X, 0, 2, 3), 0),
    g.ShiftRight(W22),
    g.BlockDiagonal(g.Access(g.Transpose(X, (1, 0, 2)), 2), 3),
    g.Load(g.Tensor("x", (4 * 8 * 5,)), "AB4bC", (4, 6, 5)),
]  # fmt: skip


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.head)
def test_view_reads_what_the_interpreter_computes(term: g.Term) -> None:
    x = np.arange(1, 121).reshape(4, 6, 5)
    found = view(term)
    assert (found.tensor, found.shape) == ("x", (4, 6, 5))
    assert found.split == len(term.access)
    assert tuple(found.size(dim) for dim in range(len(found.dims))) == term.dims
    expected: NDArray[np.generic] = x
    if isinstance(term, g.Load):
        assert found.layout == "AB4bC"
    else:
        expected = evaluate(term, {"x": x})
    assert (read(found, x).reshape(term.dims) == expected).all()


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (g.Concatenate(X, X, 0), "Term 'concatenate' must be an affine access to one tensor"),
        (g.Pad(X, "min", 0, 1, 1), "Term 'pad' must pad with zeros to be an access"),
        (
            g.Pad(g.Flatten(g.Access(g.Transpose(X, (1, 0, 2)), 3)), "zero", 0, 1, 1),
            "Windows, padding and slices of tensor 'x' must be over a dimension that is not "
            "flattened",
        ),
        (
            g.Reshape(g.Access(g.Transpose(X, (2, 1, 0)), 3), (8, 15), ()),
            "Dimension of tensor 'x' must be reshaped along its loops, not 4 into 15",
        ),
    ],
)
def test_what_is_not_affine(term: g.Term, message: str) -> None:
    with pytest.raises(NotAffineError) as caught:
        view(term)
    assert str(caught.value) == message


def padded(x: g.Term) -> g.Term:
    for axis in (2, 3):
        x = g.Pad(x, "zero", axis, 1, 1)
    return x


def conv_operands(groups: int) -> tuple[g.Term, g.Term]:
    """((G, N, H, W), (C, 3, 3)) windows of x[2, 4, 5, 6] and ((G, M), (C, 3, 3)) filters."""
    channels = 4 // groups
    x: g.Term = g.Reshape(
        g.Access(padded(g.Tensor("x", (2, 4, 5, 6))), 4), (2, groups, channels, 7, 8), ()
    )
    x = g.Access(g.Transpose(x, (1, 0, 2, 3, 4)), 2)
    windows = g.Windows(x, (channels, 3, 3), (1, 2, 1), (1, 1, 1))  # ((G, N, 1, H, W), ...)
    filters = g.Access(g.Tensor("w", (8, channels, 3, 3)), 1)
    return g.Squeeze(windows, 2), g.Reshape(filters, (groups, 8 // groups), (channels, 3, 3))


def conv_term(groups: int, im2col: bool) -> g.Term:
    """The convolution as dot products, or flattened onto a systolic array; output NCHW."""
    a, w = conv_operands(groups)
    if im2col:
        sums: g.Term = g.SystolicArray("weight-stationary", g.Flatten(a, 1), g.Flatten(w, 1), 1)
        sums = g.Reshape(sums, (groups, 2, 3, 6, 8 // groups), ())
    else:
        sums = g.Compute("dot-product", g.CartesianProduct(a, w, 1))
    moved = g.Transpose(sums, (1, 0, 4, 2, 3))
    return g.Reshape(g.Access(moved, 5), (2, 8, 3, 6), ())


@pytest.mark.parametrize("im2col", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("layouts", [("NCHW", "NCHW"), ("NHWC", "NCHW4c")], ids="-".join)
def test_convolution_term_runs(groups: int, im2col: bool, layouts: tuple[str, str]) -> None:
    rng = np.random.default_rng(groups)
    x, w = codes(rng, (2, 4, 5, 6)), codes(rng, (8, 4 // groups, 3, 3))
    term = conv_term(groups, im2col)
    layer = describe(term)
    assert layer.bias is None
    assert layer.dataflow == ("weight-stationary" if im2col else None)
    assert layer.contraction.channel.coefficients == tuple(
        next(c.coefficients[i] for c in layer.contraction.o.coordinates[1:2])
        for i in range(len(layer.contraction.axes))
    )
    expected = evaluate(term, {"x": integers(x), "w": integers(w)}).astype(np.int64)
    check(layer.contraction, x, w, expected, machine(4, 4), (layouts[0], None, layouts[1]))


def test_block_diagonal_runs() -> None:
    rng = np.random.default_rng(9)
    x, w = codes(rng, (2, 4, 5, 6)), codes(rng, (8, 1, 3, 3))
    a, filters = conv_operands(4)
    wide = g.BlockDiagonal(g.Flatten(filters, 1), 2)
    columns: g.Term = g.Flatten(a, 1)  # ((4, 36), (9))
    columns = g.Transpose(g.Reshape(columns, (2, 2, 36), (9,)), (0, 2, 1, 3))
    sums = g.SystolicArray("weight-stationary", g.Flatten(g.Access(columns, 2), 2), wide, 1)
    layer = describe(g.Access(sums, 3))
    assert [axis.role for axis in layer.contraction.axes].count(Role.BATCH) == 1
    expected = evaluate(sums, {"x": integers(x), "w": integers(w)}).astype(np.int64)
    check(layer.contraction, x, w, expected, machine(4, 4), ("NHWC", None, "ABC"))


def test_slices_of_blocked_tensors_stay_apart() -> None:
    """Half a fused tensor ends inside a block: its neighbour must not be read."""
    rng = np.random.default_rng(10)
    x, z = codes(rng, (5, 12), -2, 3), codes(rng, (7, 12), -2, 3)
    a, w = (
        g.Access(g.Slice(g.Tensor(name, dims), 1, 0, 6), 1)
        for name, dims in (("x", (5, 12)), ("z", (7, 12)))
    )
    term = g.Compute("dot-product", g.CartesianProduct(a, w))
    expected = integers(x)[:, :6] @ integers(z)[:, :6].T
    check(describe(term).contraction, x, z, expected, machine(4, 4), ("NC4c", "NC4c", "NC"))


@pytest.mark.parametrize("groups", [1, 2])
def test_bias_and_clamp(groups: int) -> None:
    term = conv_term(groups, True)
    spread: g.Term = g.Tensor("b", (8,))
    for axis in (0, 2, 3):
        spread = g.InsertAxis(spread, axis)
    outer = g.PostProcess(term, g.Broadcast(spread, (2, 8, 3, 6)), 0.0, 6.0)
    layer = describe(g.Transpose(outer, (0, 2, 3, 1)), "y")
    assert layer.bias is not None
    assert layer.bias.tensor == "b"
    assert (layer.bias.index == np.arange(8)).all()
    assert (layer.lo, layer.hi) == (0.0, 6.0)
    assert layer.contraction.o.tensor == "y"
    assert layer.contraction.o.shape == (2, 3, 6, 8)


def test_bias_of_rows_is_refused() -> None:
    term = conv_term(1, False)
    spread: g.Term = g.Tensor("b", (6,))
    for axis in (0, 1, 2):
        spread = g.InsertAxis(spread, axis)
    outer = g.PostProcess(term, g.Broadcast(spread, (2, 8, 3, 6)), 0.0, 6.0)
    with pytest.raises(NotAffineError, match=r"^A bias must be the same in all rows of a channel$"):
        describe(outer)


def test_clamp_before_bias_is_refused() -> None:
    sums = g.Clamp(conv_term(1, False), 0.0, 1.0)
    outer = g.PostProcess(sums, g.Tensor("b", (2, 8, 3, 6)), 0.0, 6.0)
    with pytest.raises(NotAffineError, match=r"^A clamp must come after the bias, not before it$"):
        describe(outer)


def test_not_a_product() -> None:
    with pytest.raises(NotAffineError) as caught:
        describe(g.Compute("reduce-sum", g.Access(X, 2)))
    assert str(caught.value) == "Term 'compute' must be a dot product of two accesses"
