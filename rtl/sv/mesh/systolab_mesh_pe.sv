// Mesh of instances of systolab_pe: Float32 accumulators, and elements that formats bring along.
//
// Ports and movement: systolab_mesh.

module systolab_mesh_pe #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Cols = 16,
  parameter int unsigned ActWidth = 33,
  parameter int unsigned WeightWidth = 33,
  parameter int unsigned AccWidth = 32
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

  // Boundary b of a row or column is the input of element b.
  logic [Rows*(Cols+1)*ActWidth-1:0]     act;
  logic [(Rows+1)*Cols*WeightWidth-1:0] weight;
  logic [(Rows+1)*Cols*AccWidth-1:0]     sum;

  assign weight[Cols*WeightWidth-1:0] = weight_i;
  assign sum[Cols*AccWidth-1:0]       = '0;
  assign sum_o                        = sum[Rows*Cols*AccWidth+:Cols*AccWidth];

  logic unused_weight;
  assign unused_weight = ^weight[Rows*Cols*WeightWidth+:Cols*WeightWidth];

  for (genvar r = 0; r < int'(Rows); r++) begin : g_row
    assign act[r*(Cols+1)*ActWidth+:ActWidth] = act_i[r*ActWidth+:ActWidth];

    logic unused_act;
    assign unused_act = ^act[(r*(Cols+1)+Cols)*ActWidth+:ActWidth];

    // Control moves to the right with A.
    logic [Cols-1:0] valid_q;
    logic [Cols-1:0] first_q;
    logic [Cols-1:0] done_q;
    logic [Cols-1:0] load_q;
    logic [Cols:0]   valid;
    logic [Cols:0]   first;
    logic [Cols:0]   done;
    logic [Cols:0]   load;

    assign valid = {valid_q, valid_i[r]};
    assign first = {first_q, first_i[r]};
    assign done  = {done_q, done_i[r]};
    assign load  = {load_q, load_i[r]};

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        valid_q <= '0;
      end else if (en_i) begin
        valid_q <= valid[Cols-1:0];
      end
    end

    always_ff @(posedge clk_i) begin
      if (en_i) begin
        first_q <= first[Cols-1:0];
        done_q  <= done[Cols-1:0];
        load_q  <= load[Cols-1:0];
      end
    end

    logic unused_control;
    assign unused_control = ^{valid[Cols], first[Cols], done[Cols], load[Cols]};

    for (genvar c = 0; c < int'(Cols); c++) begin : g_col
      systolab_pe #(
        .ActWidth   (ActWidth),
        .WeightWidth(WeightWidth),
        .AccWidth   (AccWidth)
      ) u_pe (
        .clk_i   (clk_i),
        .en_i    (en_i),
        .os_i    (os_i),
        .valid_i (valid[c]),
        .first_i (first[c]),
        .done_i  (done[c]),
        .load_i  (load[c]),
        .act_i   (act[(r*(Cols+1)+c)*ActWidth+:ActWidth]),
        .act_o   (act[(r*(Cols+1)+c+1)*ActWidth+:ActWidth]),
        .weight_i(weight[(r*Cols+c)*WeightWidth+:WeightWidth]),
        .weight_o(weight[((r+1)*Cols+c)*WeightWidth+:WeightWidth]),
        .sum_i   (sum[(r*Cols+c)*AccWidth+:AccWidth]),
        .sum_o   (sum[((r+1)*Cols+c)*AccWidth+:AccWidth])
      );
    end
  end

endmodule
