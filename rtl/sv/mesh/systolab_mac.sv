// Multiply-add of a processing element for the Float32 accumulator.
//
// An operand is {active, binary32}. The product is rounded once, every sum is rounded, to nearest
// even. An inactive operand contributes exactly +0, whatever the other one is.
//
// Where the formats bring a processing element of their own, a module of this name and these ports
// is generated in the place of this one, for any accumulator; its operands are {active, code}.

module systolab_mac (
  input  logic        valid_i,
  input  logic [32:0] act_i,
  input  logic [32:0] weight_i,
  input  logic [31:0] addend_i,
  output logic [31:0] sum_o
);

  logic        active;
  logic [31:0] product;

  assign active = valid_i && act_i[32] && weight_i[32];

  systolab_f32_mul u_mul (
    .valid_i  (active),
    .a_i      (act_i[31:0]),
    .b_i      (weight_i[31:0]),
    .product_o(product)
  );

  systolab_f32_add u_add (
    .valid_i(valid_i),
    .a_i    (addend_i),
    .b_i    (product),
    .sum_o  (sum_o)
  );

endmodule
