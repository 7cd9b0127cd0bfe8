// Write adapter: connects the stalling core to a valid/ready write port.
//
// Remembers that this core cycle's write was accepted while something else stalls the core.

module systolab_write_adapter (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic en_i,
  output logic ok_o,
  input  logic req_i,
  output logic req_valid_o,
  input  logic req_ready_i
);

  logic accepted_q;

  assign req_valid_o = req_i && !accepted_q;
  assign ok_o        = !req_valid_o || req_ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      accepted_q <= 1'b0;
    end else if (en_i) begin
      accepted_q <= 1'b0;
    end else if (req_valid_o && req_ready_i) begin
      accepted_q <= 1'b1;
    end
  end

endmodule
