// Minifloat decoder: value = significand * 2^exponent, in units of the smallest magnitude.

module minifloat_decoder (
  input  wire [7:0]        code_i,
  output wire [3:0]        exponent_o,
  output wire signed [4:0] significand_o
);

  wire [3:0] field = code_i[6:3];
  wire       normal = |field;
  wire [4:0] magnitude = {1'b0, normal, code_i[2:0]};

  assign exponent_o    = normal ? field - 4'd1 : 4'd0;
  assign significand_o = code_i[7] ? -magnitude : magnitude;

endmodule
