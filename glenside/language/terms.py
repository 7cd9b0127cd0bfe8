"""Glenside's terms: computations over access patterns, without binders.

An access pattern is a tensor whose dimensions are split in two: the *access* dimensions are
iterated over, the *item* dimensions are what each iteration yields. A term's shape is checked when
the term is built; a term that exists is well formed.

Source: Smith et al., MAPS 2021; batched cartesian products, dilation, stored tensors and the
hardware constructs are additions of this project.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import prod
from typing import ClassVar

from systolab.formats.errors import SystolabError

Dims = tuple[int, ...]

REDUCTIONS = ("reduce-sum", "reduce-max", "reduce-mean")
ELEMENTWISE = ("elementwise-add", "elementwise-mul", "elementwise-div")
POINTWISE = ("relu", "sqrt", "negative")
FUNCTIONS = ("dot-product", "softmax", *REDUCTIONS, *ELEMENTWISE, *POINTWISE)
PADDINGS = ("zero", "min")
DATAFLOWS = ("weight-stationary", "output-stationary")


class ShapeError(SystolabError):
    """A term whose operands do not fit together."""


@dataclass(frozen=True)
class Shape:
    """Access and item dimensions of a term."""

    access: Dims
    item: Dims

    @property
    def dims(self) -> Dims:
        return self.access + self.item

    def __str__(self) -> str:
        access, item = (" ".join(map(str, part)) for part in (self.access, self.item))
        return f"(({access}) ({item}))"


def _require(condition: bool, thing: str, requirement: str, value: object) -> None:
    if not condition:
        raise ShapeError(f"{thing} must be {requirement}, not {value}")


def _require_axis(axis: int, ndim: int, name: str) -> None:
    _require(0 <= axis < ndim, f"{name}: axis", f"in 0..{ndim - 1}", axis)


@dataclass(frozen=True)
class Term(ABC):
    """A node of a program. Subclasses state their operands as fields and their shape rule."""

    head: ClassVar[str] = ""

    names: ClassVar[tuple[str, ...]] = ()  # of the operands, in order

    shape: Shape = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self._infer())

    @abstractmethod
    def _infer(self) -> Shape:
        """The shape, from those of the operands."""

    @property
    def access(self) -> Dims:
        return self.shape.access

    @property
    def item(self) -> Dims:
        return self.shape.item

    @property
    def dims(self) -> Dims:
        return self.shape.dims

    def operands(self) -> tuple[object, ...]:
        """Field values in order, without the derived shape."""
        return tuple(getattr(self, name) for name in self.names)

    def children(self) -> tuple[Term, ...]:
        return tuple(value for value in self.operands() if isinstance(value, Term))

    def with_children(self, children: tuple[Term, ...]) -> Term:
        """The same construct over other children (its shape is inferred anew)."""
        rest = iter(children)
        return type(self)(
            *(next(rest) if isinstance(value, Term) else value for value in self.operands())
        )

    def walk(self) -> Iterator[Term]:
        """Every distinct subterm, children first."""
        seen: set[Term] = set()

        def visit(term: Term) -> Iterator[Term]:
            if term in seen:
                return
            seen.add(term)
            for child in term.children():
                yield from visit(child)
            yield term

        yield from visit(self)

    def tensors(self) -> tuple[Tensor, ...]:
        """The distinct tensor leaves, in order of first use."""
        return tuple(term for term in self.walk() if isinstance(term, Tensor))

    def __str__(self) -> str:
        from systolab.glenside.language.text import to_text

        return to_text(self)


# Leaves


@dataclass(frozen=True)
class Tensor(Term):
    """A named tensor of a fixed shape: ((dims), ()). Values are bound when it is evaluated."""

    head: ClassVar[str] = "tensor"
    name: str
    dimensions: Dims

    def _infer(self) -> Shape:
        _require(
            all(d > 0 for d in self.dimensions),
            f"tensor {self.name}: every dimension",
            "positive",
            self.dimensions,
        )
        return Shape(self.dimensions, ())


@dataclass(frozen=True)
class Literal(Term):
    """A tensor filled with one binary32 value: ((dims), ())."""

    head: ClassVar[str] = "literal"
    value: float
    dimensions: Dims

    def _infer(self) -> Shape:
        _require(
            all(d > 0 for d in self.dimensions),
            "literal: every dimension",
            "positive",
            self.dimensions,
        )
        return Shape(self.dimensions, ())


# Access-pattern transforms: they move elements and compute nothing.


@dataclass(frozen=True)
class Access(Term):
    """Splits the dimensions anew: the first `split` are access dimensions."""

    head: ClassVar[str] = "access"
    a: Term
    split: int

    def _infer(self) -> Shape:
        dims = self.a.dims
        _require(0 <= self.split <= len(dims), "access: split", f"in 0..{len(dims)}", self.split)
        return Shape(dims[: self.split], dims[self.split :])


@dataclass(frozen=True)
class Transpose(Term):
    """Permutes all dimensions as numpy.transpose does; the split stays at its index."""

    head: ClassVar[str] = "transpose"
    a: Term
    permutation: Dims

    def _infer(self) -> Shape:
        dims = self.a.dims
        _require(
            sorted(self.permutation) == list(range(len(dims))),
            "transpose: permutation",
            f"one of 0..{len(dims) - 1}",
            self.permutation,
        )
        moved = tuple(dims[i] for i in self.permutation)
        split = len(self.a.access)
        return Shape(moved[:split], moved[split:])


@dataclass(frozen=True)
class CartesianProduct(Term):
    """Every access of `a` beside every access of `b`, sharing the first `batch` access dimensions.

    ((B.., M..), I) and ((B.., N..), I) give ((B.., M.., N..), (2, I..)).
    """

    head: ClassVar[str] = "cartesian-product"
    a: Term
    b: Term
    batch: int = 0

    def _infer(self) -> Shape:
        a, b, k = self.a.shape, self.b.shape, self.batch
        limit = min(len(a.access), len(b.access))
        _require(0 <= k <= limit, "cartesian-product: batch", f"in 0..{limit}", k)
        _require(
            a.item == b.item, "cartesian-product: items", f"equal ({a.item} on the left)", b.item
        )
        _require(
            a.access[:k] == b.access[:k],
            "cartesian-product: batch dimensions",
            f"equal ({a.access[:k]} on the left)",
            b.access[:k],
        )
        return Shape(a.access + b.access[k:], (2, *a.item))


@dataclass(frozen=True)
class Pair(Term):
    """Two access patterns of one shape side by side: ((A), I) twice gives ((A), (2, I..))."""

    head: ClassVar[str] = "pair"
    a: Term
    b: Term

    def _infer(self) -> Shape:
        a, b = self.a.shape, self.b.shape
        _require(a == b, "pair: shapes", f"equal ({a} on the left)", b)
        return Shape(a.access, (2, *a.item))


@dataclass(frozen=True)
class Windows(Term):
    """Sliding windows over the item dimensions; each window position becomes an access dimension.

    Item dimension d with window w, stride s and dilation e gives (d - (w-1)*e - 1) // s + 1
    positions. No padding: see Pad.
    """

    head: ClassVar[str] = "windows"
    a: Term
    window: Dims
    strides: Dims
    dilation: Dims

    def _infer(self) -> Shape:
        item = self.a.item
        for name in ("window", "strides", "dilation"):
            values: Dims = getattr(self, name)
            _require(
                len(values) == len(item) and all(v > 0 for v in values),
                f"windows: {name}",
                f"{len(item)} positive numbers",
                values,
            )
        spans = tuple((w - 1) * e + 1 for w, e in zip(self.window, self.dilation, strict=True))
        _require(
            all(s <= d for s, d in zip(spans, item, strict=True)),
            "windows: dilated window",
            f"no larger than the item {item}",
            spans,
        )
        counts = tuple((d - s) // t + 1 for d, s, t in zip(item, spans, self.strides, strict=True))
        return Shape(self.a.access + counts, self.window)


@dataclass(frozen=True)
class Slice(Term):
    """Keeps lo..hi-1 of one dimension (access or item)."""

    head: ClassVar[str] = "slice"
    a: Term
    axis: int
    lo: int
    hi: int

    def _infer(self) -> Shape:
        _require_axis(self.axis, len(self.a.dims), "slice")
        size = self.a.dims[self.axis]
        _require(
            0 <= self.lo < self.hi <= size,
            "slice: bounds",
            f"an interval inside 0..{size}",
            f"{self.lo}..{self.hi}",
        )
        return _resized(self.a.shape, self.axis, self.hi - self.lo)


@dataclass(frozen=True)
class Concatenate(Term):
    """Joins two access patterns along one dimension."""

    head: ClassVar[str] = "concatenate"
    a: Term
    b: Term
    axis: int

    def _infer(self) -> Shape:
        a, b, axis = self.a.shape, self.b.shape, self.axis
        _require_axis(axis, len(a.dims), "concatenate")
        _require(
            len(a.access) == len(b.access) and _resized(b, axis, a.dims[axis]) == a
            if len(b.dims) > axis
            else False,
            "concatenate: shapes",
            f"equal but for axis {axis} ({a} on the left)",
            b,
        )
        return _resized(a, axis, a.dims[axis] + b.dims[axis])


@dataclass(frozen=True)
class Pad(Term):
    """Grows one dimension with zeros ("zero") or with minus infinity ("min")."""

    head: ClassVar[str] = "pad"
    a: Term
    padding: str
    axis: int
    before: int
    after: int

    def _infer(self) -> Shape:
        _require(self.padding in PADDINGS, "pad: padding", "zero or min", self.padding)
        _require_axis(self.axis, len(self.a.dims), "pad")
        _require(
            self.before >= 0 and self.after >= 0,
            "pad: amounts",
            "non-negative",
            (self.before, self.after),
        )
        size = self.a.dims[self.axis] + self.before + self.after
        return _resized(self.a.shape, self.axis, size)


@dataclass(frozen=True)
class Squeeze(Term):
    """Drops a dimension of size 1."""

    head: ClassVar[str] = "squeeze"
    a: Term
    axis: int

    def _infer(self) -> Shape:
        shape, axis = self.a.shape, self.axis
        _require_axis(axis, len(shape.dims), "squeeze")
        _require(shape.dims[axis] == 1, "squeeze: dimension", "1", shape.dims[axis])
        dims = shape.dims[:axis] + shape.dims[axis + 1 :]
        split = len(shape.access) - (axis < len(shape.access))
        return Shape(dims[:split], dims[split:])


@dataclass(frozen=True)
class InsertAxis(Term):
    """Adds a dimension of size 1 at `axis`; at most at the split it becomes an access dimension."""

    head: ClassVar[str] = "insert-axis"
    a: Term
    axis: int

    def _infer(self) -> Shape:
        shape, axis = self.a.shape, self.axis
        _require_axis(axis, len(shape.dims) + 1, "insert-axis")
        dims = (*shape.dims[:axis], 1, *shape.dims[axis:])
        split = len(shape.access) + (axis <= len(shape.access))
        return Shape(dims[:split], dims[split:])


@dataclass(frozen=True)
class Broadcast(Term):
    """Repeats dimensions of size 1 up to `dimensions`; the number of dimensions stays."""

    head: ClassVar[str] = "broadcast"
    a: Term
    dimensions: Dims

    def _infer(self) -> Shape:
        dims = self.a.dims
        _require(
            len(dims) == len(self.dimensions)
            and all(n > 0 and d in (1, n) for d, n in zip(dims, self.dimensions, strict=True)),
            "broadcast: dimensions",
            f"those of {dims} with ones enlarged",
            self.dimensions,
        )
        split = len(self.a.access)
        return Shape(self.dimensions[:split], self.dimensions[split:])


@dataclass(frozen=True)
class Flatten(Term):
    """Collapses each side to one dimension, but for the first `keep` access dimensions.

    A side without dimensions stays so.
    """

    head: ClassVar[str] = "flatten"
    a: Term
    keep: int = 0

    def _infer(self) -> Shape:
        access, item = self.a.access, self.a.item
        _require(0 <= self.keep <= len(access), "flatten: keep", f"in 0..{len(access)}", self.keep)
        rest = access[self.keep :]
        return Shape(
            access[: self.keep] + ((prod(rest),) if rest else ()), (prod(item),) if item else ()
        )


@dataclass(frozen=True)
class Reshape(Term):
    """Gives each side other dimensions with the same number of elements, in row-major order."""

    head: ClassVar[str] = "reshape"
    a: Term
    to_access: Dims
    to_item: Dims

    def _infer(self) -> Shape:
        for name, old, new in (
            ("access", self.a.access, self.to_access),
            ("item", self.a.item, self.to_item),
        ):
            _require(
                all(d > 0 for d in new) and prod(old) == prod(new),
                f"reshape: {name} dimensions",
                f"positive with {prod(old)} elements",
                new,
            )
        return Shape(self.to_access, self.to_item)


@dataclass(frozen=True)
class ShiftRight(Term):
    """Moves the last access dimension to the item side."""

    head: ClassVar[str] = "shift-right"
    a: Term

    def _infer(self) -> Shape:
        access = self.a.access
        _require(bool(access), "shift-right: access dimensions", "at least one", access)
        return Shape(access[:-1], access[-1:] + self.a.item)


# Computation


@dataclass(frozen=True)
class Compute(Term):
    """Applies a function to every item.

    dot-product: item (n, I..) -> (): product over n, sum over the rest. reduce-*: item -> ().
    elementwise-*: item (n, I..) -> (I..): folds n. relu, sqrt, negative: unchanged shape.
    softmax: over a one-dimensional item.
    """

    head: ClassVar[str] = "compute"
    function: str
    a: Term

    def _infer(self) -> Shape:
        access, item, f = self.a.access, self.a.item, self.function
        _require(f in FUNCTIONS, "compute: function", "one of " + ", ".join(FUNCTIONS), f)
        if f in POINTWISE:
            return self.a.shape
        if f == "softmax":
            _require(len(item) == 1, "compute softmax: item", "one-dimensional", item)
            return self.a.shape
        _require(bool(item), f"compute {f}: item", "at least one-dimensional", item)
        return Shape(access, item[1:] if f in ELEMENTWISE else ())


@dataclass(frozen=True)
class Clamp(Term):
    """Limits every element to lo..hi in binary32; NaN passes, infinities mean no limit."""

    head: ClassVar[str] = "clamp"
    a: Term
    lo: float
    hi: float

    def _infer(self) -> Shape:
        _require(self.lo <= self.hi, "clamp: bounds", "ordered", f"{self.lo}..{self.hi}")
        return self.a.shape


# Tuples


@dataclass(frozen=True)
class MakeTuple(Term):
    """Several values at once; only TupleGet may consume it."""

    head: ClassVar[str] = "tuple"
    a: Term
    b: Term

    def _infer(self) -> Shape:
        return Shape((), ())


@dataclass(frozen=True)
class TupleGet(Term):
    """One value of a tuple."""

    head: ClassVar[str] = "tuple-get"
    a: Term
    index: int

    def _infer(self) -> Shape:
        _require(isinstance(self.a, MakeTuple), "tuple-get: operand", "a tuple", self.a.head)
        assert isinstance(self.a, MakeTuple)
        _require(self.index in (0, 1), "tuple-get: index", "0 or 1", self.index)
        return self.a.children()[self.index].shape


# Hardware


@dataclass(frozen=True)
class SystolicArray(Term):
    """A matrix product on the array, batched over the first `batch` access dimensions.

    `a` ((B.., M), (K)) streams through rows, `w` ((B.., N), (K)) is the other operand; gives
    ((B.., M, N), ()). The value is that of the dot products; the dataflow is a promise to run so.
    """

    head: ClassVar[str] = "systolic-array"
    dataflow: str
    a: Term
    w: Term
    batch: int = 0

    def _infer(self) -> Shape:
        a, w, k = self.a.shape, self.w.shape, self.batch
        _require(
            self.dataflow in DATAFLOWS, "systolic-array: dataflow", "a known one", self.dataflow
        )
        for name, shape in (("a", a), ("w", w)):
            _require(
                len(shape.access) == k + 1 and len(shape.item) == 1,
                f"systolic-array: operand {name}",
                f"a matrix per batch element ({k + 1} access dimensions, 1 item dimension)",
                shape,
            )
        _require(
            a.access[:k] == w.access[:k] and a.item == w.item,
            "systolic-array: operands",
            f"equal in batch and reduction ({a} on the left)",
            w,
        )
        return Shape(a.access + w.access[k:], ())


@dataclass(frozen=True)
class PostProcess(Term):
    """What the array does to its sums before they leave: clamp(a + bias, lo, hi).

    `bias` has the shape of `a`; infinite limits mean none.
    """

    head: ClassVar[str] = "post-process"
    a: Term
    bias: Term
    lo: float
    hi: float

    def _infer(self) -> Shape:
        _require(self.lo <= self.hi, "post-process: bounds", "ordered", f"{self.lo}..{self.hi}")
        a, bias = self.a.shape, self.bias.shape
        _require(a == bias, "post-process: bias", f"of the shape {a}", bias)
        return a


@dataclass(frozen=True)
class BlockDiagonal(Term):
    """Groups of `size` batch elements as one matrix: ((G, N), (K)) gives ((G/c, c*N), (c*K)).

    Row i*N + n of a group holds element i's row n in columns i*K..(i+1)*K-1, zeros elsewhere.
    """

    head: ClassVar[str] = "block-diagonal"
    a: Term
    size: int

    def _infer(self) -> Shape:
        a, c = self.a.shape, self.size
        _require(
            len(a.access) == 2 and len(a.item) == 1, "block-diagonal: operand", "((G, N), (K))", a
        )
        _require(
            c > 0 and a.access[0] % c == 0, "block-diagonal: size", f"a divisor of {a.access[0]}", c
        )
        return Shape((a.access[0] // c, c * a.access[1]), (c * a.item[0],))


@dataclass(frozen=True)
class Store(Term):
    """A tensor ((dims), ()) as memory: ((size), ()) codes in the given layout.

    Layout names are those of glenside.layout.
    """

    head: ClassVar[str] = "store"
    a: Term
    layout: str

    def _infer(self) -> Shape:
        from systolab.glenside.language.layout import Layout

        _require(not self.a.item, "store: item dimensions", "none", self.a.item)
        return Shape((Layout.parse(self.layout).size(self.a.access),), ())


@dataclass(frozen=True)
class Load(Term):
    """Memory ((size), ()) in a layout read as the tensor ((dimensions), ())."""

    head: ClassVar[str] = "load"
    a: Term
    layout: str
    dimensions: Dims

    def _infer(self) -> Shape:
        from systolab.glenside.language.layout import Layout

        size = Layout.parse(self.layout).size(self.dimensions)
        _require(self.a.shape == Shape((size,), ()), "load: memory", f"(({size}) ())", self.a.shape)
        return Shape(self.dimensions, ())


def _resized(shape: Shape, axis: int, size: int) -> Shape:
    dims = (*shape.dims[:axis], size, *shape.dims[axis + 1 :])
    split = len(shape.access)
    return Shape(dims[:split], dims[split:])


CONSTRUCTS: Mapping[str, type[Term]] = {
    construct.head: construct
    for construct in (
        Tensor, Literal, Access, Transpose, CartesianProduct, Pair, Windows, Slice, Concatenate,
        Pad, Squeeze, InsertAxis, Broadcast, Flatten, Reshape, ShiftRight, Compute, Clamp,
        MakeTuple, TupleGet, SystolicArray, PostProcess, BlockDiagonal, Store, Load,
    )
}  # fmt: skip


for _construct in CONSTRUCTS.values():
    _construct.names = tuple(f.name for f in fields(_construct) if f.init)


def substitute(term: Term, bindings: Mapping[str, Term]) -> Term:
    """`term` with tensor leaves replaced by name."""
    memo: dict[Term, Term] = {}

    def visit(node: Term) -> Term:
        if node not in memo:
            if isinstance(node, Tensor):
                memo[node] = bindings.get(node.name, node)
            else:
                memo[node] = node.with_children(tuple(map(visit, node.children())))
        return memo[node]

    return visit(term)
