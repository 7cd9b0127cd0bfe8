"""Tiling: a matrix product larger than a tile becomes a batch of products of the tile's size.

A dot product asks for it. The reduction comes first: it is padded with zeros, cut, and the dot
product becomes the sum of a batch of shorter ones. Then the columns: they are padded (and the
result sliced) and cut, and the left operand is repeated for each tile. Rows are the columns of the
swapped product. As elsewhere, reshapes and slices move outwards.

Not in the rulebook: the kernels that the compiler emits loop over tiles by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from systolab.glenside.rules.rule import Rule, shape

__all__ = ["rules"]

_PURPOSE = "tiling"

# Two flat operands ((B.., m), (r)) and ((B.., n), (r)) of a product over k batch dimensions.
_FLAT = (
    '(= t (Compute "dot-product" (CartesianProduct a b k)))'
    " (= aa (access-dims a)) (= (vec-length aa) (+ k 1))"
    " (= ab (access-dims b)) (= (vec-length ab) (+ k 1)) (= n (vec-get ab k)) (= sb (product ab))"
    " (= i (item-dims a)) (= 1 (vec-length i)) (= r (vec-get i 0))"
)
_SUFFIX = ("", "-per-batch")


def rules(tile: int) -> tuple[Rule, ...]:
    """The rules that bring products to tiles of ``tile`` rows, columns and reduction steps."""
    return (
        _pad_reduction(tile),
        *_cut_reduction(tile),
        *(_sum(tile, batch) for batch in (0, 1)),
        *(_batch(batch) for batch in (0, 1)),
        _pad_columns(tile),
        _cut_columns(tile),
        *(_repeat(tile, batch) for batch in (0, 1)),
        *(_reshape_of_right(batch) for batch in (0, 1)),
        *(_transpose_of_dot(rank) for rank in (3, 4)),
        *(_flatten_of_reshape(batch) for batch in (0, 1)),
        _MERGE_BATCHES,
        *_SLICES,
    )


def _vec(items: Iterable[object]) -> str:
    return f"(vec-of {' '.join(map(str, items))})"


def _pad_reduction(tile: int) -> Rule:
    more = f"(- {tile} (% r {tile}))"
    a, b = (f'(Pad {operand} "zero" (+ k 1) 0 {more})' for operand in "ab")
    item = f"(vec-of (+ r {more}))"
    both = f"(CartesianProduct {a} {b} k)"
    return Rule(
        name=f"pad-reduction-to-{tile}",
        meaning="a dot product of operands that are longer by zeros is the same",
        conditions=f"both operands are flat, longer than {tile} and no multiple of it",
        when=f"{_FLAT} (> r {tile}) (> (% r {tile}) 0)"
        " (= p (CartesianProduct a b k)) (= pa (access-dims p))",
        then=f'(union t (Compute "dot-product" {both})) '
        + shape(a, "aa", item)
        + shape(b, "ab", item)
        + shape(both, "pa", f"(vec-of 2 (+ r {more}))")
        + f" (set (product {item}) (+ r {more}))",
        purpose=_PURPOSE,
    )


def _cut_reduction(tile: int) -> Iterable[Rule]:
    item = f"(vec-of (/ r {tile}) {tile})"
    for operand, side, access in (("a", "left", "aa"), ("b", "right", "ab")):
        cut = f"(Reshape {operand} {access} {item})"
        yield Rule(
            name=f"cut-{side}-reduction-by-{tile}",
            meaning="an operand of a dot product is its cut form, reshaped back",
            conditions=f"both operands are flat and of a larger multiple of {tile}",
            when=f"{_FLAT} (> r {tile}) (= 0 (% r {tile}))",
            then=f"(union {operand} (Reshape {cut} {access} i)) "
            + shape(cut, access, item)
            + f" (set (product {item}) r)",
            purpose=_PURPOSE,
            target=operand,
        )


def _sum(tile: int, batch: int) -> Rule:
    rank = batch + 2
    moved = f"(Transpose p {_vec((*range(rank), rank + 1, rank, rank + 2))})"
    split = f"(Access {moved} {rank + 1})"
    dot = f'(Compute "dot-product" {split})'
    many = f"(Access {dot} {rank})"
    return Rule(
        name=f"sum-dot-products{_SUFFIX[batch]}-of-{tile}",
        meaning="a dot product over rows of an item is the sum of one dot product per row",
        conditions=f"the item is the tuple of matrices of rows of {tile}",
        when='(= t (Compute "dot-product" p)) (= pa (access-dims p))'
        f" (= {rank} (vec-length pa)) (= i (item-dims p)) (= 3 (vec-length i))"
        f" (= {tile} (vec-get i 2)) (= n (vec-get i 1)) (> n 1) (= g (vec-get i 0))",
        then=f'(union t (Compute "reduce-sum" {many})) '
        + shape(moved, "pa", f"(vec-of n g {tile})")
        + shape(split, "(vec-push pa n)", f"(vec-of g {tile})")
        + shape(dot, "(vec-push pa n)", "(vec-empty)")
        + shape(many, "pa", "(vec-of n)"),
        purpose=_PURPOSE,
    )


def _batch(batch: int) -> Rule:
    """What ``sum-dot-products`` leaves: the rows moved to the accesses of the whole product."""
    rank = batch + 2
    shared = [f"(vec-get aa {i})" for i in range(batch)]
    m, n = f"(vec-get aa {batch})", f"(vec-get ab {batch})"
    product = f"(CartesianProduct a b {batch})"
    moved = _vec((*range(rank), rank + 1, rank, rank + 2))
    order = _vec((*range(batch), batch + 1, batch, batch + 2))
    turned = [f"(Transpose {operand} {order})" for operand in "ab"]
    split = [f"(Access {operand} {batch + 2})" for operand in turned]
    access = _vec((*shared, "n", m, n))
    both = f"(CartesianProduct {split[0]} {split[1]} {batch + 1})"
    back = _vec((*range(batch), batch + 1, batch + 2, batch, batch + 3, batch + 4))
    states = "".join(
        shape(turned[i], _vec((*shared, "n")), f"(vec-of {size} s)")
        + shape(split[i], _vec((*shared, "n", size)), "(vec-of s)")
        for i, size in enumerate((m, n))
    )
    return Rule(
        name=f"batch-out-of-cartesian-product{_SUFFIX[batch]}",
        meaning="pairs whose items' rows become accesses are a product batched over the rows",
        conditions="both operands are matrices of matrices (one access dimension beyond the batch)",
        when=f"(= t (Access (Transpose {product} {moved}) {rank + 1}))"
        f" (= aa (access-dims a)) (= {batch + 1} (vec-length aa))"
        f" (= ab (access-dims b)) (= {batch + 1} (vec-length ab))"
        " (= i (item-dims a)) (= 2 (vec-length i)) (= n (vec-get i 0)) (= s (vec-get i 1))"
        " (= sa (product aa)) (= sb (product ab))",
        then=f"(union t (Transpose {both} {back})) "
        + states
        + shape(both, access, "(vec-of 2 s)")
        + "".join(
            f" (set (product {_vec((*shared, 'n', size))}) (* n {of}))"
            for size, of in ((m, "sa"), (n, "sb"))
        )
        + f" (set (product {access}) (* n (* sa {n})))"
        + " (set (product (vec-of s)) s)",
        purpose=_PURPOSE,
    )


def _pad_columns(tile: int) -> Rule:
    more = f"(- {tile} (% n {tile}))"
    padded = f'(Pad b "zero" k 0 {more})'
    access = f"(vec-set ab k (+ n {more}))"
    return Rule(
        name=f"pad-columns-to-{tile}",
        meaning="the right operand of a dot product is its padded form, sliced",
        conditions=f"both are flat and no longer than {tile}; the columns exceed it, no multiple",
        when=f"{_FLAT} (<= r {tile}) (> n {tile}) (> (% n {tile}) 0)",
        then=f"(union b (Slice {padded} k 0 n)) "
        + shape(padded, access, "i")
        + f" (set (product {access}) (* (/ sb n) (+ n {more})))",
        purpose=_PURPOSE,
        target="b",
    )


def _cut_columns(tile: int) -> Rule:
    access = f"(vec-push (vec-set ab k (/ n {tile})) {tile})"
    cut = f"(Reshape b {access} i)"
    return Rule(
        name=f"cut-columns-by-{tile}",
        meaning="the right operand of a dot product is its cut form, reshaped back",
        conditions=f"both are flat and no longer than {tile}; the columns are a larger multiple",
        when=f"{_FLAT} (<= r {tile}) (> n {tile}) (= 0 (% n {tile}))",
        then=f"(union b (Reshape {cut} ab i)) "
        + shape(cut, access, "i")
        + f" (set (product {access}) sb)",
        purpose=_PURPOSE,
        target="b",
    )


def _repeat(tile: int, batch: int) -> Rule:
    shared = [f"(vec-get aa {i})" for i in range(batch)]
    m = f"(vec-get aa {batch})"
    access, whole = _vec((*shared, "n", m)), _vec((*shared, "n", m, tile))
    single = f"(InsertAxis a {batch})"
    wide = f"(Broadcast {single} {_vec((*shared, 'n', m, 'r'))})"
    both = f"(CartesianProduct {wide} b {batch + 1})"
    order = _vec((*range(batch), batch + 1, batch, batch + 2, batch + 3, batch + 4))
    return Rule(
        name=f"repeat-left-operand{_SUFFIX[batch]}-for-tiles-of-{tile}",
        meaning="the left operand meets every tile of the right one: a product batched over tiles",
        conditions=f"the left operand is flat, the right one a row of tiles of {tile} columns",
        when=f"(= t (CartesianProduct a b {batch}))"
        f" (= aa (access-dims a)) (= {batch + 1} (vec-length aa))"
        f" (= ab (access-dims b)) (= {batch + 2} (vec-length ab))"
        f" (= n (vec-get ab {batch})) (= {tile} (vec-get ab {batch + 1}))"
        " (= i (item-dims a)) (= 1 (vec-length i)) (= r (vec-get i 0)) (= sa (product aa))",
        then=f"(union t (Transpose {both} {order})) "
        + shape(single, _vec((*shared, 1, m)), "i")
        + shape(wide, access, "i")
        + shape(both, whole, "(vec-of 2 r)")
        + f" (set (product {access}) (* n sa)) (set (product {whole}) (* {tile} (* n sa)))",
        purpose=_PURPOSE,
    )


def _reshape_of_right(batch: int) -> Rule:
    inner = f"(CartesianProduct a b {batch})"
    rest = "(vec-remove ab 0)" if batch else "ab"
    return Rule(
        name=f"reshape-out-of-right-operand{_SUFFIX[batch]}",
        meaning="a cartesian product with reshaped accesses is a reshaped cartesian product",
        conditions="the reshape keeps the item" + (" and the batch dimension" if batch else ""),
        when=f"(= t (CartesianProduct a (Reshape b rb i) {batch})) (= i (item-dims b))"
        " (= aa (access-dims a)) (= ab (access-dims b))"
        + (" (= (vec-get ab 0) (vec-get rb 0))" if batch else "")
        + " (= ta (access-dims t)) (= ti (item-dims t))",
        then=f"(union t (Reshape {inner} ta ti)) " + shape(inner, f"(vec-append aa {rest})", "ti"),
        purpose=_PURPOSE,
    )


def _transpose_of_dot(rank: int) -> Rule:
    dot = '(Compute "dot-product" p)'
    return Rule(
        name=f"transpose-out-of-dot-product-{rank}",
        meaning="the dot product of transposed accesses is a transposed dot product",
        conditions="the item's two dimensions stay in place",
        when='(= t (Compute "dot-product" (Transpose p q))) (= pa (access-dims p))'
        f" (= {rank} (vec-length pa)) (= {rank + 2} (vec-length q))"
        f" (= {rank} (vec-get q {rank})) (= {rank + 1} (vec-get q {rank + 1}))",
        then=f"(union t (Transpose {dot} {_vec(f'(vec-get q {i})' for i in range(rank))})) "
        + shape(dot, "pa", "(vec-empty)"),
        purpose=_PURPOSE,
    )


def _flatten_of_reshape(batch: int) -> Rule:
    flat = f"(Flatten a {batch})"
    return Rule(
        name=f"flatten-of-reshape{_SUFFIX[batch]}",
        meaning="flattening forgets a reshape",
        conditions="no side is without dimensions"
        + (" beyond the batch, which the reshape keeps" if batch else ""),
        when=f"(= t (Flatten (Reshape a ra ri) {batch})) (= aa (access-dims a))"
        " (= ai (item-dims a)) (> (vec-length ai) 0) (> (vec-length ri) 0)"
        f" (> (vec-length aa) {batch}) (> (vec-length ra) {batch})"
        + (" (= (vec-get aa 0) (vec-get ra 0))" if batch else "")
        + " (= ta (access-dims t)) (= ti (item-dims t))",
        then=f"(union t {flat}) " + shape(flat, "ta", "ti"),
        purpose=_PURPOSE,
    )


def _merge_batches() -> Rule:
    size = "(* (vec-get aa 0) (vec-get aa 1))"
    access = {o: f"(vec-of {size} (vec-get a{o} 2))" for o in "ab"}
    a, b = (f"(Reshape {o} {access[o]} i)" for o in "ab")
    both = f"(CartesianProduct {a} {b} 1)"
    whole = f"(vec-of {size} (vec-get aa 2) (vec-get ab 2))"
    return Rule(
        name="merge-batches",
        meaning="two batch dimensions are one",
        conditions="both operands have one access dimension beyond the batch",
        when="(= t (CartesianProduct a b 2)) (= aa (access-dims a)) (= 3 (vec-length aa))"
        " (= ab (access-dims b)) (= 3 (vec-length ab)) (= i (item-dims a))"
        " (= ta (access-dims t)) (= ti (item-dims t))",
        then=f"(union t (Reshape {both} ta ti)) "
        + "".join(shape(f"(Reshape {o} {access[o]} i)", access[o], "i") for o in "ab")
        + shape(both, whole, "ti")
        + f" (set (product {whole}) (* {size} (* (vec-get aa 2) (vec-get ab 2))))"
        + "".join(f" (set (product {access[o]}) (* {size} (vec-get a{o} 2)))" for o in "ab"),
        purpose=_PURPOSE,
    )


_MERGE_BATCHES = _merge_batches()

_AT = "(- (+ axis (vec-length aa)) k)"
_WHOLE = "(CartesianProduct a b k)"
_DOT = '(Compute "dot-product" p)'

_SLICES = (
    Rule(
        name="slice-out-of-cartesian-product",
        meaning="a cartesian product with sliced accesses is a sliced cartesian product",
        conditions="an access dimension beyond the batch is sliced",
        when="(= t (CartesianProduct a (Slice b axis lo hi) k)) (>= axis k)"
        " (= aa (access-dims a)) (= ab (access-dims b)) (< axis (vec-length ab))"
        " (= ta (access-dims t)) (= ti (item-dims t))",
        then=f"(union t (Slice {_WHOLE} {_AT} lo hi)) "
        + shape(_WHOLE, f"(vec-set ta {_AT} (vec-get ab axis))", "ti"),
        purpose=_PURPOSE,
    ),
    Rule(
        name="slice-out-of-dot-product",
        meaning="the dot product of sliced accesses is a sliced dot product",
        conditions="an access dimension is sliced",
        when='(= t (Compute "dot-product" (Slice p axis lo hi)))'
        " (= pa (access-dims p)) (< axis (vec-length pa))",
        then=f"(union t (Slice {_DOT} axis lo hi)) " + shape(_DOT, "pa", "(vec-empty)"),
        purpose=_PURPOSE,
    ),
)
