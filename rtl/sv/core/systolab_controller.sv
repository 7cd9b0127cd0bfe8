// Controller: says when the streams may act, and what accompanies each vector into the array.
//
// weight-stationary: a weight tile may load once the first A vector of the tile before it has
// issued; a tile of A may start once its weights (and block scales) are loaded and, for the first tile of an outer
// iteration, one of the two accumulator banks is free.
// output-stationary: A and W issue together; the last step of an outer iteration waits for a free
// bank and for the drain-row commands of the iteration before; then, from the second cycle after it
// on, one command a row follows.

module systolab_controller #(
  parameter int unsigned Rows = 16,
  parameter int unsigned RowWidth = 8,          // accumulator row
  localparam int unsigned IndexWidth = (Rows > 1) ? $clog2(Rows) : 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  en_i,
  input  logic                  init_i,
  input  logic                  os_i,
  input  logic [RowWidth-1:0]   row_last_i,
  // A stream
  input  logic                  a_valid_i,
  input  logic                  a_first_i,
  input  logic                  a_final_i,
  input  logic                  a_tile_last_i,
  input  logic                  a_outer_last_i,
  input  logic                  a_issue_i,
  output logic                  a_go_o,
  output logic                  a_final_ok_o,
  // W stream
  input  logic                  w_valid_i,
  input  logic                  w_first_i,
  input  logic                  w_final_i,
  input  logic                  w_tile_last_i,
  input  logic                  w_issue_i,
  output logic                  w_go_o,
  output logic                  w_final_ok_o,
  input  logic                  w_scales_i,         // the next tile's block scales are on their way
  // drain: an accumulator bank is free again
  input  logic                  release_i,
  // control that enters the array with this cycle's vectors
  output logic                  valid_o,
  output logic                  first_o,
  output logic                  last_o,
  output logic                  move_o,
  output logic [IndexWidth-1:0] index_o,
  // accumulator command for what comes out
  output logic                  acc_valid_o,
  output logic                  acc_bank_o,
  output logic [RowWidth-1:0]   acc_row_o,
  output logic                  acc_add_o,
  output logic                  acc_last_o
);

  logic                  loaded_q;           // WS: the next tile's weights are in the shadows
  logic                  first_tile_q;       // WS: A is in the first tile of an outer iteration
  logic                  ending_q;           // OS: the last step issued in the cycle before
  logic                  command_q;          // OS: drain-row commands under way
  logic [1:0]            banks_q /*verilator public_flat_rd*/;  // banks written, not yet free
  logic                  bank_q;
  logic [RowWidth-1:0]   row_q;
  logic [IndexWidth-1:0] index_q;            // WS: row of the weight vector
  logic                  bank_free;
  logic                  step_ok;

  assign bank_free = (banks_q != 2'd2);
  assign step_ok   = a_valid_i && w_valid_i &&
                     (!a_outer_last_i || (bank_free && !ending_q && !command_q));

  always_comb begin
    if (os_i) begin
      a_go_o       = step_ok;
      w_go_o       = step_ok;
      a_final_ok_o = w_final_i;
      w_final_ok_o = a_final_i;
    end else begin
      a_go_o       = !a_first_i || (loaded_q && w_scales_i && (!first_tile_q || bank_free));
      w_go_o       = !w_first_i || !loaded_q;
      a_final_ok_o = 1'b1;
      w_final_ok_o = 1'b1;
    end
  end

  assign valid_o = a_issue_i;
  assign first_o = a_first_i;
  assign last_o  = a_outer_last_i;
  assign move_o  = os_i ? command_q : w_issue_i;
  assign index_o = os_i ? row_q[IndexWidth-1:0] : index_q;

  assign acc_valid_o = os_i ? command_q : a_issue_i;
  assign acc_bank_o  = bank_q;
  assign acc_row_o   = row_q;
  assign acc_add_o   = !os_i && !first_tile_q;
  assign acc_last_o  = os_i ? (row_q == row_last_i) : a_outer_last_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      ending_q  <= 1'b0;
      command_q <= 1'b0;
      banks_q   <= 2'd0;
    end else if (en_i) begin
      ending_q <= os_i && a_issue_i && a_outer_last_i;
      if (ending_q) begin
        command_q <= 1'b1;
      end else if (acc_last_o) begin
        command_q <= 1'b0;
      end
      banks_q <= banks_q + 2'(acc_valid_o && acc_last_o) - 2'(release_i);
    end
  end

  // Nothing looks at these before the start pulse sets them.
  always_ff @(posedge clk_i) begin
    if (init_i) begin
      loaded_q     <= 1'b0;
      first_tile_q <= 1'b1;
      bank_q       <= 1'b0;
      row_q        <= '0;
      index_q      <= '0;
    end else if (en_i) begin
      if (w_issue_i) begin
        index_q <= w_tile_last_i ? '0 : index_q + 1'b1;
        if (w_tile_last_i) loaded_q <= 1'b1;
      end
      if (a_issue_i) begin
        if (a_first_i) loaded_q <= 1'b0;
        if (a_tile_last_i) first_tile_q <= a_outer_last_i;
      end
      if (acc_valid_o) begin
        row_q <= (row_q == row_last_i) ? '0 : row_q + 1'b1;
        if (acc_last_o) bank_q <= !bank_q;
      end
    end
  end

endmodule
