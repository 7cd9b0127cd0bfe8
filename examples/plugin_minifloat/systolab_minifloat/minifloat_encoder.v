// Minifloat encoder: binary32 to the nearest code, ties to the even one, saturating; NaN to zero.

module minifloat_encoder (
  input  wire [31:0] value_i,
  output wire [7:0]  code_o
);

  wire [7:0]  biased = value_i[30:23];
  wire        is_nan = value_i[30:0] > 31'h7f800000;
  // From 8 = 2^3 on, the leading one is hidden in the exponent field; below, codes are integers.
  wire        normal = biased >= 8'd130;
  wire        tiny   = biased < 8'd125;   // below a quarter: zero
  wire [2:0]  right  = normal ? 3'd0 : 3'd2 - biased[2:0];  // 130 - biased, for 125 .. 129
  wire [28:0] aligned = {1'b1, value_i[22:0], 5'd0} >> right;
  wire [3:0]  top    = aligned[28:25];
  wire        guard  = aligned[24];
  wire        sticky = |aligned[23:0];
  wire [7:0]  field  = normal ? biased - 8'd129 : 8'd0;
  wire [10:0] floor  = {field, top[2:0]};
  wire [10:0] rounded = floor + {10'd0, guard && (sticky || floor[0])};
  wire [6:0]  magnitude = tiny ? 7'd0 : (rounded > 11'd127) ? 7'd127 : rounded[6:0];

  assign code_o = is_nan ? 8'd0 : {value_i[31], magnitude};

  wire unused = top[3];

endmodule
