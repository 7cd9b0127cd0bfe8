// Clamp: x < low ? low : high < x ? high : x, as binary32 compares (-0 equals +0, NaN passes).
// Combinational; valid_i isolates the operand.

module systolab_f32_clamp (
  input  logic        valid_i,
  input  logic [31:0] x_i,
  input  logic [31:0] low_i,
  input  logic [31:0] high_i,
  output logic [31:0] value_o
);

  // Unsigned order of binary32 values; both zeros are in the middle.
  function automatic [31:0] order(input [31:0] x);
    order = x[31] ? 32'h80000000 - {1'b0, x[30:0]} : {1'b1, x[30:0]};
  endfunction

  logic is_nan;

  always_comb begin
    value_o = x_i;
    is_nan  = (x_i[30:0] > 31'h7f800000);
    if (valid_i && !is_nan) begin
      if (order(x_i) < order(low_i)) value_o = low_i;
      else if (order(high_i) < order(x_i)) value_o = high_i;
    end
  end

endmodule
