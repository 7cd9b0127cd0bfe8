// Processing element for the Float32 accumulator.
//
// An operand is {active, binary32}. The product is rounded once, every sum is rounded, to nearest
// even. An inactive operand contributes exactly +0, whatever the other one is.
// Dataflow as in systolab_pe_int.

module systolab_pe_float32 (
  input  logic        clk_i,
  input  logic        en_i,
  input  logic        os_i,
  input  logic        valid_i,
  input  logic        first_i,
  input  logic        last_i,
  input  logic        move_i,
  input  logic        select_i,
  input  logic [32:0] act_i,
  output logic [32:0] act_o,
  input  logic [32:0] weight_i,
  output logic [32:0] weight_o,
  input  logic [31:0] sum_i,
  output logic [31:0] sum_o
);

  logic [32:0] act_q;
  logic [32:0] pass_q;
  logic [32:0] shadow_q;
  logic [32:0] weight_q;
  logic [31:0] psum_q /*verilator public_flat_rd*/;
  logic [31:0] acc_q /*verilator public_flat_rd*/;
  logic [31:0] drain_q;

  logic [32:0] weight;
  logic [31:0] addend;
  logic        active;
  logic [31:0] product;
  logic [31:0] sum;

  always_comb begin
    if (os_i) begin
      weight = weight_i;
      addend = first_i ? '0 : acc_q;
    end else begin
      weight = first_i ? shadow_q : weight_q;
      addend = sum_i;
    end
  end

  assign active = valid_i && act_i[32] && weight[32];

  systolab_f32_mul u_mul (
    .valid_i  (active),
    .a_i      (act_i[31:0]),
    .b_i      (weight[31:0]),
    .product_o(product)
  );

  systolab_f32_add u_add (
    .valid_i(valid_i),
    .a_i    (addend),
    .b_i    (product),
    .sum_o  (sum)
  );

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      act_q  <= act_i;
      pass_q <= weight_i;
      if (os_i) begin
        if (valid_i) begin
          acc_q <= sum;
          if (last_i) drain_q <= sum;
        end
        if (move_i) psum_q <= select_i ? drain_q : sum_i;
      end else begin
        if (valid_i) begin
          psum_q <= sum;
          if (first_i) weight_q <= shadow_q;
        end
        if (move_i && select_i) shadow_q <= weight_i;
      end
    end
  end

  assign act_o    = act_q;
  assign weight_o = pass_q;
  assign sum_o    = psum_q;

endmodule
