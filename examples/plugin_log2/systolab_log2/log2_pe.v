// Multiply-add of log2 on its codes: the product of two powers of two is a power of two, so that the
// multiplier is an adder of five bits and a shifter.

module log2_pe #(
  parameter AccWidth = 32,  // bits of a sum
  parameter AccLsb   = 0    // its unit is 2^AccLsb
) (
  input  wire [4:0]          act_i,
  input  wire [4:0]          weight_i,
  input  wire [AccWidth-1:0] addend_i,
  output wire [AccWidth-1:0] sum_o
);

  // {sign, field}: the magnitude is 2^(field - 1), or zero where the field is.
  wire       zero      = act_i[3:0] == 4'd0 || weight_i[3:0] == 4'd0;
  wire       negative  = act_i[4] ^ weight_i[4];
  wire [4:0] logarithm = {1'b0, act_i[3:0]} + {1'b0, weight_i[3:0]} - 5'd2;

  wire [AccWidth-1:0] unit      = {{(AccWidth - 1) {1'b0}}, 1'b1};
  wire [AccWidth-1:0] magnitude = zero ? {AccWidth{1'b0}} : (unit << -AccLsb) << logarithm;

  assign sum_o = negative ? addend_i - magnitude : addend_i + magnitude;

endmodule
