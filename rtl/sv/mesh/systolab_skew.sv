// Skew: delays lane i by i cycles, so that a vector enters the array as a diagonal wavefront.
//
// Stage s passes whole vectors on, of which only the lanes above s are used: synthesis drops the
// others, and simulation moves words instead of single lanes.

module systolab_skew #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned Width = 8
) (
  input  logic                   clk_i,
  input  logic                   en_i,
  input  logic [Lanes*Width-1:0] data_i,
  output logic [Lanes*Width-1:0] data_o
);

  assign data_o[Width-1:0] = data_i[Width-1:0];

  if (Lanes == 1) begin : g_no_delay
    logic unused_clock;
    assign unused_clock = clk_i ^ en_i;
  end else begin : g_delay
    localparam int unsigned Stages = Lanes - 1;

    logic [Lanes*Width-1:0] stage_q [Stages];
    logic [Lanes*Width-1:0] stage_d [Stages];

    always_comb begin
      stage_d[0] = data_i;
      /* verilator unroll_disable */
      for (int unsigned s = 1; s < Stages; s++) stage_d[s] = stage_q[s-1];
    end

    always_ff @(posedge clk_i) begin
      if (en_i) stage_q <= stage_d;
    end

    for (genvar s = 0; s < int'(Stages); s++) begin : g_lane
      assign data_o[(s+1)*Width+:Width] = stage_q[s][(s+1)*Width+:Width];
    end

    logic unused_lanes;
    assign unused_lanes = ^stage_q[Stages-1][Stages*Width-1:0];
  end

endmodule
