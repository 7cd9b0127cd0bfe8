// Drain: sends the rows of a finished accumulator bank through post-processing to the O stream.
//
// Starts an outer iteration once its last sum is in the accumulator and its parameters are loaded,
// and lets the next one start after its last line is on the way out. The O stream holds the whole
// pipeline while a vector takes more than one line.

module systolab_drain #(
  parameter int unsigned RowWidth = 8
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  input  logic                init_i,
  input  logic [RowWidth-1:0] row_last_i,
  input  logic [31:0]         outer_count_i,
  input  logic                summed_i,       // the last sum of an outer iteration is written
  input  logic                params_ready_i,
  // accumulator
  output logic                read_o,
  output logic                read_bank_o,
  output logic [RowWidth-1:0] read_row_o,
  // post-processing
  output logic                pipe_en_o,
  output logic [3:0]          valid_o,
  // O stream
  output logic                vector_valid_o,
  input  logic                vector_issue_i,
  output logic                flush_o,
  output logic                done_o          // last flush of the kernel
);

  logic [1:0]          ready_q;     // summed outer iterations not yet begun
  logic                busy_q;
  logic                reading_q;
  logic                bank_q;
  logic [RowWidth-1:0] row_q;
  logic [4:0]          valid_q;     // bit k: a row stands before step k of the pipeline
  logic [4:0]          last_q;      // ... and is the last of its outer iteration
  logic                flush_q;
  logic [31:0]         remaining_q; // outer iterations

  logic start;
  logic pipe_en;
  logic read;
  logic read_last;

  assign start     = !busy_q && (ready_q != 2'd0) && params_ready_i;
  assign pipe_en   = !valid_q[4] || vector_issue_i;
  assign read      = start || (reading_q && pipe_en);
  assign read_last = (row_q == row_last_i);

  assign read_o         = read;
  assign read_bank_o    = bank_q;
  assign read_row_o     = row_q;
  assign pipe_en_o      = pipe_en;
  assign valid_o        = valid_q[3:0];
  assign vector_valid_o = valid_q[4];
  assign flush_o        = flush_q;
  assign done_o         = flush_q && (remaining_q == 32'd1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ready_q   <= 2'd0;
      busy_q    <= 1'b0;
      reading_q <= 1'b0;
      row_q     <= '0;
      valid_q   <= '0;
      flush_q   <= 1'b0;
    end else if (en_i) begin
      ready_q <= ready_q + 2'(summed_i) - 2'(start);
      if (start) busy_q <= 1'b1;
      else if (flush_q) busy_q <= 1'b0;
      if (read) begin
        reading_q <= !read_last;
        row_q     <= read_last ? '0 : row_q + 1'b1;
      end
      if (pipe_en) valid_q <= {valid_q[3:0], read};
      flush_q <= vector_issue_i && last_q[4];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i && pipe_en) last_q <= {last_q[3:0], read && read_last};
  end

  // Nothing looks at these before the start pulse sets them.
  always_ff @(posedge clk_i) begin
    if (init_i) begin
      bank_q      <= 1'b0;
      remaining_q <= outer_count_i;
    end else if (en_i) begin
      if (flush_q) begin
        bank_q      <= !bank_q;
        remaining_q <= remaining_q - 32'd1;
      end
    end
  end

endmodule
