"""Faults in storage, counters and handshakes, one by one: the quick check finds and locates each.

None of them shows in a small product; most need the last row of a bank, the outermost loop, a
counter's upper bits or a stall at the right moment.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from systolab import formats
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Explain
from systolab.cosim.check.report import Report
from systolab.cosim.check.stages import Part, Request, check, stages_of
from systolab.cosim.divergence.divergence import Divergence
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array

E2M1, MXFP4, BFLOAT16 = (formats.get(name) for name in ("e2m1", "mxfp4", "bfloat16"))
PLAIN = Array(2, 2, E2M1, E2M1, E2M1, Exact())
SCALED = Array(2, 2, MXFP4, MXFP4, BFLOAT16, Exact(), block_scaled=True)

LIMIT = 300  # seconds of a check on a busy machine, the search for a small case included


class Fault(NamedTuple):
    """A text of a source, and the wrong one in its place."""

    source: str
    old: str
    new: str
    array: Array = PLAIN


_ACC, _WALKER, _NEST = (
    "systolab_accumulator.sv",
    "systolab_line_walker.sv",
    "systolab_loop_nest.sv",
)
_CORE, _CONTROLLER, _DRAIN = (
    "systolab_core.sv",
    "systolab_controller.sv",
    "systolab_drain.sv",
)
_PARAMS, _ADAPTER, _WRITE = (
    "systolab_param_loader.sv",
    "systolab_read_adapter.sv",
    "systolab_write_stream.sv",
)
_MESH, _READ = "systolab_mesh_int.sv", "systolab_read_stream.sv"
_ACT_SCALE, _WEIGHT_SCALE = "systolab_act_scale.sv", "systolab_weight_scale.sv"

FAULTS = {
    # Storage: rows of the banks, buffers, shadows, configuration words.
    "drain of row 255 of bank 1 reads row 254": Fault(
        _ACC,
        "read1_row = drain1 ? read_row_i : row_i",
        "read1_row = drain1 ? read_row_i & ~RowWidth'(read_row_i == RowWidth'(255)) : row_i",
    ),
    "drain of row 200 of bank 0 reads row 201": Fault(
        _ACC,
        "read0_row = drain0 ? read_row_i : row_i",
        "read0_row = drain0 ? read_row_i | RowWidth'(read_row_i == RowWidth'(200)) : row_i",
    ),
    "the last row of bank 0 is not written": Fault(
        _ACC,
        "valid_q && !bank_q) bank0_q",
        "valid_q && !bank_q && row_q != RowWidth'(AccRows - 1)) bank0_q",
    ),
    "rows 128 and up of bank 1 are written to others": Fault(
        _ACC, "bank1_q[row_q] <= sum", "bank1_q[row_q & RowWidth'(127)] <= sum"
    ),
    "the last row of bank 1 is added to what the first one holds": Fault(
        _ACC,
        "read1_row = drain1 ? read_row_i : row_i",
        "read1_row = drain1 ? read_row_i : (row_i == RowWidth'(AccRows - 1)) ? '0 : row_i",
    ),
    "the last column's second parameter buffer is not stored": Fault(
        _PARAMS,
        "if (rsp_q) begin",
        "if (rsp_q && !(rsp_fill_q && rsp_lane_q == LaneWidth'(Lanes - 1))) begin",
    ),
    "biases come from the first buffer": Fault(
        _PARAMS, "bias_o  = bias_q[drain_q]", "bias_o  = bias_q[1'b0]"
    ),
    "the last code of a held line is stale": Fault(
        _READ,
        "if (new_q) held_q <= new_code;",
        "if (new_q) for (int i = 0; i < Line - 1; i++) held_q[i] <= new_code[i];",
    ),
    "the last code of a new output line is not written": Fault(
        _WRITE, "held_mask_q <= new_mask", "held_mask_q <= new_mask & ~(Line'(1) << (Line - 1))"
    ),
    "the address step of loop 11 is not stored": Fault(
        _NEST,
        "word_q[cfg_word] <= cfg_data_i;",
        "if (cfg_word != 7'd89) word_q[cfg_word] <= cfg_data_i;",
    ),
    "the bound of guard 3 is not stored": Fault(
        _WALKER,
        "guard_q[cfg_guard[GuardWidth-1:0]] <= cfg_data_i",
        "guard_q[cfg_guard[GuardWidth-1:0]] <= (cfg_guard == 7'd14) ? '1 : cfg_data_i",
    ),
    "the last element's shadow weight is not loaded": Fault(
        _MESH,
        "(pass_d[i] & {WeightWidth{load_d[i]}})",
        "(pass_d[i] & {WeightWidth{load_d[i] && i != Size - 1}})",
    ),
    "the first element's finished sum is not held": Fault(
        _MESH,
        "(sum_q[i] & {AccWidth{done_d[i]}})",
        "(sum_q[i] & {AccWidth{done_d[i] && i != 0}})",
    ),
    # Counters: their last values and upper bits.
    "the row counter is compared in 7 bits": Fault(
        _CONTROLLER,
        "row_q <= (row_q == row_last_i)",
        "row_q <= (row_q[RowWidth-2:0] == row_last_i[RowWidth-2:0])",
    ),
    "the drain's row counter is compared in 7 bits": Fault(
        _DRAIN, "(row_q == row_last_i)", "(row_q[RowWidth-2:0] == row_last_i[RowWidth-2:0])"
    ),
    "loop indices are compared in 15 bits": Fault(
        _NEST,
        "(index == word_q[{level, 3'd0}][15:0])",
        "(index[14:0] == word_q[{level, 3'd0}][14:0])",
    ),
    "the index of loop 11 has 8 bits": Fault(
        _NEST,
        "index_q[32'(level)*16+:16] <= index;",
        "index_q[32'(level)*16+:16] <= (level == 4'd11) ? index & 16'h00ff : index;",
    ),
    "outer iterations are counted in 16 bits": Fault(
        _DRAIN, "remaining_q <= outer_count_i", "remaining_q <= 32'(outer_count_i[15:0])"
    ),
    "parameters of all columns are one too few": Fault(
        _PARAMS,
        "(lane_q + 7'd1) == lane_count_q",
        "(lane_q + 7'd1) == lane_count_q - 7'(lane_count_q == 7'(Lanes))",
    ),
    "accumulator banks are always free": Fault(_CONTROLLER, "(banks_q != 2'd2)", "1'b1"),
    "parameter buffers are always free": Fault(_PARAMS, "valid_q && taken_q != 2'd2", "valid_q"),
    "the row of a weight vector is not reset with the tile": Fault(
        _CONTROLLER, "index_q <= w_tile_last_i ? '0 : index_q + 1'b1", "index_q <= index_q + 1'b1"
    ),
    "loop 11 always has length 1": Fault(
        _NEST,
        "(cfg_data_i[15:0] == 16'd0)",
        "(cfg_data_i[15:0] == 16'd0 || cfg_word[6:3] == 4'd11)",
    ),
    "loop 10 does not start over with loop 11": Fault(
        _NEST,
        "(Loops'(1) << level) - Loops'(1)",
        "((Loops'(1) << level) - Loops'(1)) & ~(Loops'(1) << 10)",
    ),
    "cycles are counted in 16 bits": Fault(
        _CORE, "cycles_q <= cycles_q + 64'd1", "cycles_q <= 64'(cycles_q[15:0] + 16'd1)"
    ),
    # Guards and handshakes.
    "guard 1 is ignored where guard 2 is in use": Fault(
        _WALKER, "if (guard_used_q[g])", "if (guard_used_q[g] && !(g == 1 && guard_used_q[2]))"
    ),
    "the outputs' fourth guard is ignored": Fault(
        _WRITE,
        ".cfg_data_i  (cfg_data_i)",
        ".cfg_data_i  ((cfg_addr_i == 7'd5) ? cfg_data_i & 32'd7 : cfg_data_i)",
    ),
    "one mask bit too many is written": Fault(
        _WRITE,
        "new_mask[position] = 1'b1;",
        "new_mask[position] = 1'b1; if (i == 0 && !on_new[Lanes-1]) new_mask[position^1] = 1'b1;",
    ),
    "a start pulse is taken in the ending cycle": Fault(
        _CORE, "start_i && !busy_q", "start_i && (!busy_q || (finished && en))"
    ),
    "a start pulse is taken in a stalled cycle": Fault(
        _CORE, "start_i && !busy_q", "start_i && (!busy_q || !en)"
    ),
    "done does not wait for the last write": Fault(_CORE, "done_q && !o_req_valid_o", "done_q"),
    "stalls of the output port are not counted": Fault(
        _CORE, "stalls_q <= stalls_q + 64'd1", "stalls_q <= stalls_q + 64'(o_ok)"
    ),
    "parameters that are late do not stall": Fault(
        _CORE, "a_ok && w_ok && p_ok && o_ok", "a_ok && w_ok && o_ok"
    ),
    "an accepted request is repeated": Fault(
        _ADAPTER, "if (req_valid_o && req_ready_i) accepted_q <= 1'b1;", ""
    ),
    "an accepted write is repeated": Fault(
        "systolab_write_adapter.sv", "req_valid_o && req_ready_i", "1'b0"
    ),
    "a response during a stall is lost": Fault(
        _ADAPTER, "if (rsp_ready_o && rsp_valid_i) here_q <= 1'b1;", ""
    ),
    "a reset leaves a response owed": Fault(_ADAPTER, "owed_q     <= 1'b0;", ""),
    "a drain does not wait for sums": Fault(_DRAIN, "(ready_q != 2'd0) && ", ""),
    "A does not wait for W's last line": Fault(
        _CONTROLLER, "a_final_ok_o = w_final_i", "a_final_ok_o = 1'b1"
    ),
    "weights are loaded over those that wait": Fault(
        _CONTROLLER, "!w_first_i || !loaded_q", "1'b1"
    ),
    # Block scales.
    "the last column's scale is not loaded": Fault(
        _WEIGHT_SCALE,
        "load_q[Depth] && index_q",
        "c != Lanes - 1 && load_q[Depth] && index_q",
        SCALED,
    ),
    "the base of A's scales has 3 bits": Fault(
        _ACT_SCALE, "base_q <= cfg_data_i", "base_q <= cfg_data_i & 32'd7", SCALED
    ),
    "scales are asked for before the tile before is done": Fault(
        _WEIGHT_SCALE, "valid_q && !done_q", "valid_q", SCALED
    ),
}


def planted(fault: Fault, folder: Path) -> Report:
    """The quick check of an array with a fault, up to the first stage that sees it.

    Stages that look at blocks alone are left out: none of the faults is in one of these.
    """
    sound = hardware(fault.array)
    files = dict(sound.files)
    assert files[fault.source].count(fault.old) == 1, fault.old
    files[fault.source] = files[fault.source].replace(fault.old, fault.new)

    def explainer(context: Context) -> Explain:
        return Divergence(context, folder, "systolab check F --quick").explain

    wrong = replace(sound, files=files)
    names = [stage.name for stage in stages_of(fault.array) if stage.needs is Part.MODEL]
    for name in names:
        report = check(Request(fault.array, Level.QUICK, stages=[name]), explainer, wrong)
        if not report.passed:
            break
    return report


def place(report: Report) -> tuple[str, str]:
    """The stage that sees a fault, and where it says that it is: a signal, or what a port saw."""
    stage = report.stages[-1]
    assert stage.finding is not None
    rows = {label.strip(): text for label, text in stage.finding.details}
    if "signal" in rows:
        return stage.name, f"{rows['signal']} in cycle {rows['cycle']}"
    return stage.name, rows["found"] if "clock cycle" in rows.get("found", "") else ""


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_quick_check_finds_and_locates(name: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    report = planted(FAULTS[name], tmp_path)
    seconds = time.monotonic() - begin
    assert not report.passed
    stage, where = place(report)
    assert where, report.text()
    assert seconds < LIMIT
    print(f"{name} | {stage} | {where} | {seconds:.0f} s")
