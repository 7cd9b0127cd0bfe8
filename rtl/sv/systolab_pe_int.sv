// Processing element for integer accumulators (Exact, Wrap, Saturate).
//
// An operand is {exponent, signed significand}; the product is the exact product of the
// significands shifted by the sum of the exponents, in units of the accumulator.
//
// weight-stationary: partial sums move down; weight_q is in use while shadow_q loads.
// output-stationary: acc_q accumulates; drain_q holds a finished result for the way down.

module systolab_pe_int #(
  parameter int unsigned ActExp = 1,
  parameter int unsigned ActSig = 2,
  parameter int unsigned WeightExp = 1,
  parameter int unsigned WeightSig = 2,
  parameter int unsigned AccWidth = 32,
  parameter int unsigned ProductShift = 0,  // product unit = accumulator unit * 2^ProductShift
  parameter int unsigned MaxShift = 0,      // largest sum of exponents
  parameter bit          Saturate = 1'b0,
  localparam int unsigned ActWidth = ActExp + ActSig,
  localparam int unsigned WeightWidth = WeightExp + WeightSig
) (
  input  logic                   clk_i,
  input  logic                   en_i,
  input  logic                   os_i,       // output-stationary mode
  input  logic                   valid_i,    // an operand of A is here
  input  logic                   first_i,    // WS: of a tile: swap weights; OS: of an output
  input  logic                   last_i,     // OS: of an output
  input  logic                   move_i,     // WS: a weight passes; OS: results pass
  input  logic                   select_i,   // ... and it is this row's
  input  logic [ActWidth-1:0]    act_i,
  output logic [ActWidth-1:0]    act_o,
  input  logic [WeightWidth-1:0] weight_i,
  output logic [WeightWidth-1:0] weight_o,
  input  logic [AccWidth-1:0]    sum_i,
  output logic [AccWidth-1:0]    sum_o
);

  localparam int unsigned SigWidth = ActSig + WeightSig;
  localparam int unsigned ShiftWidth = (ActExp > WeightExp ? ActExp : WeightExp) + 1;
  // Saturation sees the whole product; otherwise bits beyond the accumulator never matter.
  localparam int unsigned NeededWidth = Saturate ? SigWidth + MaxShift + ProductShift : SigWidth;
  localparam int unsigned ProductWidth = (NeededWidth > AccWidth) ? NeededWidth : AccWidth;

  logic [ActWidth-1:0]    act_q;
  logic [WeightWidth-1:0] pass_q;
  logic [WeightWidth-1:0] shadow_q;
  logic [WeightWidth-1:0] weight_q;
  logic [AccWidth-1:0]    psum_q /*verilator public_flat_rd*/;
  logic [AccWidth-1:0]    acc_q /*verilator public_flat_rd*/;
  logic [AccWidth-1:0]    drain_q;

  logic [WeightWidth-1:0]         weight;
  logic [AccWidth-1:0]            addend;
  logic signed [SigWidth-1:0]     sig_product;
  logic [ShiftWidth-1:0]          shift;
  logic signed [ProductWidth-1:0] product;
  logic [AccWidth-1:0]            sum;

  always_comb begin
    if (os_i) begin
      weight = weight_i;
      addend = first_i ? '0 : acc_q;
    end else begin
      weight = first_i ? shadow_q : weight_q;
      addend = sum_i;
    end
  end

  assign sig_product = SigWidth'($signed(act_i[ActSig-1:0])) *
                       SigWidth'($signed(weight[WeightSig-1:0]));
  assign shift   = ShiftWidth'(act_i[ActWidth-1:ActSig]) +
                   ShiftWidth'(weight[WeightWidth-1:WeightSig]);
  assign product = (ProductWidth'(sig_product) <<< ProductShift) <<< shift;

  if (Saturate) begin : g_saturate
    logic signed [ProductWidth:0] wide;
    logic                         fits;
    assign wide = (ProductWidth+1)'($signed(addend)) + (ProductWidth+1)'(product);
    assign fits = (&wide[ProductWidth:AccWidth-1]) || !(|wide[ProductWidth:AccWidth-1]);
    assign sum  = fits ? wide[AccWidth-1:0]
                       : {wide[ProductWidth], {(AccWidth - 1) {!wide[ProductWidth]}}};
  end else begin : g_wrap
    assign sum = addend + product[AccWidth-1:0];
    if (ProductWidth > AccWidth) begin : g_dropped
      logic unused_high;
      assign unused_high = ^product[ProductWidth-1:AccWidth];
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      act_q  <= act_i;
      pass_q <= weight_i;
      if (os_i) begin
        if (valid_i) begin
          acc_q <= sum;
          if (last_i) drain_q <= sum;
        end
        if (move_i) psum_q <= select_i ? drain_q : sum_i;
      end else begin
        if (valid_i) begin
          psum_q <= sum;
          if (first_i) weight_q <= shadow_q;
        end
        if (move_i && select_i) shadow_q <= weight_i;
      end
    end
  end

  assign act_o    = act_q;
  assign weight_o = pass_q;
  assign sum_o    = psum_q;

endmodule
