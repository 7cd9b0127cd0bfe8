"""An array as people write it: ``array("16x16", "adaptivfloat:8,3", accumulator="wrap:32")``."""

from __future__ import annotations

from typing import TypeAlias

from systolab.formats.arithmetic.accumulator import AccumulatorLike, Exact, parse_array_accumulator
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.choices import shown
from systolab.formats.registry.registry import FormatLike, get
from systolab.rtl.kernel.kernel import Array, parse_array

__all__ = ["BLOCK_SCALED_OUT", "ArrayLike", "array", "block_scaled", "output_format"]

# What a block-scaled array writes by default: the range fits without a scale, and a kernel that
# reads the tensor puts it in blocks of fewer significant bits.
BLOCK_SCALED_OUT = "bfloat16"

ArrayLike: TypeAlias = str | tuple[int, int] | Array


def array(
    shape: ArrayLike = "16x16",
    format: FormatLike | None = None,
    *,
    weight: FormatLike | None = None,
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
) -> Array:
    """A machine configuration.

    >>> import systolab as sl
    >>> machine = sl.array("16x16", "adaptivfloat:8,3", accumulator="wrap:32")
    >>> machine.name, machine.out.name, machine.sums
    ('16x16', 'adaptivfloat:8,3', 'wrap:32')

    Args:
        shape: rows and columns, as ``"16x16"`` or ``(16, 16)``. A whole ``Array`` is returned as it
            is; what it is made of must then not be given again.
        format: of activations.
        weight: format of weights; None: as ``format``.
        out_format: format that the array writes; None: as ``format``, or bfloat16 where one of
            the others is block-scaled.
        accumulator: how products are summed; None: exactly.

    Raises:
        SystolabError: a value is none of these, or they do not make an array.
    """
    if isinstance(shape, Array):
        given = {
            "format": format,
            "weight": weight,
            "out_format": out_format,
            "accumulator": accumulator,
        }
        for name, value in given.items():
            if value is not None:
                raise SystolabError(
                    Parameter(name), f" must be left to the Array that is given, not {shown(value)}"
                )
        return shape
    rows, cols = parse_array(shape)
    if format is None:
        raise SystolabError(
            Parameter("format"),
            f" must be given for an array that is {shape!r}: "
            f"as format=FORMAT, or in sl.array({shape!r}, FORMAT); one is 'adaptivfloat:8,3'",
        )
    act = get(format)
    weights = act if weight is None else get(weight)
    written = output_format(out_format, act, weights)
    sums = Exact() if accumulator is None else parse_array_accumulator(accumulator)
    scaled = block_scaled(act, weights)
    return Array(rows, cols, act, weights, written, sums, block_scaled=scaled)


def block_scaled(act: Format, weight: Format) -> bool:
    """Whether operands of these formats need a block-scaled array."""
    return act.scaling.block is not None or weight.scaling.block is not None


def output_format(given: FormatLike | None, act: Format, weight: Format) -> Format:
    """The format that an array writes: the one that is named, or the default.

    Raises:
        SystolabError: the name is no format's.
    """
    if given is not None:
        return get(given)
    return get(BLOCK_SCALED_OUT) if block_scaled(act, weight) else act
