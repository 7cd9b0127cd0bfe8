// Processing element: the registers around a multiply-add.
//
// For the Float32 accumulator, and for processing elements that formats bring along; see
// systolab_mac. Registers as in systolab_mesh_int, control as in systolab_mesh.

module systolab_pe #(
  parameter int unsigned ActWidth = 33,
  parameter int unsigned WeightWidth = 33,
  parameter int unsigned AccWidth = 32
) (
  input  logic                   clk_i,
  input  logic                   en_i,
  input  logic                   os_i,
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic                   done_i,
  input  logic                   load_i,
  input  logic [ActWidth-1:0]    act_i,
  output logic [ActWidth-1:0]    act_o,
  input  logic [WeightWidth-1:0] weight_i,
  output logic [WeightWidth-1:0] weight_o,
  input  logic [AccWidth-1:0]    sum_i,
  output logic [AccWidth-1:0]    sum_o
);

  logic [ActWidth-1:0]    act_q;
  logic [WeightWidth-1:0] pass_q;
  logic [WeightWidth-1:0] shadow_q;
  logic [WeightWidth-1:0] weight_q;
  logic [AccWidth-1:0]    sum_q /*verilator public_flat_rd*/;
  logic [AccWidth-1:0]    hold_q;
  logic [AccWidth-1:0]    chain_q;

  logic [WeightWidth-1:0] weight;
  logic [AccWidth-1:0]    addend;
  logic [AccWidth-1:0]    sum;

  assign weight = os_i ? weight_i : (first_i ? shadow_q : weight_q);
  assign addend = os_i ? (first_i ? '0 : sum_q) : sum_i;

  systolab_mac u_mac (
    .valid_i (valid_i),
    .act_i   (act_i),
    .weight_i(weight),
    .addend_i(addend),
    .sum_o   (sum)
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
