// Line walker: the address half of a stream.
//
// For every vector of an access pattern it finds which memory lines the active lanes touch and
// deals with one new line a cycle, together with all lanes on that line and, in the vector's first
// cycle, the lanes on the line held from before. A vector therefore costs max(1, new lines) cycles.
// The held line is forgotten at the end of every tile.
//
// Configuration words: 0 base, 1 lane count, 2 lane stride, 3 loops of a tile (mask),
// 4 loops of an outer iteration (mask), 5 guards in use (mask), 8 + 4*guard: offset, lane stride,
// bound; from 32 on: systolab_loop_nest.

module systolab_line_walker #(
  parameter int unsigned Lanes = 16,
  parameter int unsigned OffsetWidth = 4,  // log2 of the codes of a line
  parameter int unsigned Loops = 12,
  parameter int unsigned Guards = 4
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         en_i,
  input  logic                         cfg_we_i,
  input  logic [6:0]                   cfg_addr_i,
  input  logic [31:0]                  cfg_data_i,
  input  logic                         init_i,
  input  logic                         go_i,         // may act on its vector in this cycle
  input  logic                         final_ok_i,   // may finish its vector in this cycle
  output logic                         valid_o,      // vectors remain
  output logic                         first_o,      // the vector is the first of its tile
  output logic                         final_o,      // no more than one cycle remains (if it may go)
  output logic                         tile_last_o,  // the vector is the last of its tile
  output logic                         outer_last_o, // ... of its outer iteration
  output logic                         fire_o,       // it acts in this cycle
  output logic                         issue_o,      // it finishes the vector in this cycle
  output logic                         fresh_o,      // this is the vector's first cycle
  output logic                         new_o,        // a new line is touched in this cycle
  output logic [31-OffsetWidth:0]      line_o,       // address of that line
  output logic [Lanes-1:0]             on_held_o,    // lanes served by the held line
  output logic [Lanes-1:0]             on_new_o,     // lanes served by the new line
  output logic [Lanes*OffsetWidth-1:0] offset_o      // position of every lane in its line
);

  localparam int unsigned Values = Guards + 1;
  localparam int unsigned GuardWidth = $clog2(4 * Guards);

  logic [31:0]       base_q;
  logic [6:0]        lane_count_q;
  logic [31:0]       lane_stride_q;
  logic [Loops-1:0]  tile_mask_q;
  logic [Loops-1:0]  outer_mask_q;
  logic [Guards-1:0] guard_used_q;
  logic [31:0]       guard_q [Guards*4];

  always_ff @(posedge clk_i) begin
    if (cfg_we_i) begin
      case (cfg_addr_i)
        7'd0: base_q <= cfg_data_i;
        7'd1: lane_count_q <= cfg_data_i[6:0];
        7'd2: lane_stride_q <= cfg_data_i;
        7'd3: tile_mask_q <= cfg_data_i[Loops-1:0];
        7'd4: outer_mask_q <= cfg_data_i[Loops-1:0];
        7'd5: guard_used_q <= cfg_data_i[Guards-1:0];
        default: ;
      endcase
    end
  end

  logic [6:0] cfg_guard;
  assign cfg_guard = cfg_addr_i - 7'd8;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i && cfg_addr_i >= 7'd8 && cfg_addr_i < 7'(8 + 4 * Guards)) begin
      guard_q[cfg_guard[GuardWidth-1:0]] <= cfg_data_i;
    end
  end

  logic unused_cfg;
  assign unused_cfg = ^cfg_guard[6:GuardWidth];

  logic [Values*32-1:0] init_values;
  logic [Values*32-1:0] values;
  logic [Loops-1:0]     last;

  assign init_values[31:0] = base_q;
  for (genvar g = 0; g < int'(Guards); g++) begin : g_init
    assign init_values[32*(g+1)+:32] = guard_q[4*g];
  end

  systolab_loop_nest #(
    .Loops (Loops),
    .Values(Values)
  ) u_loops (
    .clk_i        (clk_i),
    .en_i         (en_i),
    .cfg_we_i     (cfg_we_i),
    .cfg_addr_i   (cfg_addr_i),
    .cfg_data_i   (cfg_data_i),
    .init_i       (init_i),
    .init_values_i(init_values),
    .step_i       (issue_o),
    .values_o     (values),
    .last_o       (last)
  );

  logic                    valid_q;
  logic                    first_q;
  logic                    fresh_q;
  logic                    held_valid_q;
  logic [31-OffsetWidth:0] held_q;
  logic [Lanes-1:0]        todo_q;

  // Which lanes are active, and which line each of them is on.
  logic [Lanes-1:0]        pending;
  logic [Lanes-1:0]        on_held;
  logic [Lanes-1:0]        on_new;
  logic [Lanes-1:0]        rest;
  logic                    found;
  logic [31-OffsetWidth:0] found_line;
  logic [31:0]             address;

  always_comb begin
    pending    = '0;
    on_held    = '0;
    on_new     = '0;
    rest       = '0;
    found      = 1'b0;
    found_line = '0;
    address    = '0;
    offset_o   = '0;
    if (valid_q && go_i) begin
      if (fresh_q) begin
        for (int unsigned i = 0; i < Lanes; i++) pending[i] = (7'(i) < lane_count_q);
        for (int unsigned g = 0; g < Guards; g++) begin
          if (guard_used_q[g]) begin
            for (int unsigned i = 0; i < Lanes; i++) begin
              if ((values[32*(g+1)+:32] + i * guard_q[4*g+1]) >= guard_q[4*g+2]) begin
                pending[i] = 1'b0;
              end
            end
          end
        end
      end else begin
        pending = todo_q;
      end
      for (int unsigned i = 0; i < Lanes; i++) begin
        address = values[31:0] + i * lane_stride_q;
        offset_o[i*OffsetWidth+:OffsetWidth] = address[OffsetWidth-1:0];
        if (pending[i]) begin
          if (held_valid_q && address[31:OffsetWidth] == held_q) begin
            on_held[i] = 1'b1;
          end else if (!found) begin
            found      = 1'b1;
            found_line = address[31:OffsetWidth];
            on_new[i]  = 1'b1;
          end else if (address[31:OffsetWidth] == found_line) begin
            on_new[i] = 1'b1;
          end else begin
            rest[i] = 1'b1;
          end
        end
      end
    end
  end

  assign valid_o      = valid_q;
  assign first_o      = first_q;
  assign fresh_o      = fresh_q;
  assign final_o      = (rest == '0);
  assign tile_last_o  = &(last | ~tile_mask_q);
  assign outer_last_o = &(last | ~outer_mask_q);
  assign fire_o       = valid_q && go_i && (!final_o || final_ok_i);
  assign issue_o      = fire_o && final_o;
  assign new_o        = fire_o && found;
  assign line_o       = found_line;
  assign on_held_o    = on_held;
  assign on_new_o     = on_new;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
    end else if (init_i) begin
      valid_q <= 1'b1;
    end else if (en_i && issue_o) begin
      valid_q <= !(&last);
    end
  end

  // Nothing looks at these before the start pulse sets them.
  always_ff @(posedge clk_i) begin
    if (init_i) begin
      first_q      <= 1'b1;
      fresh_q      <= 1'b1;
      held_valid_q <= 1'b0;
    end else if (en_i && fire_o) begin
      fresh_q      <= final_o;
      held_valid_q <= (held_valid_q || found) && !(final_o && tile_last_o);
      if (final_o) first_q <= tile_last_o;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i && fire_o) begin
      todo_q <= rest;
      if (found) held_q <= found_line;
    end
  end

endmodule
