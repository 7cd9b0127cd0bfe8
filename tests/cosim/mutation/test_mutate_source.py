"""Mutation of SystemVerilog text: what is found, what is changed, what is left alone."""

import pytest

from systolab.cosim.mutation.source import SELECTED, expressions, mutants, mutated, package, schema
from systolab.formats.errors import SystolabError

SOURCE = """
// A comment with a + b and if (c).
module systolab_demo #(
  parameter int unsigned Width = 8,
  localparam int unsigned Wide = Width + 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] a_i,
  output logic [Wide-1:0]  sum_o
);
  localparam int unsigned Half = Width / 2;
  logic [Wide-1:0] sum_q;
  logic [Wide-1:0] next;
  logic unused;
  assign unused = ^a_i;
  if (Width > 4) begin : g_wide
    assign next = a_i[Half-1:0] == 4'd3 ? sum_q + Wide'(a_i) : {Wide {a_i[0]}};
  end
  function automatic logic [3:0] twice(logic [3:0] x);
    logic [3:0] y;
    y = x << 1;
    return y;
  endfunction
  systolab_other #(.Width(Width + 1)) u_other (
    .clk_i(clk_i), .valid_i(a_i[0] && !a_i[1]), .data_o(sum_o)
  );
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) sum_q <= '0;
    else begin
      case (a_i[1:0])
        2'd0, 2'd1: sum_q <= next;
        default: sum_q <= sum_q - 1'b1;
      endcase
    end
  end
endmodule
"""


def test_run_time_expressions_are_found_and_constant_ones_are_not() -> None:
    found = [(e.role, SOURCE[e.start : e.end]) for e in expressions(SOURCE)]
    assert found == [
        ("value", "^a_i"),
        ("value", "a_i[Half-1:0] == 4'd3 ? sum_q + Wide'(a_i) : {Wide {a_i[0]}}"),
        ("value", "x << 1"),
        ("value", "y"),
        ("input", "a_i[0] && !a_i[1]"),
        ("condition", "!rst_ni"),
        ("register", "'0"),
        ("value", "a_i[1:0]"),
        ("register", "next"),
        ("register", "sum_q - 1'b1"),
    ]


def test_reset_values_are_told_from_other_registers() -> None:
    where = {SOURCE[e.start : e.end]: e.where for e in expressions(SOURCE)}
    assert where["'0"] == "reset value"
    assert where["next"] == where["sum_q - 1'b1"] == where["!rst_ni"] == ""
    block = "always_comb begin x = '0; y = a; if (b) x = 1'b1; z = '0; end"
    assert [e.where for e in expressions(block)] == ["default", "", "", "", ""]


def changes(original: str) -> set[str]:
    return {m.variant for m in mutants({"systolab_demo.sv": SOURCE}) if m.original == original}


def test_each_operator() -> None:
    assert changes("x << 1") == {"x >> 1", "x << 2", "x << 0", "'0"}
    assert changes("a_i[0] && !a_i[1]") == {
        "a_i[0] || !a_i[1]",
        "a_i[0] && a_i[1]",
        "a_i[1] && !a_i[1]",
        "a_i[0] && !a_i[2]",
        "a_i[0] && !a_i[0]",
        "'0",
    }
    assert changes("!rst_ni") == {"rst_ni", "!(!rst_ni)", "1'b1", "1'b0"}
    assert changes("sum_q - 1'b1") == {"sum_q + 1'b1", "sum_q - 1'd0", "sum_q", "'0"}
    assert changes("'0") == {"'1", "sum_q"}


def test_widths_are_left_alone() -> None:
    """Part selects, casts and replication counts keep the width of the expression."""
    text = "a_i[Half-1:0] == 4'd3 ? sum_q + Wide'(a_i) : {Wide {a_i[0]}}"
    for variant in changes(text):
        if variant != "'0":
            assert "a_i[Half-1:0]" in variant
            assert "Wide'(a_i)" in variant
            assert "{Wide {" in variant
    assert changes("a_i[1:0]") == {"'0"}


def test_unused_signals_are_no_place_for_a_fault() -> None:
    assert changes("^a_i") == set()


def test_mutants_name_their_place() -> None:
    mutant = next(m for m in mutants({"systolab_demo.sv": SOURCE}) if m.variant == "x >> 1")
    assert mutant.block == "demo"
    assert str(mutant) == "systolab_demo.sv:22: << to >>: x << 1 -> x >> 1"
    assert mutated(SOURCE, mutant) == SOURCE.replace("x << 1", "x >> 1")


def test_a_schema_holds_all_variants_and_the_original() -> None:
    chosen = [m for m in mutants({"systolab_demo.sv": SOURCE}) if m.original == "x << 1"]
    text = schema("systolab_demo.sv", SOURCE, chosen)
    cases = "".join(f"({SELECTED} == {m.number}) ? ({m.variant}) : " for m in chosen)
    assert text == SOURCE.replace("x << 1", f"({cases}(x << 1))")
    assert schema("systolab_demo.sv", SOURCE, []) == SOURCE
    assert schema("systolab_other.sv", SOURCE, chosen) == SOURCE
    assert "int selected" in package()


def test_mutants_of_another_text_are_refused() -> None:
    chosen = mutants({"systolab_demo.sv": SOURCE})
    with pytest.raises(SystolabError, match="must be those of the given text"):
        schema("systolab_demo.sv", "\n" + SOURCE, chosen)


def test_unbalanced_text_is_refused() -> None:
    with pytest.raises(SystolabError, match="must have matching brackets"):
        expressions("module m; always_comb if (a begin end")


def test_the_verilog_of_2001_is_read_too() -> None:
    source = (
        "module own (input wire [1:0] a, input wire b, output reg [1:0] y, output reg z);\n"
        "  wire [1:0] n = ~a, m = a + n;\n"
        "  wire unused;\n"
        "  always @* begin y = m; end\n"
        "  always @(posedge b) z <= a[0];\n"
        "endmodule\n"
    )
    found = [(e.role, e.target, source[e.start : e.end]) for e in expressions(source)]
    assert found == [
        ("value", "n", "~a"),
        ("value", "m", "a + n"),
        ("value", "y", "m"),
        ("register", "z", "a[0]"),
    ]
