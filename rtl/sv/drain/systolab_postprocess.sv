// Post-processing of one column: convert, scale, add bias, clamp, encode; one step a cycle.
//
// valid_i[k] says that a value stands before step k: 0 convert, 1 scale, 2 bias, 3 clamp and encode.

module systolab_postprocess #(
  parameter int unsigned AccWidth = 32,
  parameter int          Lsb = 0,
  parameter bit          Float32 = 1'b0,
  parameter int unsigned CodeWidth = 8
) (
  input  logic                 clk_i,
  input  logic                 en_i,
  input  logic [3:0]           valid_i,
  input  logic [AccWidth-1:0]  acc_i,
  input  logic [31:0]          scale_i,
  input  logic [31:0]          bias_i,
  input  logic [31:0]          low_i,
  input  logic [31:0]          high_i,
  output logic [CodeWidth-1:0] code_o
);

  logic [31:0]          converted;
  logic [31:0]          scaled;
  logic [31:0]          biased;
  logic [31:0]          clamped;
  logic [CodeWidth-1:0] code;
  logic [31:0]          converted_q;
  logic [31:0]          scaled_q;
  logic [31:0]          biased_q;
  logic [CodeWidth-1:0] code_q;

  if (Float32) begin : g_float32
    assign converted = acc_i;
  end else begin : g_integer
    systolab_int_to_f32 #(
      .Width(AccWidth),
      .Lsb  (Lsb)
    ) u_convert (
      .valid_i(valid_i[0]),
      .x_i    (acc_i),
      .value_o(converted)
    );
  end

  systolab_f32_mul u_scale (
    .valid_i  (valid_i[1]),
    .a_i      (converted_q),
    .b_i      (scale_i),
    .product_o(scaled)
  );

  systolab_f32_add u_bias (
    .valid_i(valid_i[2]),
    .a_i    (scaled_q),
    .b_i    (bias_i),
    .sum_o  (biased)
  );

  systolab_f32_clamp u_clamp (
    .valid_i(valid_i[3]),
    .x_i    (biased_q),
    .low_i  (low_i),
    .high_i (high_i),
    .value_o(clamped)
  );

  systolab_out_encoder u_encoder (
    .valid_i(valid_i[3]),
    .value_i(clamped),
    .code_o (code)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (valid_i[0]) converted_q <= converted;
      if (valid_i[1]) scaled_q <= scaled;
      if (valid_i[2]) biased_q <= biased;
      if (valid_i[3]) code_q <= code;
    end
  end

  assign code_o = code_q;

endmodule
