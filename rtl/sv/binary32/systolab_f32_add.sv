// binary32 addition (systolab_f32_add_pkg).
// Combinational; valid_i isolates the operands (0 comes out without it).

module systolab_f32_add (
  input  logic        valid_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] sum_o
);

  always_comb begin
    sum_o = '0;
    if (valid_i) sum_o = systolab_f32_add_pkg::add(a_i, b_i);
  end

endmodule
