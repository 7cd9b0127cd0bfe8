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
  end

  for (genvar s = 0; s < int'(Lanes) - 1; s++) begin : g_stage
    logic [Lanes*Width-1:0] stage_q;
    if (s == 0) begin : g_first
      always_ff @(posedge clk_i) begin
        if (en_i) stage_q <= data_i;
      end
    end else begin : g_next
      always_ff @(posedge clk_i) begin
        if (en_i) stage_q <= g_stage[s-1].stage_q;
      end
    end
    assign data_o[(s+1)*Width+:Width] = stage_q[(s+1)*Width+:Width];
    if (s == int'(Lanes) - 2) begin : g_last
      logic unused_lanes;
      assign unused_lanes = ^stage_q[(s+1)*Width-1:0];
    end
  end

endmodule
