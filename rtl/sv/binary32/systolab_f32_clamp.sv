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
  logic [31:0] x_key;
  logic [31:0] low_key;
  logic [31:0] high_key;
  logic        is_nan;

  assign x_key    = x_i[31] ? 32'h80000000 - {1'b0, x_i[30:0]} : {1'b1, x_i[30:0]};
  assign low_key  = low_i[31] ? 32'h80000000 - {1'b0, low_i[30:0]} : {1'b1, low_i[30:0]};
  assign high_key = high_i[31] ? 32'h80000000 - {1'b0, high_i[30:0]} : {1'b1, high_i[30:0]};
  assign is_nan   = (x_i[30:0] > 31'h7f800000);

  always_comb begin
    value_o = x_i;
    if (valid_i && !is_nan) begin
      if (x_key < low_key) value_o = low_i;
      else if (high_key < x_key) value_o = high_i;
    end
  end

endmodule
