"""The language on one page: all that a term can be, its operands in order, and what it means.

A term's dimensions are split in two: ((A) (I)). The *access* dimensions A are iterated over, the
*item* dimensions I are what each iteration yields. Operands without defaults must be given::

    leaves
      tensor(str name, dims dimensions)      -- a named tensor, ((dimensions) ())
      literal(float value, dims dimensions)  -- one value everywhere, ((dimensions) ())

    access patterns: what is iterated over
      access(term a, int split)              -- the first `split` dimensions become A, the rest I
      shift-right(term a)                    -- the last dimension of A becomes the first of I
      cartesian-product(term a, term b, int batch = 0)
                                             -- every access of a beside every one of b:
                                                ((B M) I) and ((B N) I) give ((B M N) (2 I))
      pair(term a, term b)                   -- a and b access by access: ((A) (2 I))
      windows(term a, dims window, dims strides, dims dilation)
                                             -- sliding windows over I: positions join A

    movement: elements move, nothing is computed
      transpose(term a, dims permutation)    -- all dimensions reordered, the split stays
      slice(term a, int axis, int lo, int hi)
                                             -- lo..hi-1 of one dimension
      concatenate(term a, term b, int axis)  -- a, then b, along one dimension
      pad(term a, padding padding, int axis, int before, int after)
                                             -- one dimension grows by padding at both ends
      squeeze(term a, int axis)              -- a dimension of size 1 goes
      insert-axis(term a, int axis)          -- a dimension of size 1 comes
      broadcast(term a, dims dimensions)     -- dimensions of size 1 repeat
      flatten(term a, int keep = 0)          -- A behind its first `keep`, and I, one dimension each
      reshape(term a, dims to_access, dims to_item)
                                             -- A and I regrouped, each in row-major order

    computation
      compute(function function, term a)     -- a function of every item
      clamp(term a, float lo, float hi)      -- every element limited to lo..hi

    tuples
      tuple(term a, term b)                  -- two values at once
      tuple-get(term a, int index)           -- one of them

    machine
      systolic-array(dataflow dataflow, term a, term w, int batch = 0)
                                             -- matrix products run by the array:
                                                ((B M) (K)) and ((B N) (K)) give ((B M N) ())
      post-process(term a, term bias, float lo, float hi)
                                             -- what the array does to sums: clamp(a + bias)
      block-diagonal(term a, int size)       -- `size` matrices of a batch as one, zeros between

    memory
      store(term a, layout layout)           -- a tensor as flat memory, in a layout
      load(term a, layout layout, dims dimensions)
                                             -- flat memory as the tensor it holds

    dims = (int ..)      layout = a name such as NCHW16c, see `layout`
    function = dot-product | softmax | reduce-sum | reduce-max | reduce-mean | elementwise-add |
        elementwise-mul | elementwise-div | relu | sqrt | negative
    padding = zero | min
    dataflow = weight-stationary | output-stationary

In text a term is an s-expression, its operands in this order: (access (tensor x (2 3)) 1).
Shape rules stand in the modules named below, values in ``interpreter``.

Source: Smith et al., MAPS 2021; batched cartesian products, dilation, clamps, memory and what runs
on the machine are additions of this project.
"""

from __future__ import annotations

from collections.abc import Mapping

from systolab.glenside.language.access import Access, CartesianProduct, Pair, ShiftRight, Windows
from systolab.glenside.language.computation import (
    ELEMENTWISE,
    FUNCTIONS,
    POINTWISE,
    REDUCTIONS,
    Clamp,
    Compute,
)
from systolab.glenside.language.leaves import Literal, Tensor, substitute, tensors
from systolab.glenside.language.machine import DATAFLOWS, BlockDiagonal, PostProcess, SystolicArray
from systolab.glenside.language.memory import Load, Store
from systolab.glenside.language.movement import (
    PADDINGS,
    Broadcast,
    Concatenate,
    Flatten,
    InsertAxis,
    Pad,
    Reshape,
    Slice,
    Squeeze,
    Transpose,
)
from systolab.glenside.language.term import Dims, Shape, ShapeError, Term
from systolab.glenside.language.tuples import MakeTuple, TupleGet

__all__ = [
    "CONSTRUCTS", "DATAFLOWS", "ELEMENTWISE", "FUNCTIONS", "PADDINGS", "POINTWISE", "REDUCTIONS",
    "Access", "BlockDiagonal", "Broadcast", "CartesianProduct", "Clamp", "Compute", "Concatenate",
    "Dims", "Flatten", "InsertAxis", "Literal", "Load", "MakeTuple", "Pad", "Pair", "PostProcess",
    "Reshape", "Shape", "ShapeError", "ShiftRight", "Slice", "Squeeze", "Store", "SystolicArray",
    "Tensor", "Term", "Transpose", "TupleGet", "Windows", "substitute", "tensors",
]  # fmt: skip

CONSTRUCTS: Mapping[str, type[Term]] = {
    construct.head: construct
    for construct in (
        Tensor, Literal,
        Access, ShiftRight, CartesianProduct, Pair, Windows,
        Transpose, Slice, Concatenate, Pad, Squeeze, InsertAxis, Broadcast, Flatten, Reshape,
        Compute, Clamp,
        MakeTuple, TupleGet,
        SystolicArray, PostProcess, BlockDiagonal,
        Store, Load,
    )
}  # fmt: skip
