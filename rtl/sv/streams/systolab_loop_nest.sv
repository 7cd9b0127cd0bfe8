// Loop nest: tracks affine functions of the loop indices, one step a cycle.
//
// Loop 0 is the innermost. A step increments the lowest loop that is not at its last index and
// resets the loops below it; every tracked value changes by that loop's delta, which the descriptor
// holds as (stride of the loop) - sum over lower loops of (length - 1) * stride.
//
// Configuration words: 32 + 8*loop + 0: length - 1, + 1 + v: delta of value v.

module systolab_loop_nest #(
  parameter int unsigned Loops = 12,
  parameter int unsigned Values = 5
) (
  input  logic                   clk_i,
  input  logic                   en_i,
  input  logic                   cfg_we_i,
  input  logic [6:0]             cfg_addr_i,
  input  logic [31:0]            cfg_data_i,
  input  logic                   init_i,
  input  logic [Values*32-1:0]   init_values_i,
  input  logic                   step_i,
  output logic [Values*32-1:0]   values_o,
  output logic [Loops-1:0]       last_o    // loop is at its last index
);

  localparam int unsigned LoopWidth = $clog2(Loops);

  logic [31:0]          word_q [Loops*8];  // bounds and deltas, as configured
  logic [Loops*16-1:0]  index_q;
  logic [Loops-1:0]     single_q;          // loops of length 1
  logic [Loops-1:0]     last_q;
  logic [Values*32-1:0] values_q;

  logic [6:0] cfg_word;
  assign cfg_word = cfg_addr_i - 7'd32;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i && cfg_addr_i >= 7'd32) begin
      word_q[cfg_word] <= cfg_data_i;
      if (cfg_word[2:0] == 3'd0) single_q[cfg_word[6:3]] <= (cfg_data_i[15:0] == 16'd0);
    end
  end

  logic [LoopWidth-1:0] level;      // lowest loop not at its last index
  logic [Loops-1:0]     below;      // loops under it
  logic [15:0]          index;      // its next index
  logic                 level_last; // which is its last

  always_comb begin
    level = '0;
    for (int signed i = int'(Loops) - 1; i >= 0; i--) begin
      if (!last_q[i]) level = LoopWidth'(i);
    end
  end

  assign below      = (Loops'(1) << level) - Loops'(1);
  assign index      = index_q[32'(level)*16+:16] + 16'd1;
  assign level_last = (index == word_q[{level, 3'd0}][15:0]);

  always_ff @(posedge clk_i) begin
    if (init_i) begin
      last_q   <= single_q;
      values_q <= init_values_i;
      index_q  <= '0;
    end else if (en_i && step_i) begin
      last_q        <= (last_q & ~below) | (single_q & below);
      last_q[level] <= level_last;
      for (int unsigned v = 0; v < Values; v++) begin
        values_q[v*32+:32] <= values_q[v*32+:32] + word_q[32'(level)*8+v+1];
      end
      for (int unsigned i = 0; i < Loops; i++) begin
        if (below[i]) index_q[i*16+:16] <= '0;
      end
      index_q[32'(level)*16+:16] <= index;
    end
  end

  assign values_o = values_q;
  assign last_o   = last_q;

endmodule
