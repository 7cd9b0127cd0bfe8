// Scaling of one column's sums by the scales of their blocks, in two steps of one cycle:
// the exact sum becomes a binary32 while the scale of A is multiplied by that of W; then the one is
// multiplied by the other. Every step is rounded to nearest even. A zero comes out as +0, whatever
// the scales: what is not there adds nothing.
//
// A's scale moves right with the wavefront. W's waits in shadow_q until the first sum of its tile.

module systolab_column_scale #(
  parameter int unsigned SumWidth = 32,
  parameter int          Lsb = 0
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  // scale of A, and the same for the next column
  input  logic                valid_i,
  input  logic                first_i,   // the sum is the first of its tile
  input  logic [31:0]         act_i,
  output logic                valid_o,
  output logic                first_o,
  output logic [31:0]         act_o,
  // scale of W
  input  logic                load_i,
  input  logic [31:0]         weight_i,
  // column sum; two cycles later, scaled
  input  logic [SumWidth-1:0] sum_i,
  output logic [31:0]         scaled_o
);

  logic        valid_q;
  logic        first_q;
  logic [31:0] act_q;
  logic [31:0] shadow_q;
  logic [31:0] weight_q;
  logic [31:0] factor_q;
  logic [31:0] sum_q;
  logic [31:0] scaled_q;
  logic [31:0] weight;
  logic [31:0] factor;
  logic [31:0] sum;
  logic [31:0] scaled;

  assign weight = first_i ? shadow_q : weight_q;

  systolab_f32_mul u_factor (
    .valid_i  (valid_i),
    .a_i      (act_i),
    .b_i      (weight),
    .product_o(factor)
  );

  systolab_int_to_f32 #(
    .Width(SumWidth),
    .Lsb  (Lsb)
  ) u_convert (
    .valid_i(valid_i),
    .x_i    (sum_i),
    .value_o(sum)
  );

  systolab_f32_mul u_scale (
    .valid_i  (valid_q && sum_q[30:0] != 31'd0),
    .a_i      (sum_q),
    .b_i      (factor_q),
    .product_o(scaled)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
    end else if (en_i) begin
      valid_q <= valid_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      first_q <= first_i;
      act_q   <= act_i;
      if (load_i) shadow_q <= weight_i;
      if (valid_i) begin
        weight_q <= weight;
        factor_q <= factor;
        sum_q    <= sum;
      end
      scaled_q <= (scaled[30:0] == 31'd0) ? 32'd0 : scaled;
    end
  end

  assign valid_o  = valid_q;
  assign first_o  = first_q;
  assign act_o    = act_q;
  assign scaled_o = scaled_q;

endmodule
