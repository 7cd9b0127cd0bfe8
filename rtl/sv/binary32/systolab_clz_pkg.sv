// Count of leading zeros.

package systolab_clz_pkg;

  // Zeros above the leading one of a word, found by halving; 31 if there is none.
  function automatic logic [4:0] clz(input logic [31:0] word);
    logic [31:0] x;

    x = word;
    for (int signed s = 4; s >= 0; s--) begin
      clz[s] = (x >> (32 - (1 << s))) == 32'd0;
      if (clz[s]) x = x << (1 << s);
    end
  endfunction

endpackage
