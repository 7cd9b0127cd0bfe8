// binary32 multiplication (systolab_f32_mul_pkg).
// Combinational; valid_i isolates the operands (+0 comes out without it).

module systolab_f32_mul (
  input  logic        valid_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic [31:0] product_o
);

  always_comb begin
    product_o = '0;
    if (valid_i) product_o = systolab_f32_mul_pkg::multiply(a_i, b_i);
  end

endmodule
