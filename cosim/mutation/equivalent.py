"""Mutants that no check can kill: proved equal to a sound module, or explained.

Yosys proves a module with a fault equal to the one without, alone and for all inputs. Where a fault
changes a module but not what the machine does, the reason is in the table below; every row was
checked by hand against the sources it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from systolab.cosim.mutation.source import Mutant, mutated
from systolab.cosim.synthesis.yosys import Proved, prove_equal
from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.kernel import MAX_GUARDS, MAX_LOOPS

__all__ = ["REASONS", "Reason", "module_parameters", "proved_equal", "reason"]


@dataclass(frozen=True)
class Reason:
    """Why mutants of one expression change nothing that can be seen outside the machine.

    Attributes:
        block: module, without the project's prefix.
        original: the expression; white space does not count.
        variants: the faulty expressions; empty for all.
        why: the reason, a clause.
        where: as of a mutant, where the expression stands; empty for anywhere.
        target: what it is assigned to; empty for anything.
    """

    block: str
    original: str
    variants: tuple[str, ...]
    why: str
    where: str = ""
    target: str = ""

    def covers(self, mutant: Mutant) -> bool:
        """Whether a mutant is one of these."""
        return (
            mutant.block == self.block
            and _plain(mutant.original) == _plain(self.original)
            and (not self.variants or _plain(mutant.variant) in map(_plain, self.variants))
            and (not self.where or mutant.where == self.where)
            and (not self.target or mutant.target == self.target)
        )


def _plain(text: str) -> str:
    return "".join(text.split())


def reason(mutant: Mutant) -> str:
    """Why a mutant changes nothing that can be seen; empty where nobody knows."""
    return next((row.why for row in REASONS if row.covers(mutant)), "")


def proved_equal(sound: Hardware, mutant: Mutant, seconds: float) -> bool:
    """Whether Yosys proves the module with a fault equal to the one without, for all inputs.

    Args:
        sound: sources and parameters of the array.
        mutant: the fault.
        seconds: time limit.

    Raises:
        SystolabError: Yosys is not installed.
    """
    gold = {name: text for name, text in sound.files.items() if name != f"{TOP}.v"}
    gate = {**gold, mutant.source: mutated(gold[mutant.source], mutant)}
    top = f"systolab_{mutant.block}"
    parameters = module_parameters(sound)
    if mutant.block not in parameters:
        return False
    try:
        result = prove_equal(gold, gate, top, parameters=parameters[mutant.block], seconds=seconds)
    except SystolabError:
        return False  # Yosys has no such construct: nothing is proved
    return isinstance(result, Proved)


def module_parameters(sound: Hardware) -> Mapping[str, Mapping[str, int]]:
    """Parameters with which an array instantiates its modules, by name without prefix.

    The core itself is left out: it is too large to be proved as a whole. Modules that are
    instantiated with several widths have those of stream A.
    """
    array, p = sound.array, sound.parameters
    offset = array.line.bit_length() - 1
    row_width = max(1, (array.acc_rows - 1).bit_length())
    bank = 32 if p.block_scaled else p.acc_bits
    is_float = int(p.float32 or p.block_scaled)
    stream = {
        "Lanes": array.rows,
        "OffsetWidth": offset,
        "Loops": MAX_LOOPS,
        "Guards": MAX_GUARDS,
    }
    mesh = {
        "Rows": array.rows,
        "Cols": array.cols,
        "Saturate": int(p.saturate),
        "ActExp": p.act.exp_bits,
        "ActSig": p.act.sig_bits,
        "WeightExp": p.weight.exp_bits,
        "WeightSig": p.weight.sig_bits,
        "AccWidth": p.acc_bits,
        "ProductShift": p.product_shift,
        "MaxShift": p.act.exp_max + p.weight.exp_max,
    }
    accumulator = {
        "AccWidth": bank,
        "AccRows": array.acc_rows,
        "Float32": is_float,
        "Saturate": int(p.saturate),
    }
    return {
        "accumulator": {**accumulator, "AccRows": min(4, array.acc_rows)},
        "act_decoder": {},
        "weight_decoder": {},
        "out_encoder": {},
        "act_scale": {"Rows": array.rows, "Loops": MAX_LOOPS},
        "column_scale": {"SumWidth": p.acc_bits, "Lsb": p.acc_lsb},
        "config": {"RowWidth": row_width},
        "controller": {"Rows": array.rows, "RowWidth": row_width},
        "drain": {"RowWidth": row_width},
        "f32_add": {},
        "f32_clamp": {},
        "f32_mul": {},
        "int_to_f32": {"Width": p.acc_bits, "Lsb": p.acc_lsb},
        "line_walker": stream,
        "loop_nest": {"Loops": MAX_LOOPS, "Values": MAX_GUARDS + 1},
        "mesh_int": mesh,
        "param_loader": {"Lanes": array.cols, "Loops": MAX_LOOPS},
        "postprocess": {
            "AccWidth": bank,
            "Lsb": p.acc_lsb,
            "Float32": is_float,
            "CodeWidth": array.out.bits,
        },
        "read_adapter": {"AddressWidth": 32 - offset, "DataWidth": array.line * array.act.bits},
        "read_stream": {**stream, "CodeWidth": array.act.bits},
        "skew": {"Lanes": array.rows, "Width": array.act.bits + 1},
        "weight_scale": {"Rows": array.rows, "Lanes": array.cols, "Loops": MAX_LOOPS},
        "write_adapter": {},
        "write_stream": {**stream, "Lanes": array.cols, "CodeWidth": array.out.bits},
    }


_ACCEPTED = "every enabled cycle clears it, and without a request the core is enabled"
_STALE = (
    "what is in flight at a reset comes out before anything of the next kernel, and only sums "
    "whose command is valid are written"
)
_COUNTER = "the start pulse sets the counter, and no one reads it before"
_GATING = "only saves power: what is stored has no valid beside it and no one reads it"
_EARLY = "on an array with so few columns parameters are there before the first sum"
_LAST_STEP = "chosen after the last step of a kernel only; the next start sets everything anew"

REASONS: tuple[Reason, ...] = (
    *(Reason("core", "'0", (), _STALE, "reset value", target) for target in ("valid_q", "move_q")),
    *(Reason("core", "'0", (), _COUNTER, "reset value", x) for x in ("cycles_q", "stalls_q")),
    Reason(
        "accumulator",
        "1'b0",
        (),
        "a row written after a reset is written again before it is read",
        "reset value",
        "valid_q",
    ),
    Reason("accumulator", "read_i", ("1'b1",), "a bank stands until its last row is drained"),
    Reason("read_adapter", "1'b0", (), _ACCEPTED, "reset value"),
    Reason("write_adapter", "1'b0", (), _ACCEPTED, "reset value"),
    Reason("write_adapter", "!rst_ni", ("1'b0",), _ACCEPTED),
    Reason("read_stream", "fire", ("1'b1",), "stored while nothing is to be filled"),
    Reason("write_stream", "fire", ("1'b1",), "without a vector no lane is on a line"),
    Reason("write_stream", "found || flush_i", ("1'b1",), _GATING),
    Reason(
        "write_stream",
        "'0",
        ("'1",),
        "codes without a bit in the mask are not written",
        "default",
        "new_data",
    ),
    Reason("postprocess", "valid_i[0]", ("1'b1",), _GATING),
    Reason("postprocess", "valid_i[1]", ("1'b1",), _GATING),
    Reason("postprocess", "valid_i[2]", ("1'b1",), _GATING),
    Reason("postprocess", "valid_i[3]", ("1'b1",), _GATING),
    Reason(
        "mesh_int",
        "os_i",
        ("1'b1",),
        "only saves work: held sums are stored and looked at output-stationary alone",
    ),
    Reason("param_loader", "2'd0", ("2'd1",), _EARLY, "reset value"),
    Reason("param_loader", "1'b0", ("1'd1", "rsp_last_q"), _EARLY, "reset value"),
    Reason("param_loader", "(loaded_q != 2'd0)", ("(loaded_q != 2'd3)",), _EARLY),
    Reason(
        "line_walker", "cfg_addr_i - 7'd8", ("cfg_addr_i + 7'd8",), "the same modulo 16, its use"
    ),
    Reason(
        "line_walker",
        "cfg_we_i && cfg_addr_i >= 7'd8 && cfg_addr_i < 7'(8 + 4 * Guards)",
        (
            "cfg_we_i && cfg_addr_i >= 7'd7 && cfg_addr_i < 7'(8 + 4 * Guards)",
            "cfg_we_i && cfg_addr_i >= 7'd8 && cfg_addr_i < 7'(7 + 4 * Guards)",
        ),
        "the fourth word of the last guard, where word 7 would go too, has no meaning",
    ),
    Reason(
        "line_walker",
        "valid_q && go_i",
        ("valid_q || go_i",),
        "lanes are looked at only where the walker fires, which asks for both",
    ),
    Reason("line_walker", "'0", ("'1",), "always overwritten before it is used", "default"),
    Reason(
        "loop_nest",
        "cfg_we_i && cfg_addr_i >= 7'd32",
        ("cfg_we_i && cfg_addr_i >= 7'd31",),
        "word 31 would go beyond the last loop, where there is no register",
    ),
    Reason("loop_nest", "'0", ("'1",), _LAST_STEP, "default"),
)
