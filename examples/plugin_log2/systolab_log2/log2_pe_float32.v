// Multiply-add of log2 on its codes, where sums are binary32: products are exact, and the array's own
// adder rounds the sum.

module log2_pe_float32 (
  input  wire [4:0]  act_i,
  input  wire [4:0]  weight_i,
  input  wire [31:0] addend_i,
  output wire [31:0] sum_o
);

  // The biased exponent of 2^(field - 1) * 2^(field - 1) is the sum of the fields + 125.
  wire        zero     = act_i[3:0] == 4'd0 || weight_i[3:0] == 4'd0;
  wire        negative = act_i[4] ^ weight_i[4];
  wire [7:0]  exponent = {4'd0, act_i[3:0]} + {4'd0, weight_i[3:0]} + 8'd125;
  wire [31:0] product  = zero ? 32'd0 : {negative, exponent, 23'd0};

  systolab_f32_add u_add (
    .valid_i(1'b1),
    .a_i    (addend_i),
    .b_i    (product),
    .sum_o  (sum_o)
  );

endmodule
