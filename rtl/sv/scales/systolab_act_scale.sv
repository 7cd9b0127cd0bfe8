// Block scales of A: one binary32 for every vector, fetched with the vector and delayed until its
// column sum leaves column 0.
//
// A vector issued in cycle t asks for its scale in t, and has its sum in t + Rows + 3.
//
// Configuration words: 0 base, from 32 on: systolab_loop_nest.

module systolab_act_scale #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Loops = 12
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        en_i,
  input  logic        cfg_we_i,
  input  logic [6:0]  cfg_addr_i,
  input  logic [31:0] cfg_data_i,
  input  logic        init_i,
  input  logic        issue_i,     // a vector of A enters the array
  input  logic        first_i,     // ... the first of its tile
  // scale port
  output logic        req_o,
  output logic [31:0] req_index_o,
  input  logic [31:0] rsp_data_i,
  // beside the vector's sum in column 0
  output logic        valid_o,
  output logic        first_o,
  output logic [31:0] scale_o
);

  localparam int unsigned Depth = Rows + 2;

  logic [31:0]      base_q;
  logic [Loops-1:0] unused_last;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i && cfg_addr_i == 7'd0) base_q <= cfg_data_i;
  end

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
    .step_i       (issue_i),
    .values_o     (req_index_o),
    .last_o       (unused_last)
  );

  assign req_o = issue_i;

  logic [Depth:0]      valid_q;  // bit 0 stands beside the response
  logic [Depth:0]      first_q;
  logic [Depth*32-1:0] scale_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (en_i) begin
      valid_q <= {valid_q[Depth-1:0], issue_i};
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      first_q <= {first_q[Depth-1:0], first_i};
      scale_q <= {scale_q[(Depth-1)*32-1:0], rsp_data_i};
    end
  end

  assign valid_o = valid_q[Depth];
  assign first_o = first_q[Depth];
  assign scale_o = scale_q[(Depth-1)*32+:32];

endmodule
