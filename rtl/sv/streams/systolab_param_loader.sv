// Parameter loader: scale and bias of every column, double-buffered, one lane a cycle.
//
// Loads the parameters of the next outer iteration as soon as one of the two buffers is free.
//
// Configuration words: 0 base, 1 lane count, 2 lane stride, from 32 on: systolab_loop_nest.

module systolab_param_loader #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned Loops = 12
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  input  logic                cfg_we_i,
  input  logic [6:0]          cfg_addr_i,
  input  logic [31:0]         cfg_data_i,
  input  logic                init_i,
  input  logic                release_i,  // the oldest buffer is free again
  output logic                ready_o,    // the oldest buffer is loaded
  output logic [Lanes*32-1:0] scale_o,    // its contents
  output logic [Lanes*32-1:0] bias_o,
  // parameter port
  output logic                req_o,
  output logic [31:0]         req_index_o,
  input  logic [63:0]         rsp_data_i  // {bias, scale}
);

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

  logic             valid_q;     // outer iterations remain
  logic [1:0]       taken_q;     // buffers loading, loaded or in use
  logic [1:0]       loaded_q;    // buffers loaded or in use
  logic [6:0]       lane_q;
  logic [31:0]      offset_q;
  logic             fill_q;      // buffer that is being loaded
  logic             drain_q;     // buffer that is in use
  logic             rsp_q;       // a response arrives
  logic             rsp_last_q;
  logic             rsp_fill_q;
  logic [LaneWidth-1:0] rsp_lane_q;
  logic [Loops-1:0] last;
  logic [31:0]      vector;
  logic             lane_last;

  assign req_o       = valid_q && taken_q != 2'd2;
  assign req_index_o = vector + offset_q;
  assign lane_last   = (lane_q + 7'd1) == lane_count_q;

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
      valid_q    <= 1'b0;
      taken_q    <= 2'd0;
      loaded_q   <= 2'd0;
      fill_q     <= 1'b0;
      drain_q    <= 1'b0;
      rsp_last_q <= 1'b0;
    end else if (init_i) begin
      valid_q <= 1'b1;
    end else if (en_i) begin
      rsp_last_q <= req_o && lane_last;
      if (req_o && lane_last) begin
        fill_q  <= !fill_q;
        valid_q <= !(&last);
      end
      taken_q  <= taken_q + 2'(req_o && lane_last) - 2'(release_i);
      loaded_q <= loaded_q + 2'(rsp_last_q) - 2'(release_i);
      if (release_i) drain_q <= !drain_q;
    end
  end

  // Nothing looks at these before the start pulse sets them.
  always_ff @(posedge clk_i) begin
    if (init_i) begin
      lane_q   <= '0;
      offset_q <= '0;
    end else if (en_i && req_o) begin
      lane_q   <= lane_last ? 7'd0 : lane_q + 7'd1;
      offset_q <= lane_last ? 32'd0 : offset_q + lane_stride_q;
    end
  end

  logic [Lanes*32-1:0] scale_q [2];
  logic [Lanes*32-1:0] bias_q [2];

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      rsp_q      <= req_o;
      rsp_fill_q <= fill_q;
      rsp_lane_q <= LaneWidth'(lane_q);
      if (rsp_q) begin
        scale_q[rsp_fill_q][32'(rsp_lane_q)*32+:32] <= rsp_data_i[31:0];
        bias_q[rsp_fill_q][32'(rsp_lane_q)*32+:32]  <= rsp_data_i[63:32];
      end
    end
  end

  assign ready_o = (loaded_q != 2'd0);
  assign scale_o = scale_q[drain_q];
  assign bias_o  = bias_q[drain_q];

endmodule
