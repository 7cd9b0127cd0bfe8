// Read stream: turns an access pattern into one vector of codes a step.
//
// Two stages: the walker requests a line; in the next cycle the response is there and every lane
// picks its code from it or from the line held from before. The gathered vector stands in code_o
// and active_o two cycles after the cycle in which the walker issued it.

module systolab_read_stream #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned CodeWidth = 8,
  parameter int unsigned OffsetWidth = 4,
  parameter int unsigned Loops = 12,
  parameter int unsigned Guards = 4,
  localparam int unsigned LineWidth = CodeWidth << OffsetWidth
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       en_i,
  input  logic                       cfg_we_i,
  input  logic [6:0]                 cfg_addr_i,
  input  logic [31:0]                cfg_data_i,
  input  logic                       init_i,
  input  logic                       go_i,
  input  logic                       final_ok_i,
  output logic                       valid_o,
  output logic                       first_o,
  output logic                       final_o,
  output logic                       tile_last_o,
  output logic                       outer_last_o,
  output logic                       issue_o,
  // line port
  output logic                       req_o,
  output logic [31-OffsetWidth:0]    req_line_o,
  input  logic [LineWidth-1:0]       rsp_data_i,
  // gathered vector
  output logic [Lanes*CodeWidth-1:0] code_o,
  output logic [Lanes-1:0]           active_o
);

  logic                         fire;
  logic                         fresh;
  logic [Lanes-1:0]             on_held;
  logic [Lanes-1:0]             on_new;
  logic [Lanes*OffsetWidth-1:0] offset;

  systolab_line_walker #(
    .Lanes      (Lanes),
    .OffsetWidth(OffsetWidth),
    .Loops      (Loops),
    .Guards     (Guards)
  ) u_walker (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .en_i        (en_i),
    .cfg_we_i    (cfg_we_i),
    .cfg_addr_i  (cfg_addr_i),
    .cfg_data_i  (cfg_data_i),
    .init_i      (init_i),
    .go_i        (go_i),
    .final_ok_i  (final_ok_i),
    .valid_o     (valid_o),
    .first_o     (first_o),
    .final_o     (final_o),
    .tile_last_o (tile_last_o),
    .outer_last_o(outer_last_o),
    .fire_o      (fire),
    .issue_o     (issue_o),
    .fresh_o     (fresh),
    .new_o       (req_o),
    .line_o      (req_line_o),
    .on_held_o   (on_held),
    .on_new_o    (on_new),
    .offset_o    (offset)
  );

  localparam int unsigned Line = 1 << OffsetWidth;

  logic                         fill_q;   // lanes to fill in this cycle
  logic                         fresh_q;
  logic                         new_q;
  logic [Lanes-1:0]             on_held_q;
  logic [Lanes-1:0]             on_new_q;
  logic [Lanes*OffsetWidth-1:0] offset_q;
  logic [Lanes-1:0]             active_q;
  logic [CodeWidth-1:0]         new_code [Line];
  logic [CodeWidth-1:0]         held_q [Line];
  logic [CodeWidth-1:0]         code_q [Lanes];
  logic [CodeWidth-1:0]         code_d [Lanes];

  always_comb begin
    /* verilator unroll_disable */
    for (int unsigned i = 0; i < Line; i++) new_code[i] = rsp_data_i[i*CodeWidth+:CodeWidth];
  end

  // Every lane takes its code from the new line or from the held one.
  always_comb begin
    code_d = code_q;
    if (fill_q) begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Lanes; i++) begin
        if (on_new_q[i]) code_d[i] = new_code[offset_q[i*OffsetWidth+:OffsetWidth]];
        else if (on_held_q[i]) code_d[i] = held_q[offset_q[i*OffsetWidth+:OffsetWidth]];
      end
    end
  end

  // Without reset: a vector that is not asked for by the controller is looked at by no one.
  always_ff @(posedge clk_i) begin
    if (en_i) begin
      fill_q <= fire;
      new_q  <= req_o;
      code_q <= code_d;
      if (fire) begin
        fresh_q   <= fresh;
        on_held_q <= on_held;
        on_new_q  <= on_new;
        offset_q  <= offset;
      end
      if (new_q) held_q <= new_code;
      // Where there is nothing to fill, this stores what is there already.
      active_q <= on_held_q | on_new_q | (fresh_q ? '0 : active_q);
    end
  end

  for (genvar i = 0; i < int'(Lanes); i++) begin : g_code
    assign code_o[i*CodeWidth+:CodeWidth] = code_q[i];
  end
  assign active_o = active_q;

endmodule
