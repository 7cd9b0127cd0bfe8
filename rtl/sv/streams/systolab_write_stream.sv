// Write stream: scatters vectors of codes over memory lines, combining writes.
//
// Lanes on the held line are merged into it; a new line sends the held one out and takes its place.
// flush_i sends the held line out at the end of an outer iteration.

module systolab_write_stream #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned CodeWidth = 8,
  parameter int unsigned OffsetWidth = 4,
  parameter int unsigned Loops = 12,
  parameter int unsigned Guards = 4,
  localparam int unsigned Line = 1 << OffsetWidth,
  localparam int unsigned LineWidth = CodeWidth << OffsetWidth
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  logic                       en_i,
  input  logic                       cfg_we_i,
  input  logic [6:0]                 cfg_addr_i,
  input  logic [31:0]                cfg_data_i,
  input  logic                       init_i,
  input  logic                       valid_i,   // a vector stands in code_i
  input  logic [Lanes*CodeWidth-1:0] code_i,
  input  logic                       flush_i,
  output logic                       issue_o,   // the vector is done with in this cycle
  // line port
  output logic                       req_o,
  output logic [31-OffsetWidth:0]    req_line_o,
  output logic [LineWidth-1:0]       req_data_o,
  output logic [Line-1:0]            req_mask_o
);

  logic                         fire;
  logic                         found;
  logic [31-OffsetWidth:0]      found_line;
  logic [Lanes-1:0]             on_held;
  logic [Lanes-1:0]             on_new;
  logic [Lanes*OffsetWidth-1:0] offset;

  // The walker's remaining outputs steer read streams only.
  logic unused_valid;
  logic unused_first;
  logic unused_final;
  logic unused_tile_last;
  logic unused_outer_last;
  logic unused_fresh;

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
    .go_i        (valid_i),
    .final_ok_i  (1'b1),
    .valid_o     (unused_valid),
    .first_o     (unused_first),
    .final_o     (unused_final),
    .tile_last_o (unused_tile_last),
    .outer_last_o(unused_outer_last),
    .fire_o      (fire),
    .issue_o     (issue_o),
    .fresh_o     (unused_fresh),
    .new_o       (found),
    .line_o      (found_line),
    .on_held_o   (on_held),
    .on_new_o    (on_new),
    .offset_o    (offset)
  );

  logic                    held_valid_q;
  logic [31-OffsetWidth:0] held_line_q;
  logic [LineWidth-1:0]    held_data_q;
  logic [Line-1:0]         held_mask_q;
  logic                    out_valid_q;
  logic [31-OffsetWidth:0] out_line_q;
  logic [LineWidth-1:0]    out_data_q;
  logic [Line-1:0]         out_mask_q;

  logic [LineWidth-1:0]   merged_data;
  logic [Line-1:0]        merged_mask;
  logic [LineWidth-1:0]   new_data;
  logic [Line-1:0]        new_mask;
  logic [OffsetWidth-1:0] position;

  always_comb begin
    merged_data = held_data_q;
    merged_mask = held_mask_q;
    new_data    = '0;
    new_mask    = '0;
    position    = '0;
    if (fire) begin
      for (int unsigned i = 0; i < Lanes; i++) begin
        position = offset[i*OffsetWidth+:OffsetWidth];
        if (on_held[i]) begin
          merged_data[32'(position)*CodeWidth+:CodeWidth] = code_i[i*CodeWidth+:CodeWidth];
          merged_mask[position] = 1'b1;
        end
        if (on_new[i]) begin
          new_data[32'(position)*CodeWidth+:CodeWidth] = code_i[i*CodeWidth+:CodeWidth];
          new_mask[position] = 1'b1;
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      held_valid_q <= 1'b0;
      out_valid_q  <= 1'b0;
    end else if (en_i) begin
      out_valid_q <= held_valid_q && (found || flush_i);
      if (flush_i) begin
        held_valid_q <= 1'b0;
      end else if (found) begin
        held_valid_q <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (found || flush_i) begin
        out_line_q <= held_line_q;
        out_data_q <= merged_data;
        out_mask_q <= merged_mask;
      end
      if (found) begin
        held_line_q <= found_line;
        held_data_q <= new_data;
        held_mask_q <= new_mask;
      end else if (fire) begin
        held_data_q <= merged_data;
        held_mask_q <= merged_mask;
      end
    end
  end

  assign req_o      = out_valid_q;
  assign req_line_o = out_line_q;
  assign req_data_o = out_data_q;
  assign req_mask_o = out_mask_q;

endmodule
