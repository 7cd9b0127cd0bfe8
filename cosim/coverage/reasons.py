"""Why lines and toggles of the RTL cannot be reached by a check, or need not be.

Every row is of an expression of signals, and holds for the arrays that it says; the report of
a check lists what it excuses. What no row excuses fails the check with ``--coverage``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from systolab.cosim.coverage.counted import Counted
from systolab.formats.format import Format
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.kernel.kernel import MAX_LOOPS

__all__ = ["REASONS", "Reason", "reason", "split"]


@dataclass(frozen=True)
class Reason:
    """Why something is not reached.

    Attributes:
        block: pattern of modules, without the project's prefix.
        what: pattern of signals, with the index of a word but not that of a bit; or, after
            ``line:``, of the text of a source line.
        why: the reason, a clause.
        first: lowest bit that it is about, of a machine's sources.
        beyond: the bit above the highest one.
        lane: bits of a lane, where a signal is one lane behind the other: the bounds are a lane's.
        scope: pattern of instances.
        when: the machines that it holds for.
    """

    block: str
    what: str
    why: str
    first: Callable[[Hardware], int] = lambda _: 0
    beyond: Callable[[Hardware], int] = lambda _: 1 << 30
    lane: int = 1 << 30
    scope: str = ".*"
    when: Callable[[Hardware], bool] = lambda _: True

    def excuses(self, item: Counted, hardware: Hardware) -> bool:
        """Whether it is about something that was not reached."""
        if not re.fullmatch(self.block, _block(item)) or not re.fullmatch(self.scope, item.scope):
            return False
        if not self.when(hardware):
            return False
        if not item.toggle:
            text = hardware.files[item.file].splitlines()[item.line - 1].strip()
            return re.fullmatch(self.what, f"line:{text}") is not None
        name, bit = split(item.signal)
        inside = self.first(hardware) <= bit % self.lane < self.beyond(hardware)
        return inside and re.fullmatch(self.what, name) is not None


def split(signal: str) -> tuple[str, int]:
    """A bit's signal, and its index; 0 for a signal of one bit."""
    match = re.fullmatch(r"(.*)\[(\d+)\]", signal)
    return (match[1], int(match[2])) if match else (signal, 0)


def reason(item: Counted, hardware: Hardware) -> str:
    """Why something is not reached; empty where nobody knows."""
    return next((row.why for row in REASONS if row.excuses(item, hardware)), "")


def _block(item: Counted) -> str:
    return item.file.partition(".")[0].removeprefix("systolab_")


def _unscaled(hardware: Hardware) -> bool:
    return not hardware.array.block_scaled


def _scaled(hardware: Hardware) -> bool:
    return hardware.array.block_scaled


def _normal(hardware: Hardware) -> bool:
    """Whether every sum that is not zero is a normal binary32."""
    p = hardware.parameters
    return p.acc_lsb >= -126 and p.acc_lsb + p.acc_bits <= 128


def _exact(hardware: Hardware) -> bool:
    """Whether every sum is a binary32."""
    return hardware.parameters.acc_bits <= 25 and _normal(hardware)


def _offset(hardware: Hardware) -> int:
    return hardware.array.line.bit_length() - 1


def _padded(hardware: Hardware) -> int:
    """Width to which ``int_to_f32`` pads a sum."""
    return 1 << (max(hardware.parameters.acc_bits, 26) - 1).bit_length()


def _trailing(hardware: Hardware) -> int:
    """Bits behind the significand, or behind the longest sum of an accumulator that is not one.

    The longest sums are multiples of more than their unit, but for a narrow accumulator's last bit.
    """
    return _padded(hardware) - min(_SIGNIFICAND, hardware.parameters.acc_bits - 2)


def _float32(hardware: Hardware) -> bool:
    return hardware.parameters.float32


def _zeros(fmt: Format) -> int:
    """Low bits that are zero in the binary32 of every value of a format."""
    values = fmt.values[np.isfinite(fmt.values) & (fmt.values != 0)].astype(np.float32)
    fractions = int(np.bitwise_or.reduce(values.view(np.uint32) | np.uint32(1 << _FRACTION)))
    return (fractions & -fractions).bit_length() - 1


_BINARY32 = 32  # bits
_FRACTION = 23  # bits of a binary32's
_SIGNIFICAND = 24  # with the one before the point
_LONG_RUN = 14  # cycles, and stalled ones, of the longest runs: at least 2 to this power
_LARGE = 15  # codes of the largest memory: at least 2 to this power
_MANY = 17  # outer iterations of the longest kernel: fewer than 2 to this power

REASONS = (
    Reason(
        "core|top",
        r"(cycles|stalls)_[oq]",
        "a kernel of so many cycles takes too long; the counters are one addition of 64 bits",
        first=lambda _: _LONG_RUN,
    ),
    Reason(
        "core|top|line_walker|read_stream|write_stream|read_adapter",
        r"([awo]_)?(req_|found_|held_|out_)?(line|line_[oq]|address_[io])|held_q",
        "a line so far up needs a memory of that size",
        first=lambda hardware: _LARGE - _offset(hardware),
    ),
    Reason(
        "drain",
        "remaining_q",
        "a kernel of so many outer iterations takes too long",
        first=lambda _: _MANY,
    ),
    Reason(
        "drain",
        "ready_q",
        "parameters load in fewer cycles than a sum takes through the array, so no two outer "
        "iterations wait for them",
        first=lambda _: 1,
    ),
    Reason(
        "core|top",
        r"(unused_)?s[aw]_(req|rsp)_(valid|ready|index|data)_[io]|scales_(ok|ready)",
        "the array has no block scales",
        when=_unscaled,
    ),
    Reason("controller", "w_scales_i", "the array has no block scales", when=_unscaled),
    Reason(
        "line_walker",
        "rest|todo_q",
        "the first lane is dealt with in the first cycle of its vector",
        beyond=lambda _: 1,
    ),
    Reason(
        "loop_nest",
        "below",
        "the outermost loop is below no other",
        first=lambda _: MAX_LOOPS - 1,
    ),
    Reason(
        "loop_nest|param_loader|weight_scale",
        "below|last|last_[oq]",
        "parameters, and scales of W, have at most eleven loops",
        first=lambda _: MAX_LOOPS - 2,
        scope=r"u_core\.(\*|.*u_params.*|.*u_weight_scale.*|.*\*.*)",
    ),
    Reason(
        "param_loader|weight_scale",
        "lane_q",
        "the array has no more columns",
        first=lambda hardware: (hardware.array.cols - 1).bit_length(),
    ),
    Reason(
        "int_to_f32",
        r"excess|line:if \(excess > 16'd25\) begin|line:if \(exponent < 16'sd1\) begin",
        "no sum of this accumulator is subnormal",
        when=_normal,
    ),
    Reason(
        "int_to_f32",
        r"line:if \(exponent > 16'sd254\) begin",
        "no sum of this accumulator is beyond the largest binary32",
        when=_normal,
    ),
    Reason(
        "int_to_f32",
        "exponent",
        "no sum of this accumulator has such an exponent",
        first=lambda _: 8,
        when=_normal,
    ),
    Reason(
        "int_to_f32",
        "magnitude",
        "the sum farthest below zero is its own: longest reductions do not reach it",
        first=lambda hardware: hardware.parameters.acc_bits - 1,
    ),
    Reason(
        "int_to_f32",
        "x|shifted",
        "zeros follow a sum, or bits that only tell whether it was exact; the converter is "
        "checked alone, over all its bits",
        beyond=_trailing,
    ),
    Reason(
        "postprocess|f32_mul",
        "converted|converted_q|a_i",
        "the accumulator is narrower than a significand: low bits are zero",
        beyond=lambda hardware: max(0, _SIGNIFICAND + 1 - hardware.parameters.acc_bits),
        when=lambda hardware: not (hardware.parameters.float32 or hardware.array.block_scaled),
    ),
    Reason(
        "int_to_f32|column_scale",
        "sticky|round_up|packed_value|value_o|sum|sum_q",
        "every sum of a tile is a binary32: nothing is rounded, and low bits are zero",
        when=_exact,
    ),
    Reason(
        "controller|core|line_walker|read_stream",
        r"[aw]_final_ok(_o)?|final_ok_i|command_q|ending_q|line:if \(ending_q\) begin",
        "a block-scaled array runs kernels of one mode only",
        when=_scaled,
    ),
    Reason(
        "mesh_int",
        r"(addend|chain_[dq]|done_[dq]|hold_[dq])(\[.*)?",
        "a block-scaled array runs kernels of one mode only",
        when=_scaled,
    ),
    Reason(
        "act_decoder|core|mac|mesh|mesh_pe|pe",
        r"operand_o|a_operand(_q)?|act(_[ioq])?|pass_q",
        "an activation is a binary32, and these bits are zero in all of the format's",
        beyond=lambda hardware: _zeros(hardware.array.act),
        lane=_BINARY32,
        when=_float32,
    ),
    Reason(
        "weight_decoder|core|mac|mesh|mesh_pe|pe",
        r"operand_o|w_operand(_q)?|weight(_[ioq])?|shadow_q",
        "a weight is a binary32, and these bits are zero in all of the format's",
        beyond=lambda hardware: _zeros(hardware.array.weight),
        lane=_BINARY32,
        when=_float32,
    ),
    Reason(
        "mac",
        "product",
        "a product of short significands is short: low bits are zero",
        beyond=lambda hardware: max(
            0,
            _zeros(hardware.array.act) + _zeros(hardware.array.weight) - _FRACTION,
        ),
        when=_float32,
    ),
    Reason(
        "mesh_pe",
        "sum",
        "the first row of processing elements adds to zero",
        beyond=lambda hardware: _BINARY32 * hardware.array.cols,
        when=_float32,
    ),
    Reason(
        "out_encoder",
        ".*",
        "the format's decisions leave these bits alone; the encoder is checked alone, at every one",
        when=lambda hardware: hardware.array.out.bits > 10,
    ),
)
