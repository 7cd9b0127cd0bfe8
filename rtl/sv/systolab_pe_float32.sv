// Processing element for the Float32 accumulator.
//
// An operand is {active, binary32}. The product is rounded once, every sum is rounded, to nearest
// even. An inactive operand contributes exactly +0, whatever the other one is.
// Registers as in systolab_mesh_int, control as in systolab_mesh.

module systolab_pe_float32 (
  input  logic        clk_i,
  input  logic        en_i,
  input  logic        os_i,
  input  logic        valid_i,
  input  logic        first_i,
  input  logic        done_i,
  input  logic        load_i,
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
  logic [31:0] sum_q /*verilator public_flat_rd*/;
  logic [31:0] hold_q;
  logic [31:0] chain_q;

  logic [32:0] weight;
  logic [31:0] addend;
  logic        active;
  logic [31:0] product;
  logic [31:0] sum;

  assign weight = os_i ? weight_i : (first_i ? shadow_q : weight_q);
  assign addend = os_i ? (first_i ? '0 : sum_q) : sum_i;
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
      if (valid_i) sum_q <= sum;
      if (os_i) begin
        if (done_i) hold_q <= sum_q;
        chain_q <= load_i ? hold_q : sum_i;
      end else begin
        if (valid_i && first_i) weight_q <= shadow_q;
        if (load_i) shadow_q <= weight_i;
      end
    end
  end

  assign act_o    = act_q;
  assign weight_o = pass_q;
  assign sum_o    = os_i ? chain_q : sum_q;

endmodule
