"""Shape rules and their errors, the text form, and the value of every construct."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.formats.registry import registry
from systolab.glenside.language import grammar as g
from systolab.glenside.language.interpreter import evaluate
from systolab.glenside.language.text import parse
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.search.regions import partition
from systolab.rtl.kernel.kernel import Array

X = g.Tensor("x", (2, 3, 4))  # ((2 3 4) ())
P = g.Access(X, 1)  # ((2) (3 4))
V = g.Tensor("v", (5,))
Q = g.Access(g.Tensor("q", (6, 3, 4)), 1)

VALUES = {
    "x": np.arange(24).reshape(2, 3, 4) - 11,
    "v": np.array([3, -1, 4, -1, 5]),
    "q": np.arange(72).reshape(6, 3, 4) % 7 - 3,
    "m": np.arange(12).reshape(2, 2, 3) - 5,
    "n": np.arange(18).reshape(2, 3, 3) - 8,
}
M, N = g.Access(g.Tensor("m", (2, 2, 3)), 2), g.Access(g.Tensor("n", (2, 3, 3)), 2)
x, v, q, m, n = VALUES.values()
DIAGONAL = np.zeros((1, 4, 6), dtype=int)
DIAGONAL[0, :2, :3], DIAGONAL[0, 2:, 3:] = m


def transposed(term: g.Term, times: int) -> g.Term:
    for _ in range(times):
        term = g.Transpose(term, (2, 0, 1))
    return term


# Term, its shape, its value (written with numpy alone).
CONSTRUCTS: list[tuple[g.Term, str, object]] = [
    (X, "((2 3 4) ())", x),
    (g.Literal(2.5, (2, 2)), "((2 2) ())", np.full((2, 2), 2.5)),
    (P, "((2) (3 4))", x),
    (g.Transpose(P, (1, 2, 0)), "((3) (4 2))", x.transpose(1, 2, 0)),
    (g.CartesianProduct(P, Q), "((2 6) (2 3 4))",
     np.stack(np.broadcast_arrays(x[:, None], q[None, :]), axis=2)),
    (g.CartesianProduct(M, N, 1), "((2 2 3) (2 3))",
     np.stack(np.broadcast_arrays(m[:, :, None], n[:, None]), axis=3)),
    (g.Pair(P, g.Access(X, 1)), "((2) (2 3 4))", np.stack((x, x), axis=1)),
    (g.Windows(P, (2, 2), (1, 2), (1, 1)), "((2 2 2) (2 2))",
     np.array([[[x[i, r:r + 2, c:c + 2] for c in (0, 2)] for r in (0, 1)] for i in (0, 1)])),
    (g.Windows(P, (2, 2), (1, 1), (2, 3)), "((2 1 1) (2 2))", x[:, None, None, ::2, ::3]),
    (g.Slice(P, 2, 1, 3), "((2) (3 2))", x[:, :, 1:3]),
    (g.Concatenate(P, g.Slice(P, 1, 0, 1), 1), "((2) (4 4))", np.concatenate((x, x[:, :1]), 1)),
    (g.Pad(P, "zero", 1, 1, 2), "((2) (6 4))", np.pad(x, ((0, 0), (1, 2), (0, 0)))),
    (g.Pad(V, "min", 0, 1, 0), "((6) ())", np.concatenate(([np.iinfo(int).min], v))),
    (g.InsertAxis(P, 1), "((2 1) (3 4))", x[:, None]),
    (g.InsertAxis(P, 2), "((2) (3 1 4))", x[:, :, None]),
    (g.Squeeze(g.InsertAxis(P, 1), 1), "((2) (3 4))", x),
    (g.Broadcast(g.InsertAxis(V, 0), (3, 5)), "((3 5) ())", np.stack((v, v, v))),
    (g.Flatten(P), "((2) (12))", x.reshape(2, 12)),
    (g.Flatten(X), "((24) ())", x.reshape(24)),
    (g.Flatten(g.Access(X, 2), 1), "((2 3) (4))", x),
    (g.Reshape(P, (2, 1), (2, 6)), "((2 1) (2 6))", x.reshape(2, 1, 2, 6)),
    (g.ShiftRight(g.Access(X, 2)), "((2) (3 4))", x),
    (g.Compute("dot-product", g.CartesianProduct(P, Q)), "((2 6) ())",
     np.einsum("aij,bij->ab", x, q)),
    (g.Compute("reduce-sum", P), "((2) ())", x.sum((1, 2))),
    (g.Compute("reduce-max", P), "((2) ())", x.max((1, 2))),
    (g.Compute("reduce-mean", P), "((2) ())", x.mean((1, 2))),
    (g.Compute("elementwise-add", P), "((2) (4))", x.sum(1)),
    (g.Compute("elementwise-mul", P), "((2) (4))", x.prod(1)),
    (g.Compute("elementwise-div", g.Access(V, 0)), "(() ())", 3 / -1 / 4 / -1 / 5),
    (g.Compute("relu", P), "((2) (3 4))", x.clip(0)),
    (g.Compute("negative", P), "((2) (3 4))", -x),
    (g.Compute("sqrt", g.Compute("relu", P)), "((2) (3 4))", x.clip(0) ** 0.5),
    (g.Compute("softmax", g.Access(V, 0)), "(() (5))", np.exp(v) / np.exp(v).sum()),
    (g.Clamp(P, -2.0, 3.0), "((2) (3 4))", x.clip(-2, 3)),
    (g.TupleGet(g.MakeTuple(P, V), 1), "((5) ())", v),
    (g.SystolicArray("weight-stationary", M, N, 1), "((2 2 3) ())", m @ n.transpose(0, 2, 1)),
    (g.SystolicArray("output-stationary", g.Flatten(P), g.Flatten(Q)), "((2 6) ())",
     np.einsum("aij,bij->ab", x, q)),
    (g.PostProcess(X, X, -4.0, 6.0), "((2 3 4) ())", (2 * x).clip(-4, 6)),
    (g.BlockDiagonal(M, 2), "((1 4) (6))", DIAGONAL),
    (g.Store(X, "ACB"), "((24) ())", x.transpose(0, 2, 1).reshape(-1)),
    (g.Load(g.Store(X, "AB2cC"), "AB2cC", (2, 3, 4)), "((2 3 4) ())", x),
]  # fmt: skip


def test_every_construct_is_listed() -> None:
    used = {type(node) for term, _, _ in CONSTRUCTS for node in term.walk()}
    assert used == set(g.CONSTRUCTS.values())
    functions = {t.function for t, _, _ in CONSTRUCTS if isinstance(t, g.Compute)}
    assert functions == set(g.FUNCTIONS)


@pytest.mark.parametrize(("term", "shape", "value"), CONSTRUCTS, ids=lambda a: str(a)[:24])
def test_shape_value_and_text(term: g.Term, shape: str, value: object) -> None:
    assert str(term.shape) == shape
    np.testing.assert_allclose(evaluate(term, VALUES), np.asarray(value), rtol=1e-12)
    assert parse(str(term)) == term


ERRORS: list[tuple[Callable[[], object], str]] = [
    (lambda: g.Tensor("x", (2, 0)), "tensor x: every dimension must be positive, not (2, 0)"),
    (lambda: g.Access(X, 4), "access: split must be in 0..3, not 4"),
    (lambda: g.Transpose(X, (0, 0, 1)), "transpose: permutation must be one of 0..2, not"),
    (lambda: g.CartesianProduct(P, X), "cartesian-product: items must be equal ((3, 4) on the"),
    (lambda: g.CartesianProduct(P, Q, 1), "cartesian-product: batch dimensions must be equal"),
    (lambda: g.CartesianProduct(P, Q, 2), "cartesian-product: batch must be in 0..1, not 2"),
    (lambda: g.Pair(P, Q), "pair: shapes must be equal (((2) (3 4)) on the left), not ((6) (3 4))"),
    (lambda: g.Windows(P, (2,), (1,), (1,)), "windows: window must be 2 positive numbers"),
    (lambda: g.Windows(P, (2, 2), (0, 1), (1, 1)), "windows: strides must be 2 positive numbers"),
    (lambda: g.Windows(P, (2, 3), (1, 1), (1, 2)), "windows: dilated window must be no larger"),
    (lambda: g.Slice(P, 3, 0, 1), "slice: axis must be in 0..2, not 3"),
    (lambda: g.Slice(P, 1, 2, 2), "slice: bounds must be an interval inside 0..3, not 2..2"),
    (lambda: g.Concatenate(P, Q, 1), "concatenate: shapes must be equal but for axis 1"),
    (lambda: g.Pad(P, "one", 0, 1, 1), "pad: padding must be zero or min, not one"),
    (lambda: g.Pad(P, "zero", 0, -1, 1), "pad: amounts must be non-negative, not (-1, 1)"),
    (lambda: g.Squeeze(P, 0), "squeeze: dimension must be 1, not 2"),
    (lambda: g.InsertAxis(P, 4), "insert-axis: axis must be in 0..3, not 4"),
    (lambda: g.Broadcast(P, (2, 3, 8)), "broadcast: dimensions must be those of (2, 3, 4) with"),
    (lambda: g.Flatten(P, 2), "flatten: keep must be in 0..1, not 2"),
    (lambda: g.Reshape(P, (3,), (8,)), "reshape: access dimensions must be positive with 2 elem"),
    (lambda: g.ShiftRight(g.Access(X, 0)), "shift-right: access dimensions must be at least one"),
    (lambda: g.Compute("sum", P), "compute: function must be one of dot-product, softmax"),
    (lambda: g.Compute("softmax", P), "compute softmax: item must be one-dimensional, not (3, 4)"),
    (lambda: g.Compute("reduce-sum", X), "compute reduce-sum: item must be at least one-dim"),
    (lambda: g.Clamp(P, 1.0, 0.0), "clamp: bounds must be ordered, not 1.0..0.0"),
    (lambda: g.TupleGet(P, 0), "tuple-get: operand must be a tuple, not access"),
    (lambda: g.SystolicArray("fast", M, N, 1), "systolic-array: dataflow must be a known one"),
    (lambda: g.SystolicArray("weight-stationary", P, Q), "systolic-array: operand a must be a mat"),
    (lambda: g.SystolicArray("weight-stationary", M, g.Transpose(N, (1, 0, 2)), 1),
     "systolic-array: operands must be equal in batch and reduction"),
    (lambda: g.PostProcess(X, P, 0.0, 1.0), "post-process: bias must be of the shape"),
    (lambda: g.BlockDiagonal(M, 3), "block-diagonal: size must be a divisor of 2, not 3"),
    (lambda: g.Store(P, "ABC"), "store: item dimensions must be none, not (3, 4)"),
    (lambda: g.Load(V, "ABC", (2, 3)), "Layout ABC must be given 3 dimensions"),
    (lambda: g.Load(V, "AB", (2, 3)), "load: memory must be ((6) ()), not ((5) ())"),
    (lambda: parse("(access (tensor x (2)) 0"), "a term must have balanced parentheses"),
    (lambda: parse("(access (tensor x (2)) 0))"), "a term must end at its closing parenthesis"),
    (lambda: parse("(conv2d)"), "a construct must be one of access, "),
    (lambda: parse("(access (tensor x (2)))"), "access must have 2 operands, not 1"),
    (lambda: parse("(access (tensor x (2)) two)"), "access: operand must be a int, not 'two'"),
    (lambda: parse("(" * 3000), "a term must be at most 100 constructs deep, not more"),
    (lambda: transposed(X, 100), "a term must be at most 100 constructs deep, not 101"),
    (lambda: parse("x"), "a term must be '(construct operands..)', not 'x'"),
    (lambda: str(g.Tensor("a b", (1,))), "a name in a term must be one word, not 'a b'"),
    (lambda: evaluate(X, {}), "tensor x must have a value, not be unbound"),
    (lambda: evaluate(X, {"x": v}), "tensor x must have shape (2, 3, 4), not (5,)"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), ERRORS, ids=[text[:40] for _, text in ERRORS])
def test_errors(build: Callable[[], object], message: str) -> None:
    with pytest.raises(SystolabError) as problem:
        build()
    assert str(problem.value).startswith(message)


def test_deepest_term_is_read() -> None:
    term = transposed(X, 99)
    assert parse(str(term)) == term


def test_substitute_and_walk() -> None:
    term = g.Pair(P, P)
    assert [type(node) for node in term.walk()] == [g.Tensor, g.Access, g.Pair]
    other = g.substitute(term, {"x": g.Tensor("z", (2, 3, 4))})
    assert [leaf.name for leaf in g.tensors(other)] == ["z"]


CONVOLUTIONS = [
    ({"pads": [1, 2, 0, 1], "strides": [2, 1]}, (2, 3, 9, 7), (4, 3, 3, 3)),
    ({"dilations": [2, 1]}, (1, 3, 9, 7), (4, 3, 3, 3)),
    ({"group": 2, "pads": [1, 1, 1, 1]}, (1, 4, 6, 6), (6, 2, 3, 3)),
    ({"group": 6}, (1, 6, 5, 5), (6, 1, 3, 3)),
    ({"strides": [3]}, (2, 3, 20), (5, 3, 4)),
]


@pytest.mark.parametrize(("attributes", "x", "w"), CONVOLUTIONS)
def test_convolutions_as_terms(
    attributes: dict[str, object], x: tuple[int, ...], w: tuple[int, ...]
) -> None:
    """The term of a convolution has the value that ONNX's own evaluator gives."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="y", **attributes)],  # type: ignore[arg-type]
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", x), ("w", w), ("b", w[:1]))
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(x))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    network: Network = from_model(model)
    (region,) = partition(network).regions.values()
    rng = np.random.default_rng(3)
    values = {name: rng.integers(-4, 5, network.shapes[name]).astype(np.float32) for name in "xwb"}
    (expected,) = ReferenceEvaluator(model).run(None, values)
    bound = {slot: values[tensor] for slot, tensor in region.slots.items()}
    np.testing.assert_array_equal(evaluate(region.term, bound), expected)


@pytest.mark.parametrize("dataflow", g.DATAFLOWS)
@pytest.mark.parametrize("accumulator", ["exact", "float32"])
def test_systolic_array_in_a_format(dataflow: str, accumulator: str) -> None:
    """Equal to the dequantised operands' product, up to the accumulator's rounding."""
    fmt = registry.get("adaptivfloat:8,3")
    array = Array(4, 4, fmt, fmt, fmt, parse_accumulator(accumulator))
    rng = np.random.default_rng(5)
    a, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 5, 9), (2, 3, 9)))
    term = g.SystolicArray(
        dataflow, g.Access(g.Tensor("a", a.shape), 2), g.Access(g.Tensor("w", w.shape), 2), 1
    )
    found = evaluate(term, {"a": a, "w": w}, array)
    exact = np.einsum(
        "bmk,bnk->bmn", *(fmt.quantize(v).dequantize().astype(np.float64) for v in (a, w))
    )
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-6)
    assert np.abs(found - evaluate(term, {"a": a, "w": w})).max() > 1e-3  # quantisation shows
