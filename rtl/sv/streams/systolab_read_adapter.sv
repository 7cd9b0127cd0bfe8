// Read adapter: connects the stalling core to a valid/ready memory port.
//
// The core asks for a line in one core cycle and needs the response in the next. The adapter says
// when it can do without a stall (ok_o) and remembers, while something else stalls the core, that
// the request was already accepted or that the response is already here.

module systolab_read_adapter #(
  parameter int unsigned AddressWidth = 28,
  parameter int unsigned DataWidth = 128
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    en_i,
  output logic                    ok_o,
  // core
  input  logic                    req_i,
  input  logic [AddressWidth-1:0] req_address_i,
  output logic [DataWidth-1:0]    rsp_data_o,
  // memory
  output logic                    req_valid_o,
  input  logic                    req_ready_i,
  output logic [AddressWidth-1:0] req_address_o,
  input  logic                    rsp_valid_i,
  output logic                    rsp_ready_o,
  input  logic [DataWidth-1:0]    rsp_data_i
);

  logic                 accepted_q;  // the request of this core cycle is accepted
  logic                 owed_q;      // the previous core cycle's request needs its response now
  logic                 here_q;      // ... and it is in data_q
  logic [DataWidth-1:0] data_q;

  assign req_valid_o   = req_i && !accepted_q;
  assign req_address_o = req_address_i;
  assign rsp_ready_o   = owed_q && !here_q;
  assign rsp_data_o    = here_q ? data_q : rsp_data_i;
  assign ok_o          = (!req_valid_o || req_ready_i) && (!rsp_ready_o || rsp_valid_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      accepted_q <= 1'b0;
      owed_q     <= 1'b0;
      here_q     <= 1'b0;
    end else if (en_i) begin
      accepted_q <= 1'b0;
      owed_q     <= req_i;
      here_q     <= 1'b0;
    end else begin
      if (req_valid_o && req_ready_i) accepted_q <= 1'b1;
      if (rsp_ready_o && rsp_valid_i) here_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!en_i && rsp_ready_o && rsp_valid_i) data_q <= rsp_data_i;
  end

endmodule
