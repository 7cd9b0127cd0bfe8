"""The runner of Yosys, and its proofs that two modules are equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from systolab import formats
from systolab.cosim.synthesis import yosys
from systolab.cosim.synthesis.yosys import Counterexample, Proved, TimeUpError, Unknown, prove_equal
from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array

pytestmark = pytest.mark.skipif(not yosys.available(), reason=yosys.MISSING)

ADDER = """
module adder (input logic [3:0] x_i, input logic [3:0] y_i, output logic [4:0] sum_o);
  assign sum_o = 5'(x_i) + 5'(y_i);
endmodule
"""
COUNTER = """
module counter #(parameter int unsigned Width = 4) (
  input logic clk_i, input logic rst_ni, input logic up_i, output logic [Width-1:0] count_o
);
  logic [Width-1:0] count_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else if (up_i) count_q <= count_q + 1'b1;
  end
  assign count_o = count_q;
endmodule
"""


def _one(text: str) -> dict[str, str]:
    return {"unit.sv": text}


def _changed(text: str, old: str, new: str) -> dict[str, str]:
    assert old in text
    return _one(text.replace(old, new))


def test_another_adder_is_equal() -> None:
    gate = _changed(ADDER, "5'(x_i) + 5'(y_i)", "5'd0 - (5'd0 - 5'(y_i) - 5'(x_i))")
    result = prove_equal(_one(ADDER), gate, "adder")
    assert isinstance(result, Proved)
    assert result.method == "SAT"


def test_a_wrong_adder_is_disproved_by_its_one_wrong_sum() -> None:
    wrong = "(x_i == 4'd9 && y_i == 4'd3) ? 5'd3 : 5'(x_i) + 5'(y_i)"
    gate = _changed(ADDER.replace("module adder", "module other"), "5'(x_i) + 5'(y_i)", wrong)
    result = prove_equal(_one(ADDER), gate, "adder", "other")
    assert isinstance(result, Counterexample)
    assert len(result.steps) == 1
    assert result.last.inputs == {"x_i": 9, "y_i": 3}
    assert (result.last.gold, result.last.gate) == ({"sum_o": 12}, {"sum_o": 3})


@pytest.mark.parametrize("value", ["'x", "{1'b0, x_i & 4'bxxxx}"])
def test_an_undefined_value_that_reaches_an_output_is_no_equality(value: str) -> None:
    gold = _changed(ADDER, "5'(x_i) + 5'(y_i)", "x_i == 4'd5 ? 5'd0 : 5'd1")
    gate = _changed(ADDER, "5'(x_i) + 5'(y_i)", f"x_i == 4'd5 ? {value} : 5'd1")
    result = prove_equal(gold, gate, "adder")
    assert isinstance(result, Counterexample)
    assert result.last.inputs["x_i"] == 5


def test_undefined_values_are_shared_by_versions_of_a_module() -> None:
    text = ADDER.replace("5'(x_i) + 5'(y_i)", "x_i == 4'd5 ? 'x : 5'(x_i)")
    assert isinstance(prove_equal(_one(text), _one(text), "adder"), Proved)


def test_the_same_registers_are_proved_in_one_step() -> None:
    gate = _changed(COUNTER, "count_q + 1'b1", "count_q - '1")
    result = prove_equal(_one(COUNTER), gate, "counter", parameters={"Width": 9})
    assert isinstance(result, Proved)
    assert result.method == "induction over equal registers"


def test_other_registers_are_proved_by_the_outputs() -> None:
    """A counter that holds the complement of its count."""
    gate = COUNTER.replace("count_q <= '0", "other_q <= '1").replace(
        "count_q <= count_q + 1'b1", "other_q <= other_q - 1'b1"
    )
    gate = gate.replace("logic [Width-1:0] count_q;", "logic [Width-1:0] other_q;")
    gate = gate.replace("count_o = count_q", "count_o = ~other_q")
    result = prove_equal(_one(COUNTER), _one(gate), "counter")
    assert isinstance(result, Proved)
    assert result.method == "temporal induction"


def test_no_equality_is_assumed_at_the_start() -> None:
    """A register that keeps what it starts with must not be taken for zero."""
    keeper = COUNTER.replace("logic [Width-1:0] count_q;", "logic [Width-1:0] count_q; logic k_q;")
    keeper = keeper.replace("assign", "always_ff @(posedge clk_i) k_q <= k_q;\n  assign")
    gate = _changed(keeper, "count_o = count_q", "count_o = count_q ^ {Width{k_q}}")
    result = prove_equal(_one(keeper), gate, "counter")
    assert isinstance(result, Counterexample)
    assert result.last.gold["count_o"] ^ result.last.gate["count_o"] == 15


def test_another_reset_value_is_disproved() -> None:
    gate = _changed(COUNTER, "count_q <= '0", "count_q <= Width'(3)")
    result = prove_equal(_one(COUNTER), gate, "counter")
    assert isinstance(result, Counterexample)
    assert result.last.gate == {"count_o": 3}


def test_a_wrong_counter_is_disproved_by_a_sequence_from_reset() -> None:
    gate = _changed(COUNTER, "else if (up_i)", "else if (up_i && count_q != 4'd2)")
    result = prove_equal(_one(COUNTER), gate, "counter")
    assert isinstance(result, Counterexample)
    assert [step.inputs["rst_ni"] for step in result.steps[:2]] == [0, 1]
    assert [step.gold["count_o"] for step in result.steps[:2]] == [0, 0]
    assert result.last.gold == {"count_o": 3}
    assert result.last.gate == {"count_o": 2}


@pytest.mark.slow
def test_a_difference_beyond_the_search_stays_unknown() -> None:
    gate = _changed(COUNTER, "else if (up_i)", "else if (up_i && count_q != 8'd200)")
    result = prove_equal(_one(COUNTER), gate, "counter", parameters={"Width": 8}, seconds=20)
    assert isinstance(result, Unknown)


@pytest.mark.slow
def test_memories_are_compared_word_by_word() -> None:
    fmt = formats.get("adaptivfloat:4,2")
    files = hardware(Array(2, 3, fmt, fmt, fmt, formats.Exact(), acc_rows=4)).files
    name = "systolab_accumulator.sv"
    gate = dict(files) | _one("")
    gate[name] = gate[name].replace("add_q ? old + sum_i : sum_i", "sum_i + (add_q ? old : '0)")
    assert gate[name] != files[name]
    settings = {"AccWidth": 6, "AccRows": 4}
    top = "systolab_accumulator"
    assert isinstance(prove_equal(files, gate, top, parameters=settings), Proved)
    gate[name] = files[name].replace("bank1_q[row_q] <= sum", "bank1_q[row_q] <= old")
    assert gate[name] != files[name]
    assert isinstance(prove_equal(files, gate, top, parameters=settings), Counterexample)


def test_out_of_time_is_unknown() -> None:
    multiplier = ADDER.replace("[3:0]", "[19:0]").replace("[4:0]", "[19:0]")
    gold = _changed(multiplier, "5'(x_i) + 5'(y_i)", "x_i * y_i")
    gate = _changed(multiplier, "5'(x_i) + 5'(y_i)", "(x_i - 20'd1) * y_i + y_i")
    result = prove_equal(gold, gate, "adder", seconds=2)
    assert result == Unknown("no proof and no counterexample in 2 s")


def test_what_yosys_cannot_read_is_an_error() -> None:
    with pytest.raises(SystolabError) as error:
        prove_equal(_one(ADDER), _one("module adder ("), "adder")
    assert str(error.value).startswith("Yosys must come to the end of its script, not stop: gate/")


def test_an_end_without_the_end_of_the_script_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match="must come to the end of its script, not stop: "):
        yosys.run(["exec -expect-return 0 -- exit 1"], tmp_path)


def test_time_limit_of_a_script(tmp_path: Path) -> None:
    with pytest.raises(TimeUpError, match="Yosys must finish within 0 s, it did not"):
        yosys.run(["log"], tmp_path, 0.01)
