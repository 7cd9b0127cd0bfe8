// Skew: delays lane i by i cycles, so that a vector enters the array as a diagonal wavefront.

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

  for (genvar i = 1; i < int'(Lanes); i++) begin : g_lane
    logic [i*Width-1:0] delay_q;
    if (i == 1) begin : g_one
      always_ff @(posedge clk_i) begin
        if (en_i) delay_q <= data_i[i*Width+:Width];
      end
    end else begin : g_more
      always_ff @(posedge clk_i) begin
        if (en_i) delay_q <= {delay_q[(i-1)*Width-1:0], data_i[i*Width+:Width]};
      end
    end
    assign data_o[i*Width+:Width] = delay_q[(i-1)*Width+:Width];
  end

endmodule
