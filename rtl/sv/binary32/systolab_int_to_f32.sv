// Accumulator to binary32: x * 2^Lsb, rounded once to nearest even.
// Combinational; valid_i isolates the operand. Subnormals and overflow included.

module systolab_int_to_f32 #(
  parameter int unsigned Width = 32,
  parameter int          Lsb = 0
) (
  input  logic             valid_i,
  input  logic [Width-1:0] x_i,
  output logic [31:0]      value_o
);

  // Padded to a power of two of at least 32, so that the leading one is found by halving.
  localparam int unsigned Steps = ($clog2(Width) < 5) ? 5 : $clog2(Width);
  localparam int unsigned Padded = 1 << Steps;
  // Biased exponent when the leading one is at the top bit.
  localparam int Top = Lsb + int'(Padded) - 1 + 127;

  logic [Width-1:0]   magnitude;
  logic [Padded-1:0]  x;
  logic [Padded-1:0]  shifted;
  logic [Steps-1:0]   zeros;
  logic signed [15:0] exponent;
  logic [15:0]        excess;
  logic               sticky;
  logic               round_up;
  logic [30:0]        packed_value;

  always_comb begin
    magnitude    = '0;
    x            = '0;
    shifted      = '0;
    zeros        = '0;
    exponent     = '0;
    excess       = '0;
    sticky       = 1'b0;
    round_up     = 1'b0;
    packed_value = '0;
    value_o      = '0;
    if (valid_i && x_i != '0) begin
      magnitude = x_i[Width-1] ? -x_i : x_i;
      x         = Padded'(magnitude);
      for (int signed s = int'(Steps) - 1; s >= 0; s--) begin
        if ((x >> (Padded - (1 << s))) == '0) begin
          zeros[s] = 1'b1;
          x        = x << (1 << s);
        end
      end
      exponent = 16'(Top) - 16'(zeros);
      shifted  = x;
      if (exponent < 16'sd1) begin
        excess   = 16'sd1 - exponent;
        exponent = 16'sd0;
        if (excess > 16'd25) begin
          shifted = '0;
          sticky  = 1'b1;
        end else begin
          shifted = x >> excess[4:0];
          sticky  = (shifted << excess[4:0]) != x;
        end
      end
      sticky   = sticky || (shifted[Padded-26:0] != '0);
      round_up = shifted[Padded-25] && (sticky || shifted[Padded-24]);
      if (exponent > 16'sd254) begin
        value_o = {x_i[Width-1], 8'hff, 23'd0};
      end else begin
        packed_value = {exponent[7:0], shifted[Padded-2-:23]} + {30'd0, round_up};
        value_o      = {x_i[Width-1], packed_value};
      end
    end
  end

endmodule
