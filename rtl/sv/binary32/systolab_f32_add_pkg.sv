// binary32 addition, round to nearest even, subnormals kept, NaN results canonical (0x7fc00000).
//
// A function in a package: a simulator compiles it once, not for each instance of its module.

package systolab_f32_add_pkg;

  function automatic logic [31:0] add(input logic [31:0] a, input logic [31:0] b);
    /* verilator no_inline_task */
    logic [31:0] greater;
    logic [31:0] lesser;
    logic [7:0]  greater_exp;      // at least 1: subnormals share the exponent of the smallest normals
    logic [7:0]  lesser_exp;
    logic [7:0]  distance;
    logic [26:0] greater_sig;      // significand and three bits below it
    logic [26:0] lesser_sig;
    logic [26:0] aligned;
    logic        sticky;
    logic [27:0] total;
    logic [8:0]  exponent;
    logic [4:0]  zeros;
    logic [7:0]  room;
    logic        round_up;
    logic [31:0] packed_sum;

    greater = a;
    lesser  = b;
    aligned = '0;
    if (b[30:0] > a[30:0]) begin
      greater = b;
      lesser  = a;
    end
    if (greater[30:23] == 8'hff) begin
      // The larger magnitude is a NaN or an infinity.
      if (greater[22:0] != 23'd0 || (lesser[30:0] == greater[30:0] && lesser[31] != greater[31])) begin
        add = 32'h7fc00000;
      end else begin
        add = greater;
      end
    end else begin
      greater_exp = (greater[30:23] == 8'd0) ? 8'd1 : greater[30:23];
      lesser_exp  = (lesser[30:23] == 8'd0) ? 8'd1 : lesser[30:23];
      greater_sig = {greater[30:23] != 8'd0, greater[22:0], 3'b000};
      lesser_sig  = {lesser[30:23] != 8'd0, lesser[22:0], 3'b000};
      distance    = greater_exp - lesser_exp;
      if (distance > 8'd26) begin
        sticky = (lesser_sig != 27'd0);
      end else begin
        aligned = lesser_sig >> distance[4:0];
        sticky  = (aligned << distance[4:0]) != lesser_sig;
      end
      aligned[0] = aligned[0] | sticky;
      if (greater[31] == lesser[31]) total = {1'b0, greater_sig} + {1'b0, aligned};
      else total = {1'b0, greater_sig} - {1'b0, aligned};

      exponent = {1'b0, greater_exp};
      if (total[27]) begin
        total    = {1'b0, total[27:2], total[1] | total[0]};
        exponent = exponent + 9'd1;
      end else begin
        zeros = systolab_clz_pkg::clz(32'(total[26:0])) - 5'd5;
        room = greater_exp - 8'd1;
        if (room < {3'd0, zeros}) zeros = room[4:0];
        total    = total << zeros;
        exponent = exponent - {4'd0, zeros};
      end
      if (!total[26]) exponent = 9'd0;
      round_up   = total[2] && (total[1] || total[0] || total[3]);
      packed_sum = {exponent, total[25:3]} + {31'd0, round_up};
      if (total[26:0] == 27'd0) begin
        add = {a[31] && b[31], 31'd0};
      end else if (packed_sum[31:23] >= 9'h0ff) begin
        add = {greater[31], 8'hff, 23'd0};
      end else begin
        add = {greater[31], packed_sum[30:0]};
      end
    end
  endfunction

endpackage
