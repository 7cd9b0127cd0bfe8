"""The proof stage: decoders and encoder equal their tables on every input, by Yosys' SAT solver.

What is proved is the closed form of a format or its own Verilog. Where an array is built from
tables, the closed form beside it is proved; a format that has neither leaves nothing to prove.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.report import Coverage, Finding, StageResult
from systolab.cosim.check.value import binary32_text, code_text, comparison, exact
from systolab.cosim.synthesis import yosys
from systolab.cosim.synthesis.yosys import Counterexample, Proved, Step, TimeUpError, prove_equal
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.codecs import MAX_TABLE_BITS, closed_decoder, closed_encoder
from systolab.rtl.codecs.shape import shape
from systolab.rtl.hardware import handwritten
from systolab.rtl.hardware.parameters import Operand
from systolab.rtl.hardware.table_codecs import decoder, encoder

__all__ = ["proof"]

# Widest codes at each level: proofs take about 2 s, 10 s and minutes.
_BITS = {Level.QUICK: 4, Level.NORMAL: 8, Level.FULL: MAX_TABLE_BITS}
_SECONDS = {Level.QUICK: 20.0, Level.NORMAL: 60.0, Level.FULL: 600.0}  # for one proof
# Yosys' first start on a machine compiles it, which is no matter of seconds.
_START_SECONDS = {Level.QUICK: 15.0, Level.NORMAL: None, Level.FULL: None}
_NOT_STARTED = (
    "Yosys did not start in {:.0f} s: its first start on a machine takes minutes, once; "
    "systolab check F --stage proof waits for it"
)
_VALUE = "proof_value"

_Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Claim:
    """That one block equals the table.

    Attributes:
        block: the block, as a user reads it.
        kind: what is to be equal to the table: ``closed form`` or ``Verilog``.
        fmt: the format.
        top: module that is compared.
        table, other: sources with the table, and with what is to be equal to it.
        rows: shows inputs, and what both give for them.
    """

    block: str
    kind: str
    fmt: Format
    top: str
    table: Mapping[str, str]
    other: Mapping[str, str]
    rows: Callable[[Step], _Rows]

    def finding(self, step: Step) -> Finding:
        """A difference."""
        summary = f"the {self.kind} of the {self.block} of {self.fmt.name} differs from its table"
        return Finding(summary, self.rows(step))


def proof(context: Context) -> StageResult:
    """Decoders and encoder, proved equal to the tables."""
    begin = time.perf_counter()
    claims, absent = _claims(context)
    limit, seconds = _BITS[context.level], _SECONDS[context.level]
    proved: list[_Claim] = []
    left: list[str] = []
    findings: list[Finding] = []
    reason = ""
    if not claims:
        reason = f"nothing to prove: {', '.join(absent)}"
    elif all(claim.fmt.bits > limit for claim in claims):
        reason = f"codes of up to {limit} bits are proved at level {context.level}"
    elif not yosys.available():
        reason = yosys.MISSING
    else:
        reason = _started(context.level)
    for claim in [] if reason else claims:
        if claim.fmt.bits > limit:
            left.append(f"{claim.block} (more than {limit} bits)")
            continue
        try:
            result = prove_equal(claim.table, claim.other, claim.top, seconds=seconds)
        except SystolabError as error:
            # Verilator may read Verilog that Yosys does not; what is generated, both must read.
            if claim.kind != "Verilog":
                raise
            left.append(f"{claim.block} ({error})")
            continue
        if isinstance(result, Proved):
            proved.append(claim)
        elif isinstance(result, Counterexample):
            findings.append(claim.finding(result.last))
        else:
            left.append(f"{claim.block} ({result.reason})")
    return StageResult(
        "proof",
        len(proved) + len(findings),
        len(findings),
        Coverage.SKIPPED if reason or left else Coverage.PROVED,
        reason or _described(proved, left),
        time.perf_counter() - begin,
        findings[0] if findings else None,
        optional=True,
    )


def _started(level: Level) -> str:
    """Start Yosys; why nothing is proved, where it takes too long."""
    seconds = _START_SECONDS[level]
    try:
        yosys.start(seconds)
    except TimeUpError:
        return _NOT_STARTED.format(seconds)
    return ""


def _described(proved: list[_Claim], left: list[str]) -> str:
    parts = []
    for kind in dict.fromkeys(claim.kind for claim in proved):
        blocks = ", ".join(claim.block for claim in proved if claim.kind == kind)
        parts.append(f"{blocks}: {kind} = table on every input, by SAT")
    if left:
        parts.append(f"not proved: {', '.join(left)}")
    return "; ".join(parts) or "SAT, on every input"


def _claims(context: Context) -> tuple[list[_Claim], list[str]]:
    """What is to be proved of an array, and why there is nothing to prove of the rest."""
    array = context.array
    blocks = [("encoder", array.out)]
    if not context.hardware.parameters.own_pe:
        blocks = [("act_decoder", array.act), ("weight_decoder", array.weight), *blocks]
    own = handwritten.used(array)
    claims: list[_Claim] = []
    absent: dict[str, None] = {}
    for block, fmt in blocks:
        if fmt.bits > MAX_TABLE_BITS:
            absent[f"{fmt.name} has no table, with more than {MAX_TABLE_BITS} bits"] = None
        elif block not in own and shape(fmt) is None:
            absent[f"{fmt.name} has no closed form"] = None
        else:
            claims.append(_claim(context, block, fmt, "Verilog" if block in own else "closed form"))
    if len(claims) > 1 and _same(claims[0], claims[1]):
        claims[:2] = [replace(claims[0], block="decoder")]
    return claims, list(absent)


def _claim(context: Context, block: str, fmt: Format, kind: str) -> _Claim:
    files, parameters = context.hardware.files, context.hardware.parameters
    form = shape(fmt)
    if block == "encoder":
        top = "systolab_out_encoder"
        table = encoder(top, fmt)
        closed = None if form is None else closed_encoder(top, fmt, form)
    else:
        top = f"systolab_{block}"
        weight = block == "weight_decoder"
        operand = parameters.weight if weight else parameters.act
        widths = None if parameters.float32 else (operand.exp_bits, operand.sig_bits)
        table = {f"{top}.sv": decoder(top, fmt, parameters, weight)}
        closed = None if form is None else closed_decoder(top, fmt, form, widths)
    name = f"{top}.sv"
    # What the array is built from; where that is the table, what could take its place.
    other = closed if closed is not None and files[name] == table[name] else files[name]
    sides = [{**table, **files, **table}, {**files, name: other}]
    compared = top
    rows: Callable[[Format, Step], _Rows] = _encoder_rows
    if block != "encoder" and parameters.float32:
        rows = _binary32_rows
    elif block != "encoder":
        # Equal values, not equal operands: a decoder may write a value in another way.
        value, width = _value(top, fmt, operand)
        sides = [{**side, f"{_VALUE}.sv": value} for side in sides]
        compared, rows = _VALUE, _value_rows(width)
    label = block if block == "encoder" else f"{'weight' if weight else 'activation'} decoder"
    return _Claim(label, kind, fmt, compared, sides[0], sides[1], lambda step: rows(fmt, step))


def _same(act: _Claim, weight: _Claim) -> bool:
    """Whether two decoders are one but for its name."""
    pairs = (
        (side["systolab_act_decoder.sv"], other["systolab_weight_decoder.sv"])
        for side, other in ((act.table, weight.table), (act.other, weight.other))
    )
    return act.fmt is weight.fmt and all(
        first == second.replace("systolab_weight_decoder", "systolab_act_decoder")
        for first, second in pairs
    )


def _value(module: str, fmt: Format, operand: Operand) -> tuple[str, int]:
    """Source of a decoder with the value of its operand in place of the operand; its width."""
    width = operand.sig_bits + (1 << operand.exp_bits) - 1
    total = operand.exp_bits + operand.sig_bits
    text = f"""module {_VALUE} (
  input  logic active_i,
  input  logic [{fmt.bits - 1}:0] code_i,
  output logic [{width - 1}:0] value_o
);
  logic [{total - 1}:0] operand;
  logic signed [{width - 1}:0] significand;
  {module} u_decoder (.active_i(active_i), .code_i(code_i), .operand_o(operand));
  assign significand = $signed(operand[{operand.sig_bits - 1}:0]);
  assign value_o = significand << operand[{total - 1}:{operand.sig_bits}];
endmodule
"""
    return text, width


def _encoder_rows(fmt: Format, step: Step) -> _Rows:
    text = binary32_text(step.inputs.get("value_i", 0))
    if not step.inputs.get("valid_i", 1):
        text += ", not valid"
    return (("input", text), *comparison(fmt, step.gold["code_o"], step.gate["code_o"]))


def _code_row(fmt: Format, step: Step) -> tuple[str, str]:
    inactive = "" if step.inputs.get("active_i", 1) else ", lane inactive"
    return "code", code_text(fmt, step.inputs.get("code_i", 0)) + inactive


def _value_rows(width: int) -> Callable[[Format, Step], _Rows]:
    def rows(fmt: Format, step: Step) -> _Rows:
        expected, found = (
            exact(float(_signed(side["value_o"], width)) * fmt.quantum)
            for side in (step.gold, step.gate)
        )
        return _code_row(fmt, step), ("expected", expected), ("found", found)

    return rows


def _binary32_rows(fmt: Format, step: Step) -> _Rows:
    expected, found = (
        binary32_text(word & 0xFFFF_FFFF) + ("" if word >> 32 else ", inactive")
        for word in (step.gold["operand_o"], step.gate["operand_o"])
    )
    return _code_row(fmt, step), ("expected", expected), ("found", found)


def _signed(word: int, width: int) -> int:
    return word - (word >> (width - 1) << width)
