// Mesh: Rows x Cols processing elements.
//
// A operands and control move right, W operands and sums move down, one step a cycle: the element at
// (r, c) acts r + c cycles after the one at (0, 0). Lane r of A, row r of control and lane c of W
// must enter with that skew.
//
// valid: an operand of A is here (its operands are zero where not). first: weight-stationary, it is
// the first of a tile and weights are swapped; output-stationary, the first of an output. done: the
// step before was the last of an output. load: weight-stationary, the passing weight is this row's;
// output-stationary, this row's finished sum starts on its way down.

module systolab_mesh #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Cols = 16,
  parameter bit          Float32 = 1'b0,
  parameter bit          Saturate = 1'b0,
  parameter bit          OwnPe = 1'b0,      // elements of the formats' own; operands {active, code}
  parameter int unsigned ActCode = 8,
  parameter int unsigned WeightCode = 8,
  parameter int unsigned ActExp = 1,
  parameter int unsigned ActSig = 2,
  parameter int unsigned WeightExp = 1,
  parameter int unsigned WeightSig = 2,
  parameter int unsigned AccWidth = 32,
  parameter int unsigned ProductShift = 0,
  parameter int unsigned MaxShift = 0,
  localparam int unsigned ActWidth = OwnPe ? ActCode + 1 : Float32 ? 33 : ActExp + ActSig,
  localparam int unsigned WeightWidth =
      OwnPe ? WeightCode + 1 : Float32 ? 33 : WeightExp + WeightSig
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        en_i,
  input  logic                        os_i,
  input  logic [Rows-1:0]             valid_i,
  input  logic [Rows-1:0]             first_i,
  input  logic [Rows-1:0]             done_i,
  input  logic [Rows-1:0]             load_i,
  input  logic [Rows*ActWidth-1:0]    act_i,
  input  logic [Cols*WeightWidth-1:0] weight_i,
  output logic [Cols*AccWidth-1:0]    sum_o
);

  if (Float32 || OwnPe) begin : g_pe
    systolab_mesh_pe #(
      .Rows       (Rows),
      .Cols       (Cols),
      .ActWidth   (ActWidth),
      .WeightWidth(WeightWidth),
      .AccWidth   (AccWidth)
    ) u_mesh (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .en_i    (en_i),
      .os_i    (os_i),
      .valid_i (valid_i),
      .first_i (first_i),
      .done_i  (done_i),
      .load_i  (load_i),
      .act_i   (act_i),
      .weight_i(weight_i),
      .sum_o   (sum_o)
    );
  end else begin : g_int
    systolab_mesh_int #(
      .Rows        (Rows),
      .Cols        (Cols),
      .Saturate    (Saturate),
      .ActExp      (ActExp),
      .ActSig      (ActSig),
      .WeightExp   (WeightExp),
      .WeightSig   (WeightSig),
      .AccWidth    (AccWidth),
      .ProductShift(ProductShift),
      .MaxShift    (MaxShift)
    ) u_mesh (
      .clk_i   (clk_i),
      .en_i    (en_i),
      .os_i    (os_i),
      .first_i (first_i),
      .done_i  (done_i),
      .load_i  (load_i),
      .act_i   (act_i),
      .weight_i(weight_i),
      .sum_o   (sum_o)
    );

    // Sums do not depend on it: operands are zero where there are none.
    logic unused_valid;
    assign unused_valid = ^{rst_ni, valid_i};
  end

endmodule
