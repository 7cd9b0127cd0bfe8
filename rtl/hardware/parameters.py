"""The numbers that specialise the static modules for an array, and the operands they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from systolab.formats.arithmetic.accumulator import Exact, Float32, Saturate, Wrap
from systolab.formats.describe.decompose import decompose
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.hardware import handwritten
from systolab.rtl.kernel.kernel import Array

__all__ = ["Operand", "Parameters", "operand_width", "operand_words", "specialise"]

_MAX_ACC_BITS = 256


@dataclass(frozen=True)
class Operand:
    """Width of a decoded operand: a signed significand times a power of two, or a binary32."""

    exp_bits: int
    sig_bits: int
    exp_max: int


@dataclass(frozen=True)
class Parameters:
    """Numbers that specialise the static modules for an array.

    Attributes:
        act, weight: decoded operands.
        acc_bits: width of the accumulator.
        acc_lsb: log2 of the accumulator's unit (0 for Float32).
        product_shift: log2 of the product's unit over the accumulator's.
        float32, saturate: kind of the accumulator.
        block_scaled: ``acc_bits`` is the width of a column sum; it is scaled and accumulated in
            binary32.
        own_pe: processing elements are the formats' own, and work on codes.
    """

    act: Operand
    weight: Operand
    acc_bits: int
    acc_lsb: int
    product_shift: int
    float32: bool
    saturate: bool
    block_scaled: bool = False
    own_pe: bool = False


def specialise(array: Array) -> Parameters:
    """Parameters of an array.

    Raises:
        SystolabError: the accumulator would be too wide, too coarse for the products, or is of a
            kind that has no hardware, or the formats name different processing elements.
    """
    act, weight = _operand(array.act), _operand(array.weight)
    own_pe = handwritten.element(array) is not None
    accumulator = array.accumulator
    if isinstance(accumulator, Float32):
        return Parameters(act, weight, 32, 0, 0, float32=True, saturate=False, own_pe=own_pe)
    if not isinstance(accumulator, Exact | Wrap | Saturate):
        raise SystolabError(
            f"Accumulator of an array must be exact, wrap, saturate or float32, not {accumulator}"
        )
    unit = _log2(array.act.quantum) + _log2(array.weight.quantum)
    if isinstance(accumulator, Exact):
        length = array.rows if array.block_scaled else array.k_max
        largest = length * array.act.ratio * array.weight.ratio
        bits = largest.bit_length() + 1
        if bits > _MAX_ACC_BITS:
            raise SystolabError(
                f"Exact accumulator must be at most {_MAX_ACC_BITS} bits wide, not the {bits} that "
                f"{array.act.name} times {array.weight.name} over {length} steps needs"
            )
        return Parameters(
            act,
            weight,
            bits,
            unit,
            0,
            float32=False,
            saturate=False,
            block_scaled=array.block_scaled,
            own_pe=own_pe,
        )
    lsb = unit if accumulator.lsb is None else accumulator.lsb
    if lsb > unit:
        raise SystolabError(
            f"Accumulator lsb must be at most {unit}, the products' own, not {accumulator.lsb}"
        )
    return Parameters(
        act,
        weight,
        accumulator.bits,
        lsb,
        unit - lsb,
        float32=False,
        saturate=isinstance(accumulator, Saturate),
        own_pe=own_pe,
    )


def operand_width(fmt: Format, parameters: Parameters, weight: bool = False) -> int:
    """Bits of what a decoder makes of a code, which then moves through the array."""
    if parameters.own_pe:
        return fmt.bits + 1
    if parameters.float32:
        return 33
    operand = parameters.weight if weight else parameters.act
    return operand.exp_bits + operand.sig_bits


def operand_words(fmt: Format, parameters: Parameters, weight: bool = False) -> list[int]:
    """Decoded operand of every code, as the hardware's bit pattern."""
    if parameters.own_pe:
        return [1 << fmt.bits | code for code in range(1 << fmt.bits)]
    if parameters.float32:
        # Active flag above the binary32; NaNs are canonical from here on.
        values = fmt.values.astype(np.float32)
        bits = np.where(np.isnan(values), np.uint32(0x7FC00000), values.view(np.uint32))
        return [1 << 32 | word for word in bits.tolist()]
    operand = parameters.weight if weight else parameters.act
    parts = decompose(fmt)
    signed = np.where(parts.sign == 1, -parts.significand, parts.significand)
    mask = (1 << operand.sig_bits) - 1
    words = []
    for exponent, significand in zip(parts.exponent.tolist(), signed.tolist(), strict=True):
        words.append(exponent << operand.sig_bits | significand & mask)
    return words


def _operand(fmt: Format) -> Operand:
    parts = decompose(fmt)
    return Operand(max(1, parts.exp_max.bit_length()), parts.sig_bits + 1, parts.exp_max)


def _log2(quantum: float) -> int:
    return int(np.frexp(quantum)[1]) - 1
