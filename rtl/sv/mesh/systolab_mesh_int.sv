// Mesh of processing elements for integer accumulators (Exact, Wrap, Saturate).
//
// An operand is {exponent, signed significand}; a product is the exact product of the significands
// shifted by the sum of the exponents, in units of the accumulator.
//
// weight-stationary: sum_q is the partial sum on its way down; weight_q is in use while shadow_q
// loads. output-stationary: sum_q accumulates; a finished sum waits in hold_q for its turn to move
// down through chain_q. An operand that is not there is zero and changes no sum.
//
// Ports and movement: systolab_mesh. Element (r, c) is number r * Cols + c. Written as loops over
// all elements instead of an instance for each: the same hardware, but it simulates several times
// faster and builds in a fraction of the time.

module systolab_mesh_int #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Cols = 16,
  parameter bit          Saturate = 1'b0,
  parameter int unsigned ActExp = 1,
  parameter int unsigned ActSig = 2,
  parameter int unsigned WeightExp = 1,
  parameter int unsigned WeightSig = 2,
  parameter int unsigned AccWidth = 32,
  parameter int unsigned ProductShift = 0,  // product unit = accumulator unit * 2^ProductShift
  parameter int unsigned MaxShift = 0,      // largest sum of exponents
  localparam int unsigned ActWidth = ActExp + ActSig,
  localparam int unsigned WeightWidth = WeightExp + WeightSig
) (
  input  logic                        clk_i,
  input  logic                        en_i,
  input  logic                        os_i,
  input  logic [Rows-1:0]             first_i,
  input  logic [Rows-1:0]             done_i,
  input  logic [Rows-1:0]             load_i,
  input  logic [Rows*ActWidth-1:0]    act_i,
  input  logic [Cols*WeightWidth-1:0] weight_i,
  output logic [Cols*AccWidth-1:0]    sum_o
);

  localparam int unsigned Size = Rows * Cols;
  localparam int unsigned SigWidth = ActSig + WeightSig;
  localparam int unsigned ShiftWidth = (ActExp > WeightExp ? ActExp : WeightExp) + 1;
  // Saturation sees the whole product; otherwise bits beyond the accumulator never matter.
  localparam int unsigned NeededWidth = Saturate ? SigWidth + MaxShift + ProductShift : SigWidth;
  localparam int unsigned ProductWidth = (NeededWidth > AccWidth) ? NeededWidth : AccWidth;

  // What passes an element: the operands, and control. _d is what reaches it in this cycle.
  logic                   first_q [Size];
  logic                   first_d [Size];
  logic                   done_q [Size];
  logic                   done_d [Size];
  logic                   load_q [Size];
  logic                   load_d [Size];
  logic [ActWidth-1:0]    act_q [Size];
  logic [ActWidth-1:0]    act_d [Size];
  logic [WeightWidth-1:0] pass_q [Size];
  logic [WeightWidth-1:0] pass_d [Size];
  // What it keeps.
  logic [WeightWidth-1:0] shadow_q [Size];
  logic [WeightWidth-1:0] shadow_d [Size];
  logic [WeightWidth-1:0] weight_q [Size];
  logic [WeightWidth-1:0] weight_d [Size];
  logic [AccWidth-1:0]    sum_q [Size] /*verilator public_flat_rd*/;
  logic [AccWidth-1:0]    sum_d [Size];
  logic [AccWidth-1:0]    hold_q [Size];
  logic [AccWidth-1:0]    hold_d [Size];
  logic [AccWidth-1:0]    chain_q [Size];
  logic [AccWidth-1:0]    chain_d [Size];

  // A and control move to the right, W moves down.
  always_comb begin
    /* verilator unroll_disable */
    for (int unsigned i = 1; i < Size; i++) begin
      act_d[i]   = act_q[i-1];
      first_d[i] = first_q[i-1];
      done_d[i]  = done_q[i-1];
      load_d[i]  = load_q[i-1];
    end
    for (int unsigned r = 0; r < Rows; r++) begin
      act_d[r*Cols]   = act_i[r*ActWidth+:ActWidth];
      first_d[r*Cols] = first_i[r];
      done_d[r*Cols]  = done_i[r];
      load_d[r*Cols]  = load_i[r];
    end
    for (int unsigned c = 0; c < Cols; c++) pass_d[c] = weight_i[c*WeightWidth+:WeightWidth];
    /* verilator unroll_disable */
    for (int unsigned i = Cols; i < Size; i++) pass_d[i] = pass_q[i-Cols];
  end

  // Weights are loaded and swapped; output-stationary, they act as they pass.
  //
  // Multiplexers are written as AND and OR where both sides are arrays: all operands are read, and
  // the loop becomes vector instructions in simulation.
  always_comb begin
    shadow_d = shadow_q;
    if (os_i) begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) weight_d[i] = pass_d[i];
    end else begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) begin
        shadow_d[i] = (pass_d[i] & {WeightWidth{load_d[i]}}) |
                      (shadow_q[i] & {WeightWidth{!load_d[i]}});
        weight_d[i] = (shadow_q[i] & {WeightWidth{first_d[i]}}) |
                      (weight_q[i] & {WeightWidth{!first_d[i]}});
      end
    end
  end

  // Products are added to what comes from above, or to the element's own sum.
  logic signed [SigWidth-1:0]   significand [Size];
  logic        [ShiftWidth-1:0] shift [Size];
  logic        [AccWidth-1:0]   addend [Size];

  always_comb begin
    /* verilator unroll_disable */
    for (int unsigned i = 0; i < Size; i++) begin
      significand[i] = SigWidth'($signed(act_d[i][ActSig-1:0])) *
                       SigWidth'($signed(weight_d[i][WeightSig-1:0]));
      shift[i]       = ShiftWidth'(act_d[i][ActWidth-1:ActSig]) +
                       ShiftWidth'(weight_d[i][WeightWidth-1:WeightSig]);
    end
  end

  always_comb begin
    if (os_i) begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) addend[i] = sum_q[i] & {AccWidth{!first_d[i]}};
    end else begin
      for (int unsigned i = 0; i < Cols; i++) addend[i] = '0;
      /* verilator unroll_disable */
      for (int unsigned i = Cols; i < Size; i++) addend[i] = sum_q[i-Cols];
    end
  end

  if (Saturate) begin : g_saturate
    logic signed [ProductWidth-1:0] product;
    logic signed [ProductWidth:0]   wide;
    always_comb begin
      product = '0;
      wide    = '0;
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) begin
        product = (ProductWidth'(significand[i]) <<< ProductShift) <<< shift[i];
        wide    = (ProductWidth+1)'($signed(addend[i])) + (ProductWidth+1)'(product);
        if ((&wide[ProductWidth:AccWidth-1]) || !(|wide[ProductWidth:AccWidth-1])) begin
          sum_d[i] = wide[AccWidth-1:0];
        end else begin
          sum_d[i] = {wide[ProductWidth], {(AccWidth - 1) {!wide[ProductWidth]}}};
        end
      end
    end
  end else begin : g_wrap
    always_comb begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) begin
        sum_d[i] = addend[i] + AccWidth'((ProductWidth'(significand[i]) <<< ProductShift)
                                         <<< shift[i]);
      end
    end
  end

  // Output-stationary, finished sums are kept and move down.
  always_comb begin
    hold_d  = hold_q;
    chain_d = chain_q;
    if (os_i) begin
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Size; i++) begin
        hold_d[i] = (sum_q[i] & {AccWidth{done_d[i]}}) | (hold_q[i] & {AccWidth{!done_d[i]}});
      end
      /* verilator unroll_disable */
      for (int unsigned i = 0; i < Cols; i++) chain_d[i] = hold_q[i];
      /* verilator unroll_disable */
      for (int unsigned i = Cols; i < Size; i++) begin
        chain_d[i] = (hold_q[i] & {AccWidth{load_d[i]}}) |
                     (chain_q[i-Cols] & {AccWidth{!load_d[i]}});
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      act_q   <= act_d;
      pass_q  <= pass_d;
      first_q <= first_d;
      load_q  <= load_d;
      sum_q   <= sum_d;
      if (os_i) begin
        done_q  <= done_d;
        hold_q  <= hold_d;
        chain_q <= chain_d;
      end else begin
        weight_q <= weight_d;
        shadow_q <= shadow_d;
      end
    end
  end

  for (genvar c = 0; c < int'(Cols); c++) begin : g_out
    assign sum_o[c*AccWidth+:AccWidth] = os_i ? chain_q[Size-Cols+c] : sum_q[Size-Cols+c];
  end

endmodule
