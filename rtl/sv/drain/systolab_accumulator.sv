// Accumulator column: two banks of rows; column sums are written or added, finished rows are read.
//
// A command names bank and row one cycle before its column sum arrives; it moves on to the next
// column with the wavefront. Each bank is a memory with one write port and one read port, whose data
// come a cycle later and are those from before a write in the same cycle.

module systolab_accumulator #(
  parameter int unsigned AccWidth = 32,
  parameter int unsigned AccRows = 256,
  parameter bit          Float32 = 1'b0,
  parameter bit          Saturate = 1'b0,
  localparam int unsigned RowWidth = (AccRows > 1) ? $clog2(AccRows) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  // command, and the same for the next column
  input  logic                valid_i,
  input  logic                bank_i,
  input  logic [RowWidth-1:0] row_i,
  input  logic                add_i,
  input  logic                last_i,   // of an outer iteration
  output logic                valid_o,
  output logic                bank_o,
  output logic [RowWidth-1:0] row_o,
  output logic                add_o,
  output logic                last_o,
  // column sum
  input  logic [AccWidth-1:0] sum_i,
  // drain
  input  logic                read_i,
  input  logic                read_bank_i,
  input  logic [RowWidth-1:0] read_row_i,
  output logic [AccWidth-1:0] read_data_o
);

  logic                valid_q;
  logic                bank_q;
  logic [RowWidth-1:0] row_q;
  logic                add_q;
  logic                last_q;
  logic                read_bank_q;
  logic [AccWidth-1:0] bank0_q [AccRows];
  logic [AccWidth-1:0] bank1_q [AccRows];
  logic [AccWidth-1:0] read0_q;
  logic [AccWidth-1:0] read1_q;
  logic [AccWidth-1:0] old;
  logic [AccWidth-1:0] sum;

  // The drain reads one bank while the other one fills.
  logic                drain0;
  logic                drain1;
  logic                read0;
  logic                read1;
  logic [RowWidth-1:0] read0_row;
  logic [RowWidth-1:0] read1_row;

  assign drain0    = read_i && !read_bank_i;
  assign drain1    = read_i && read_bank_i;
  assign read0     = en_i && (drain0 || (valid_i && !bank_i));
  assign read1     = en_i && (drain1 || (valid_i && bank_i));
  assign read0_row = drain0 ? read_row_i : row_i;
  assign read1_row = drain1 ? read_row_i : row_i;

  assign old = bank_q ? read1_q : read0_q;

  if (Float32) begin : g_float32
    logic [31:0] added;
    systolab_f32_add u_add (
      .valid_i(valid_q && add_q),
      .a_i    (old),
      .b_i    (sum_i),
      .sum_o  (added)
    );
    assign sum = add_q ? added : sum_i;
  end else if (Saturate) begin : g_saturate
    logic signed [AccWidth:0] wide;
    assign wide = (AccWidth+1)'($signed(old)) + (AccWidth+1)'($signed(sum_i));
    always_comb begin
      if (!add_q) sum = sum_i;
      else if (wide[AccWidth] == wide[AccWidth-1]) sum = wide[AccWidth-1:0];
      else sum = {wide[AccWidth], {(AccWidth - 1) {!wide[AccWidth]}}};
    end
  end else begin : g_wrap
    assign sum = add_q ? old + sum_i : sum_i;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      last_q  <= 1'b0;
    end else if (en_i) begin
      valid_q <= valid_i;
      last_q  <= valid_i && last_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      if (valid_i) begin
        bank_q <= bank_i;
        row_q  <= row_i;
        add_q  <= add_i;
      end
      if (read_i) read_bank_q <= read_bank_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (read0) read0_q <= bank0_q[read0_row];
    if (en_i && valid_q && !bank_q) bank0_q[row_q] <= sum;
  end

  always_ff @(posedge clk_i) begin
    if (read1) read1_q <= bank1_q[read1_row];
    if (en_i && valid_q && bank_q) bank1_q[row_q] <= sum;
  end

  assign valid_o     = valid_q;
  assign bank_o      = bank_q;
  assign row_o       = row_q;
  assign add_o       = add_q;
  assign last_o      = last_q;
  assign read_data_o = read_bank_q ? read1_q : read0_q;

endmodule
