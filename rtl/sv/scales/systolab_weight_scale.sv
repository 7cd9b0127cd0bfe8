// Block scales of W: one binary32 for every column of a tile, one column a cycle.
//
// Fetches the scales of a tile while its weights load, and delays them so that they meet the
// columns on the same wavefront as the sums do: the scale that column c asked for in cycle u is
// there in u + Rows + 2, and may be stored in the cycle in which the column swaps in its last one.
//
// Configuration words: 0 base, 1 lane count, 2 lane stride, from 32 on: systolab_loop_nest.

module systolab_weight_scale #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Lanes = 16,
  parameter int unsigned Loops = 12
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             en_i,
  input  logic             cfg_we_i,
  input  logic [6:0]       cfg_addr_i,
  input  logic [31:0]      cfg_data_i,
  input  logic             init_i,
  input  logic             swap_i,      // the tile's first vector of A enters the array
  output logic             ready_o,     // all scales of the tile are asked for
  // scale port
  output logic             req_o,
  output logic [31:0]      req_index_o,
  input  logic [31:0]      rsp_data_i,
  // to the columns
  output logic [Lanes-1:0] load_o,
  output logic [31:0]      scale_o
);

  localparam int unsigned Depth = Rows + 1;
  localparam int unsigned LaneWidth = (Lanes > 1) ? $clog2(Lanes) : 1;

  logic [31:0] base_q;
  logic [6:0]  lane_count_q;
  logic [31:0] lane_stride_q;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i) begin
      case (cfg_addr_i)
        7'd0: base_q <= cfg_data_i;
        7'd1: lane_count_q <= cfg_data_i[6:0];
        7'd2: lane_stride_q <= cfg_data_i;
        default: ;
      endcase
    end
  end

  logic             valid_q;   // tiles remain
  logic             done_q;    // this one's scales are all asked for
  logic [6:0]       lane_q;
  logic [31:0]      offset_q;
  logic [31:0]      vector;
  logic [Loops-1:0] last;
  logic             lane_last;

  assign req_o       = valid_q && !done_q;
  assign req_index_o = vector + offset_q;
  assign lane_last   = (lane_q + 7'd1) == lane_count_q;
  assign ready_o     = done_q;

  systolab_loop_nest #(
    .Loops (Loops),
    .Values(1)
  ) u_loops (
    .clk_i        (clk_i),
    .en_i         (en_i),
    .cfg_we_i     (cfg_we_i),
    .cfg_addr_i   (cfg_addr_i),
    .cfg_data_i   (cfg_data_i),
    .init_i       (init_i),
    .init_values_i(base_q),
    .step_i       (req_o && lane_last),
    .values_o     (vector),
    .last_o       (last)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
    end else if (init_i) begin
      valid_q <= 1'b1;
    end else if (en_i && req_o && lane_last) begin
      valid_q <= !(&last);
    end
  end

  // Nothing looks at these before the start pulse sets them.
  always_ff @(posedge clk_i) begin
    if (init_i) begin
      done_q   <= 1'b0;
      lane_q   <= '0;
      offset_q <= '0;
    end else if (en_i) begin
      if (req_o) begin
        lane_q   <= lane_last ? 7'd0 : lane_q + 7'd1;
        offset_q <= lane_last ? 32'd0 : offset_q + lane_stride_q;
        if (lane_last) done_q <= 1'b1;
      end
      if (swap_i) done_q <= 1'b0;
    end
  end

  logic [Depth:0]               load_q;  // bit 0 stands beside the response
  logic [(Depth+1)*LaneWidth-1:0] index_q;
  logic [Depth*32-1:0]          scale_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      load_q <= '0;
    end else if (en_i) begin
      load_q <= {load_q[Depth-1:0], req_o};
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      index_q <= {index_q[Depth*LaneWidth-1:0], LaneWidth'(lane_q)};
      scale_q <= {scale_q[(Depth-1)*32-1:0], rsp_data_i};
    end
  end

  for (genvar c = 0; c < int'(Lanes); c++) begin : g_load
    assign load_o[c] = load_q[Depth] && index_q[Depth*LaneWidth+:LaneWidth] == LaneWidth'(c);
  end

  assign scale_o = scale_q[(Depth-1)*32+:32];

endmodule
