// Mesh: Rows x Cols processing elements.
//
// A operands and control move right, W operands and sums move down, one step a cycle: the element
// at (r, c) acts r + c cycles after the one at (0, 0). Lane r of A, row r of control and lane c of W
// must enter with that skew.

module systolab_mesh #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Cols = 16,
  parameter bit          Float32 = 1'b0,
  parameter bit          Saturate = 1'b0,
  parameter int unsigned ActExp = 1,
  parameter int unsigned ActSig = 2,
  parameter int unsigned WeightExp = 1,
  parameter int unsigned WeightSig = 2,
  parameter int unsigned AccWidth = 32,
  parameter int unsigned ProductShift = 0,
  parameter int unsigned MaxShift = 0,
  localparam int unsigned ActWidth = Float32 ? 33 : ActExp + ActSig,
  localparam int unsigned WeightWidth = Float32 ? 33 : WeightExp + WeightSig
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        en_i,
  input  logic                        os_i,
  input  logic [Rows-1:0]             valid_i,
  input  logic [Rows-1:0]             first_i,
  input  logic [Rows-1:0]             last_i,
  input  logic [Rows-1:0]             move_i,
  input  logic [Rows-1:0]             select_i,
  input  logic [Rows*ActWidth-1:0]    act_i,
  input  logic [Cols*WeightWidth-1:0] weight_i,
  output logic [Cols*AccWidth-1:0]    sum_o
);

  // Boundary b of a row or column is the input of element b.
  logic [Rows*(Cols+1)*ActWidth-1:0]    act;
  logic [(Rows+1)*Cols*WeightWidth-1:0] weight;
  logic [(Rows+1)*Cols*AccWidth-1:0]    sum;

  assign weight[Cols*WeightWidth-1:0] = weight_i;
  assign sum[Cols*AccWidth-1:0]       = '0;
  assign sum_o                        = sum[Rows*Cols*AccWidth+:Cols*AccWidth];

  logic unused_weight;
  assign unused_weight = ^weight[Rows*Cols*WeightWidth+:Cols*WeightWidth];

  for (genvar r = 0; r < int'(Rows); r++) begin : g_row
    logic [Cols-1:0] valid_q;
    logic [Cols-1:0] first_q;
    logic [Cols-1:0] last_q;
    logic [Cols-1:0] move_q;
    logic [Cols-1:0] select_q;
    logic [Cols:0]   valid;
    logic [Cols:0]   first;
    logic [Cols:0]   last;
    logic [Cols:0]   move;
    logic [Cols:0]   select;

    assign valid  = {valid_q, valid_i[r]};
    assign first  = {first_q, first_i[r]};
    assign last   = {last_q, last_i[r]};
    assign move   = {move_q, move_i[r]};
    assign select = {select_q, select_i[r]};

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        valid_q <= '0;
        move_q  <= '0;
      end else if (en_i) begin
        valid_q <= valid[Cols-1:0];
        move_q  <= move[Cols-1:0];
      end
    end

    always_ff @(posedge clk_i) begin
      if (en_i) begin
        first_q  <= first[Cols-1:0];
        last_q   <= last[Cols-1:0];
        select_q <= select[Cols-1:0];
      end
    end

    logic unused_control;
    assign unused_control = ^{valid[Cols], first[Cols], last[Cols], move[Cols], select[Cols]};

    assign act[r*(Cols+1)*ActWidth+:ActWidth] = act_i[r*ActWidth+:ActWidth];

    logic unused_act;
    assign unused_act = ^act[(r*(Cols+1)+Cols)*ActWidth+:ActWidth];

    for (genvar c = 0; c < int'(Cols); c++) begin : g_col
      if (Float32) begin : g_float32
        systolab_pe_float32 u_pe (
          .clk_i   (clk_i),
          .en_i    (en_i),
          .os_i    (os_i),
          .valid_i (valid[c]),
          .first_i (first[c]),
          .last_i  (last[c]),
          .move_i  (move[c]),
          .select_i(select[c]),
          .act_i   (act[(r*(Cols+1)+c)*ActWidth+:ActWidth]),
          .act_o   (act[(r*(Cols+1)+c+1)*ActWidth+:ActWidth]),
          .weight_i(weight[(r*Cols+c)*WeightWidth+:WeightWidth]),
          .weight_o(weight[((r+1)*Cols+c)*WeightWidth+:WeightWidth]),
          .sum_i   (sum[(r*Cols+c)*AccWidth+:AccWidth]),
          .sum_o   (sum[((r+1)*Cols+c)*AccWidth+:AccWidth])
        );
      end else begin : g_int
        systolab_pe_int #(
          .ActExp      (ActExp),
          .ActSig      (ActSig),
          .WeightExp   (WeightExp),
          .WeightSig   (WeightSig),
          .AccWidth    (AccWidth),
          .ProductShift(ProductShift),
          .MaxShift    (MaxShift),
          .Saturate    (Saturate)
        ) u_pe (
          .clk_i   (clk_i),
          .en_i    (en_i),
          .os_i    (os_i),
          .valid_i (valid[c]),
          .first_i (first[c]),
          .last_i  (last[c]),
          .move_i  (move[c]),
          .select_i(select[c]),
          .act_i   (act[(r*(Cols+1)+c)*ActWidth+:ActWidth]),
          .act_o   (act[(r*(Cols+1)+c+1)*ActWidth+:ActWidth]),
          .weight_i(weight[(r*Cols+c)*WeightWidth+:WeightWidth]),
          .weight_o(weight[((r+1)*Cols+c)*WeightWidth+:WeightWidth]),
          .sum_i   (sum[(r*Cols+c)*AccWidth+:AccWidth]),
          .sum_o   (sum[((r+1)*Cols+c)*AccWidth+:AccWidth])
        );
      end
    end
  end

endmodule
