// Configuration registers of the controller and the post-processing.
//
// Words: 0 mode (bit 0: output-stationary), 1 accumulator rows of an outer iteration - 1,
// 2 outer iterations, 3 lower clamp, 4 upper clamp (binary32).

module systolab_config #(
  parameter int unsigned RowWidth = 8
) (
  input  logic                clk_i,
  input  logic                cfg_we_i,
  input  logic [6:0]          cfg_addr_i,
  input  logic [31:0]         cfg_data_i,
  output logic                os_o,
  output logic [RowWidth-1:0] row_last_o,
  output logic [31:0]         outer_count_o,
  output logic [31:0]         low_o,
  output logic [31:0]         high_o
);

  logic                os_q;
  logic [RowWidth-1:0] row_last_q;
  logic [31:0]         outer_count_q;
  logic [31:0]         low_q;
  logic [31:0]         high_q;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i) begin
      case (cfg_addr_i)
        7'd0: os_q <= cfg_data_i[0];
        7'd1: row_last_q <= cfg_data_i[RowWidth-1:0];
        7'd2: outer_count_q <= cfg_data_i;
        7'd3: low_q <= cfg_data_i;
        7'd4: high_q <= cfg_data_i;
        default: ;
      endcase
    end
  end

  assign os_o          = os_q;
  assign row_last_o    = row_last_q;
  assign outer_count_o = outer_count_q;
  assign low_o         = low_q;
  assign high_o        = high_q;

endmodule
