// binary32 multiplication, round to nearest even, subnormals kept, NaN results canonical (0x7fc00000).
//
// A function in a package: a simulator compiles it once, not for each instance of its module.

package systolab_f32_mul_pkg;

  function automatic logic [31:0] multiply(input logic [31:0] a, input logic [31:0] b);
    /* verilator no_inline_task */
    logic               sign;
    logic               a_special;
    logic               b_special;
    logic               a_zero;
    logic               b_zero;
    logic        [23:0] a_sig;
    logic        [23:0] b_sig;
    logic signed [10:0] exponent;
    logic        [47:0] wide;
    logic        [47:0] shifted;
    logic        [10:0] excess;
    logic               sticky;
    logic               round_up;
    logic        [31:0] packed_product;
    logic        [4:0]  zeros;

    sign      = a[31] ^ b[31];
    a_special = (a[30:23] == 8'hff);
    b_special = (b[30:23] == 8'hff);
    a_zero    = (a[30:0] == 31'd0);
    b_zero    = (b[30:0] == 31'd0);
    sticky    = 1'b0;
    if (a_special || b_special) begin
      if ((a_special && a[22:0] != 23'd0) || (b_special && b[22:0] != 23'd0) ||
          a_zero || b_zero) begin
        multiply = 32'h7fc00000;
      end else begin
        multiply = {sign, 8'hff, 23'd0};
      end
    end else if (a_zero || b_zero) begin
      multiply = {sign, 31'd0};
    end else begin
      exponent = 11'(a[30:23]) + 11'(b[30:23]) - 11'sd126;
      a_sig    = {1'b1, a[22:0]};
      b_sig    = {1'b1, b[22:0]};
      if (a[30:23] == 8'd0) begin
        zeros    = systolab_clz_pkg::clz(32'(a[22:0])) - 5'd8;
        a_sig    = 24'(a[22:0]) << zeros;
        exponent = exponent + 11'sd1 - 11'(zeros);
      end
      if (b[30:23] == 8'd0) begin
        zeros    = systolab_clz_pkg::clz(32'(b[22:0])) - 5'd8;
        b_sig    = 24'(b[22:0]) << zeros;
        exponent = exponent + 11'sd1 - 11'(zeros);
      end
      // wide has its leading one at bit 47 (exponent is for that case) or 46.
      wide = 48'(a_sig) * 48'(b_sig);
      if (!wide[47]) begin
        wide     = wide << 1;
        exponent = exponent - 11'sd1;
      end
      shifted = wide;
      if (exponent < 11'sd1) begin
        excess   = 11'sd1 - exponent;
        exponent = 11'sd0;
        if (excess > 11'd25) begin
          shifted = '0;
          sticky  = 1'b1;
        end else begin
          shifted = wide >> excess[4:0];
          sticky  = (shifted << excess[4:0]) != wide;
        end
      end
      sticky   = sticky || (shifted[22:0] != 23'd0);
      round_up = shifted[23] && (sticky || shifted[24]);
      packed_product = {exponent[8:0], shifted[46:24]} + {31'd0, round_up};
      if (packed_product[31:23] >= 9'h0ff) multiply = {sign, 8'hff, 23'd0};
      else multiply = {sign, packed_product[30:0]};
    end
  endfunction

endpackage
