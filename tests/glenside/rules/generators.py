"""For every rule, random terms on which it fires (and some on which its conditions fail)."""

from __future__ import annotations

from math import prod

from systolab.glenside.language import grammar as g
from systolab.glenside.language.layout import Layout
from tests.glenside.rules.soundness import Generator, Terms


def _operands(t: Terms, batch: int, flat: bool) -> tuple[g.Term, g.Term]:
    shared = t.dims(batch, 3)
    item = t.dims(1 if flat else t.integer(1, 3), 3)
    m, n = (t.dims(1 if flat else t.integer(1, 3), 3) for _ in range(2))
    return t.leaf(shared + m, item), t.leaf(shared + n, item)


def dot(batch: int, flat: bool) -> Generator:
    def generate(t: Terms) -> g.Term:
        a, b = _operands(t, batch, flat and not t.seldom())
        return g.Compute("dot-product", g.CartesianProduct(a, b, batch))

    return generate


def _depthwise(size: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        groups, k = size * t.integer(1, 2) + t.seldom(), t.integer(1, 3)
        a = t.leaf((groups, t.integer(1, 3)), (k,))
        b = t.leaf((groups, 1 + t.seldom()), (k,))
        return g.Compute("dot-product", g.CartesianProduct(a, b, 1))

    return generate


def _reshaped_product(batch: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        shared = t.dims(batch, 3)
        item = t.dims(t.integer(1, 2), 6)
        other = t.reshaped(item)
        if t.seldom():  # items that are equal only after the reshape
            item, other = (2, 3), (6,)
        sides: list[g.Term] = []
        for _ in range(2):
            access = t.dims(t.integer(1, 2), 6)
            sides.append(
                g.Reshape(t.leaf(shared + access, item), shared + t.reshaped(access), other)
            )
            if item == (2, 3):
                item = (3, 2)
        a, b = sides
        return g.CartesianProduct(a, b, batch)

    return generate


def _reshaped_dot(t: Terms) -> g.Term:
    access, item = t.dims(t.integer(1, 2), 6), t.dims(t.integer(1, 2), 6)
    inner = t.leaf(access, (2, *item))
    if t.integer(0, 4) == 0:  # the tuple dimension is not kept: the rule must not fire
        return g.Compute("dot-product", g.Reshape(inner, access, (2 * prod(item),)))
    return g.Compute("dot-product", g.Reshape(inner, t.reshaped(access), (2, *t.reshaped(item))))


def _transposed(t: Terms, rank: int) -> g.Term:
    return g.Transpose(t.leaf(t.dims(rank, 3)), t.permutation(rank))


def _twice_transposed(rank: int) -> Generator:
    return lambda t: g.Transpose(_transposed(t, rank), t.permutation(rank))


def _unit_transposed(rank: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        order = t.permutation(rank) if t.seldom() else tuple(range(rank))
        return g.Transpose(t.leaf(t.dims(rank, 3)), order)

    return generate


def _reshaped(t: Terms, twice: bool = False) -> g.Term:
    access, item = t.dims(t.integer(1, 3), 6), t.dims(t.integer(0, 2), 6)
    term: g.Term = t.leaf(access, item)
    for _ in range(1 + twice):
        term = g.Reshape(term, t.reshaped(term.access), t.reshaped(term.item))
    return term


def _same_reshape(t: Terms) -> g.Term:
    leaf = t.leaf(t.dims(2), t.dims(1))
    if t.seldom():
        return g.Reshape(leaf, leaf.access[::-1], leaf.item)
    return g.Reshape(leaf, leaf.access, leaf.item)


def _accesses(t: Terms) -> g.Term:
    rank = t.integer(1, 4)
    leaf = t.leaf(t.dims(rank))
    return g.Access(g.Access(leaf, t.integer(0, rank)), t.integer(0, rank))


def _same_access(t: Terms) -> g.Term:
    return g.Access(t.leaf(t.dims(2), t.dims(1)), 1 if t.seldom() else 2)


def _flat(t: Terms) -> g.Term:
    keep = t.integer(0, 1)
    return g.Flatten(t.leaf(t.dims(keep + 1 + t.seldom()), t.dims(1 + t.seldom())), keep)


def _unpadded(t: Terms) -> g.Term:
    leaf = t.leaf(t.dims(2), t.dims(1))
    return g.Pad(leaf, g.PADDINGS[t.integer(0, 1)], t.integer(0, 2), 0, int(t.seldom()))


def _bounds(t: Terms) -> tuple[float, float]:
    return float(t.integer(-9, 0)), float(t.integer(1, 9))


def _clamped(inner: Generator) -> Generator:
    return lambda t: g.Clamp(inner(t), *_bounds(t))


def _added(inner: Generator) -> Generator:
    def generate(t: Terms) -> g.Term:
        term = inner(t)
        return g.Compute("elementwise-add", g.Pair(term, t.leaf(term.access, term.item)))

    return generate


def systolic(t: Terms) -> g.Term:
    batch = t.integer(0, 1)
    return g.SystolicArray(g.DATAFLOWS[t.integer(0, 1)], *_operands(t, batch, True), batch)


def _post_processed(t: Terms) -> g.Term:
    product = systolic(t)
    bias = t.leaf(product.access)
    limits = _bounds(t) if t.integer(0, 4) == 0 else (-float("inf"), float("inf"))
    return g.Clamp(g.PostProcess(product, bias, *limits), *_bounds(t))


def _loaded(t: Terms) -> g.Term:
    layout = ("NCHW", "NHWC", "NCHW4c", "HWNC")[t.integer(0, 3)]
    leaf = t.leaf(t.dims(4, 5))
    other = ("NCHW", "NHWC")[t.integer(0, 1)] if t.seldom() else layout
    if Layout.parse(other).size(leaf.access) != Layout.parse(layout).size(leaf.access):
        other = layout
    return g.Load(g.Store(leaf, layout), other, leaf.access)


def _restored(t: Terms) -> g.Term:
    """With blocks that need padding the rule must not fire: the leaf's padding is not zero."""
    name = ("NCHW", "NHWC", "NCHW2c")[t.integer(0, 2)]
    dims = t.dims(4)
    memory = t.leaf((Layout.parse(name).size(dims),))
    return g.Store(g.Load(memory, name, dims), name)


def _blocked(block: int) -> Generator:
    def generate(t: Terms) -> g.Term:
        channels = block * t.integer(1, 2) + (t.integer(0, 9) == 0)  # some need padding
        n, h, w = t.dims(3, 3)
        return g.Store(t.leaf((n, channels, h, w)), f"NCHW{block}c")

    return generate


GENERATORS: dict[str, Generator] = {
    **{f"compose-transposes-{rank}": _twice_transposed(rank) for rank in range(2, 7)},
    **{f"identity-transpose-{rank}": _unit_transposed(rank) for rank in range(1, 7)},
    "compose-reshapes": lambda t: _reshaped(t, twice=True),
    "identity-reshape": _same_reshape,
    "collapse-accesses": _accesses,
    "identity-access": _same_access,
    "flatten-flat": _flat,
    "empty-pad": _unpadded,
    "flatten-left-of-dot-product": dot(0, False),
    "flatten-left-of-dot-product-per-batch": dot(1, False),
    "flatten-right-of-dot-product": dot(0, False),
    "flatten-right-of-dot-product-per-batch": dot(1, False),
    "reshape-out-of-cartesian-product": _reshaped_product(0),
    "reshape-out-of-cartesian-product-per-batch": _reshaped_product(1),
    "reshape-out-of-dot-product": _reshaped_dot,
    "swap-operands": dot(0, True),
    "swap-operands-per-batch": dot(1, True),
    "lower-weight-stationary": dot(0, True),
    "lower-weight-stationary-per-batch": dot(1, True),
    "lower-output-stationary": dot(0, True),
    "lower-output-stationary-per-batch": dot(1, True),
    **{f"widen-batch-by-{size}": _depthwise(size) for size in (2, 4, 8, 16, 32)},
    "load-of-store": _loaded,
    "store-of-load": _restored,
    "cn-is-transposed": lambda t: g.Store(t.leaf(t.dims(2)), "CN"),
    "acb-is-transposed": lambda t: g.Store(t.leaf(t.dims(3)), "ACB"),
    "nhwc-is-transposed": lambda t: g.Store(t.leaf(t.dims(4)), "NHWC"),
    **{f"nchw{block}c-is-cut-and-transposed": _blocked(block) for block in (4, 8, 16, 32, 64)},
    "relu-is-clamp": lambda t: g.Compute("relu", t.leaf(t.dims(2), t.dims(1))),
    "clamp-into-reshape": _clamped(_reshaped),
    "clamp-into-transpose": _clamped(lambda t: _transposed(t, t.integer(1, 4))),
    "add-into-reshape": _added(_reshaped),
    "add-into-transpose": _added(lambda t: _transposed(t, t.integer(1, 4))),
    "bias-into-post-processing": _added(systolic),
    "clamp-into-post-processing": _post_processed,
    "clamp-of-product-into-post-processing": _clamped(systolic),
}
