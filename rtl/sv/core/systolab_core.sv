// Core: a line-fed systolic array with its streams, accumulators, post-processing and ports.
//
// See docs/machine.md. Any port that makes the core wait freezes all of it through one clock
// enable; without stalls it is a plain synchronous machine.

module systolab_core #(
  parameter int unsigned Rows = 16,
  parameter int unsigned Cols = 16,
  parameter int unsigned OffsetWidth = 4,   // log2 of the codes of a line
  parameter int unsigned AccRows = 256,
  parameter int unsigned ActCode = 8,       // bits of a code
  parameter int unsigned WeightCode = 8,
  parameter int unsigned OutCode = 8,
  parameter bit          Float32 = 1'b0,
  parameter bit          Saturate = 1'b0,
  parameter bit          OwnPe = 1'b0,      // processing elements of the formats' own, on codes
  parameter bit          BlockScaled = 1'b0, // sums are scaled and accumulated in binary32
  parameter int unsigned ActExp = 1,        // bits of a decoded operand (integer accumulators)
  parameter int unsigned ActSig = 2,
  parameter int unsigned WeightExp = 1,
  parameter int unsigned WeightSig = 2,
  parameter int unsigned AccWidth = 32,     // of a sum in the array
  parameter int          AccLsb = 0,        // its unit is 2^AccLsb
  parameter int unsigned ProductShift = 0,
  parameter int unsigned MaxShift = 0,
  parameter int unsigned Loops = 12,
  parameter int unsigned Guards = 4,
  localparam int unsigned Line = 1 << OffsetWidth,
  localparam int unsigned LineAddr = 32 - OffsetWidth
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  // configuration: unit (0 controller, 1 A, 2 W, 3 O, 4 P, 5 and 6 block scales of A and W) and
  // word; while idle only
  input  logic                       cfg_valid_i,
  input  logic [9:0]                 cfg_addr_i,
  input  logic [31:0]                cfg_data_i,
  input  logic                       start_i,
  output logic                       done_o,
  output logic [63:0]                cycles_o,      // from the start pulse to done, stalls excluded
  output logic [63:0]                stalls_o,
  // A lines
  output logic                       a_req_valid_o,
  input  logic                       a_req_ready_i,
  output logic [LineAddr-1:0]        a_req_line_o,
  input  logic                       a_rsp_valid_i,
  output logic                       a_rsp_ready_o,
  input  logic [Line*ActCode-1:0]    a_rsp_data_i,
  // W lines
  output logic                       w_req_valid_o,
  input  logic                       w_req_ready_i,
  output logic [LineAddr-1:0]        w_req_line_o,
  input  logic                       w_rsp_valid_i,
  output logic                       w_rsp_ready_o,
  input  logic [Line*WeightCode-1:0] w_rsp_data_i,
  // parameters: {bias, scale}
  output logic                       p_req_valid_o,
  input  logic                       p_req_ready_i,
  output logic [31:0]                p_req_index_o,
  input  logic                       p_rsp_valid_i,
  output logic                       p_rsp_ready_o,
  input  logic [63:0]                p_rsp_data_i,
  // block scales of A and of W; silent without block scaling
  output logic                       sa_req_valid_o,
  input  logic                       sa_req_ready_i,
  output logic [31:0]                sa_req_index_o,
  input  logic                       sa_rsp_valid_i,
  output logic                       sa_rsp_ready_o,
  input  logic [31:0]                sa_rsp_data_i,
  output logic                       sw_req_valid_o,
  input  logic                       sw_req_ready_i,
  output logic [31:0]                sw_req_index_o,
  input  logic                       sw_rsp_valid_i,
  output logic                       sw_rsp_ready_o,
  input  logic [31:0]                sw_rsp_data_i,
  // O lines
  output logic                       o_req_valid_o,
  input  logic                       o_req_ready_i,
  output logic [LineAddr-1:0]        o_req_line_o,
  output logic [Line*OutCode-1:0]    o_req_data_o,
  output logic [Line-1:0]            o_req_mask_o
);

  localparam int unsigned RowWidth = (AccRows > 1) ? $clog2(AccRows) : 1;
  localparam int unsigned IndexWidth = (Rows > 1) ? $clog2(Rows) : 1;
  localparam int unsigned ActWidth = OwnPe ? ActCode + 1 : Float32 ? 33 : ActExp + ActSig;
  localparam int unsigned WeightWidth =
      OwnPe ? WeightCode + 1 : Float32 ? 33 : WeightExp + WeightSig;
  localparam int unsigned BankWidth = BlockScaled ? 32 : AccWidth;

  // ---------------------------------------------------------------------------------------------
  // Clock enable, start and cycle counter
  // ---------------------------------------------------------------------------------------------
  logic        en;
  logic        a_ok;
  logic        w_ok;
  logic        p_ok;
  logic        o_ok;
  logic        scales_ok;
  logic        init;
  logic        busy_q /*verilator public_flat_rd*/;
  logic        done_q;
  logic        finished;
  logic [63:0] cycles_q;
  logic [63:0] stalls_q;

  assign en   = a_ok && w_ok && p_ok && o_ok && scales_ok;
  assign init = start_i && !busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q   <= 1'b0;
      done_q   <= 1'b0;
      cycles_q <= '0;
      stalls_q <= '0;
    end else if (init) begin
      busy_q   <= 1'b1;
      done_q   <= 1'b0;
      cycles_q <= 64'd1;
      stalls_q <= '0;
    end else if (busy_q) begin
      if (en) begin
        cycles_q <= cycles_q + 64'd1;
        if (finished) begin
          busy_q <= 1'b0;
          done_q <= 1'b1;
        end
      end else begin
        stalls_q <= stalls_q + 64'd1;
      end
    end
  end

  assign cycles_o = cycles_q;
  assign stalls_o = stalls_q;
  assign done_o   = done_q && !o_req_valid_o;

  // ---------------------------------------------------------------------------------------------
  // Configuration
  // ---------------------------------------------------------------------------------------------
  logic [6:0] cfg_we;
  for (genvar u = 0; u < 7; u++) begin : g_cfg
    assign cfg_we[u] = cfg_valid_i && cfg_addr_i[9:7] == 3'(u);
  end

  logic                os;
  logic [RowWidth-1:0] row_last;
  logic [31:0]         outer_count;
  logic [31:0]         low;
  logic [31:0]         high;

  systolab_config #(
    .RowWidth(RowWidth)
  ) u_config (
    .clk_i        (clk_i),
    .cfg_we_i     (cfg_we[0]),
    .cfg_addr_i   (cfg_addr_i[6:0]),
    .cfg_data_i   (cfg_data_i),
    .os_o         (os),
    .row_last_o   (row_last),
    .outer_count_o(outer_count),
    .low_o        (low),
    .high_o       (high)
  );

  // ---------------------------------------------------------------------------------------------
  // A and W streams with their ports
  // ---------------------------------------------------------------------------------------------
  logic                         a_go;
  logic                         a_final_ok;
  logic                         a_valid;
  logic                         a_first;
  logic                         a_final;
  logic                         a_tile_last;
  logic                         a_outer_last;
  logic                         a_issue;
  logic                         a_req;
  logic [LineAddr-1:0]          a_line;
  logic [Line*ActCode-1:0]      a_data;
  logic [Rows*ActCode-1:0]      a_code;
  logic [Rows-1:0]              a_active;
  logic                         w_go;
  logic                         w_final_ok;
  logic                         w_valid;
  logic                         w_first;
  logic                         w_final;
  logic                         w_tile_last;
  logic                         unused_w_outer_last;
  logic                         w_issue;
  logic                         w_req;
  logic [LineAddr-1:0]          w_line;
  logic [Line*WeightCode-1:0]   w_data;
  logic [Cols*WeightCode-1:0]   w_code;
  logic [Cols-1:0]              w_active;

  systolab_read_stream #(
    .Lanes      (Rows),
    .CodeWidth  (ActCode),
    .OffsetWidth(OffsetWidth),
    .Loops      (Loops),
    .Guards     (Guards)
  ) u_a_stream (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .en_i        (en),
    .cfg_we_i    (cfg_we[1]),
    .cfg_addr_i  (cfg_addr_i[6:0]),
    .cfg_data_i  (cfg_data_i),
    .init_i      (init),
    .go_i        (a_go),
    .final_ok_i  (a_final_ok),
    .valid_o     (a_valid),
    .first_o     (a_first),
    .final_o     (a_final),
    .tile_last_o (a_tile_last),
    .outer_last_o(a_outer_last),
    .issue_o     (a_issue),
    .req_o       (a_req),
    .req_line_o  (a_line),
    .rsp_data_i  (a_data),
    .code_o      (a_code),
    .active_o    (a_active)
  );

  systolab_read_adapter #(
    .AddressWidth(LineAddr),
    .DataWidth   (Line * ActCode)
  ) u_a_adapter (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .en_i         (en),
    .ok_o         (a_ok),
    .req_i        (a_req),
    .req_address_i(a_line),
    .rsp_data_o   (a_data),
    .req_valid_o  (a_req_valid_o),
    .req_ready_i  (a_req_ready_i),
    .req_address_o(a_req_line_o),
    .rsp_valid_i  (a_rsp_valid_i),
    .rsp_ready_o  (a_rsp_ready_o),
    .rsp_data_i   (a_rsp_data_i)
  );

  systolab_read_stream #(
    .Lanes      (Cols),
    .CodeWidth  (WeightCode),
    .OffsetWidth(OffsetWidth),
    .Loops      (Loops),
    .Guards     (Guards)
  ) u_w_stream (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .en_i        (en),
    .cfg_we_i    (cfg_we[2]),
    .cfg_addr_i  (cfg_addr_i[6:0]),
    .cfg_data_i  (cfg_data_i),
    .init_i      (init),
    .go_i        (w_go),
    .final_ok_i  (w_final_ok),
    .valid_o     (w_valid),
    .first_o     (w_first),
    .final_o     (w_final),
    .tile_last_o (w_tile_last),
    .outer_last_o(unused_w_outer_last),
    .issue_o     (w_issue),
    .req_o       (w_req),
    .req_line_o  (w_line),
    .rsp_data_i  (w_data),
    .code_o      (w_code),
    .active_o    (w_active)
  );

  systolab_read_adapter #(
    .AddressWidth(LineAddr),
    .DataWidth   (Line * WeightCode)
  ) u_w_adapter (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .en_i         (en),
    .ok_o         (w_ok),
    .req_i        (w_req),
    .req_address_i(w_line),
    .rsp_data_o   (w_data),
    .req_valid_o  (w_req_valid_o),
    .req_ready_i  (w_req_ready_i),
    .req_address_o(w_req_line_o),
    .rsp_valid_i  (w_rsp_valid_i),
    .rsp_ready_o  (w_rsp_ready_o),
    .rsp_data_i   (w_rsp_data_i)
  );

  // ---------------------------------------------------------------------------------------------
  // Control, delayed with the vectors: a vector issued in cycle t meets row 0 in cycle t + 3
  // ---------------------------------------------------------------------------------------------
  localparam int unsigned Depth = Rows + 2;

  logic                        valid;
  logic                        first;
  logic                        last;
  logic                        move;
  logic [IndexWidth-1:0]       index;
  logic                        acc_valid;
  logic                        acc_bank;
  logic [RowWidth-1:0]         acc_row;
  logic                        acc_add;
  logic                        acc_last;
  logic                        flush;
  logic                        scales_ready;

  systolab_controller #(
    .Rows    (Rows),
    .RowWidth(RowWidth)
  ) u_controller (
    .clk_i         (clk_i),
    .rst_ni        (rst_ni),
    .en_i          (en),
    .init_i        (init),
    .os_i          (os),
    .row_last_i    (row_last),
    .a_valid_i     (a_valid),
    .a_first_i     (a_first),
    .a_final_i     (a_final),
    .a_tile_last_i (a_tile_last),
    .a_outer_last_i(a_outer_last),
    .a_issue_i     (a_issue),
    .a_go_o        (a_go),
    .a_final_ok_o  (a_final_ok),
    .w_valid_i     (w_valid),
    .w_first_i     (w_first),
    .w_final_i     (w_final),
    .w_tile_last_i (w_tile_last),
    .w_issue_i     (w_issue),
    .w_go_o        (w_go),
    .w_final_ok_o  (w_final_ok),
    .w_scales_i    (scales_ready),
    .release_i     (flush),
    .valid_o       (valid),
    .first_o       (first),
    .last_o        (last),
    .move_o        (move),
    .index_o       (index),
    .acc_valid_o   (acc_valid),
    .acc_bank_o    (acc_bank),
    .acc_row_o     (acc_row),
    .acc_add_o     (acc_add),
    .acc_last_o    (acc_last)
  );

  logic [Depth-1:0]             valid_q;
  logic [Depth-1:0]             first_q;
  logic [Depth:0]               last_q;
  logic [Depth-1:0]             move_q;
  logic [Depth*IndexWidth-1:0]  index_q;
  logic [Depth-1:0]          acc_valid_q;
  logic [Depth-1:0]          acc_bank_q;
  logic [Depth*RowWidth-1:0] acc_row_q;
  logic [Depth-1:0]          acc_add_q;
  logic [Depth-1:0]          acc_last_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q     <= '0;
      move_q      <= '0;
      acc_valid_q <= '0;
    end else if (en) begin
      valid_q     <= {valid_q[Depth-2:0], valid};
      move_q      <= {move_q[Depth-2:0], move};
      acc_valid_q <= {acc_valid_q[Depth-2:0], acc_valid};
    end
  end

  always_ff @(posedge clk_i) begin
    if (en) begin
      first_q    <= {first_q[Depth-2:0], valid && first};
      last_q     <= {last_q[Depth-1:0], valid && last};
      index_q    <= {index_q[(Depth-1)*IndexWidth-1:0], index};
      acc_bank_q <= {acc_bank_q[Depth-2:0], acc_bank};
      acc_row_q  <= {acc_row_q[(Depth-1)*RowWidth-1:0], acc_row};
      acc_add_q  <= {acc_add_q[Depth-2:0], acc_add};
      acc_last_q <= {acc_last_q[Depth-2:0], acc_last};
    end
  end

  logic [Rows-1:0] load;
  for (genvar r = 0; r < int'(Rows); r++) begin : g_load
    assign load[r] = move_q[r+2] && index_q[(r+2)*IndexWidth+:IndexWidth] == IndexWidth'(r);
  end

  logic unused_index;
  assign unused_index = ^{index_q[2*IndexWidth-1:0], move_q[1:0], last_q[2:0], first_q[1:0]};

  // ---------------------------------------------------------------------------------------------
  // Skew, decoders and the mesh
  // ---------------------------------------------------------------------------------------------
  logic [Rows*(ActCode+1)-1:0]    a_lane;
  logic [Rows*(ActCode+1)-1:0]    a_skewed;
  logic [Rows*ActWidth-1:0]       a_operand;
  logic [Rows*ActWidth-1:0]       a_operand_q;
  logic [Cols*(WeightCode+1)-1:0] w_lane;
  logic [Cols*(WeightCode+1)-1:0] w_skewed;
  logic [Cols*WeightWidth-1:0]    w_operand;
  logic [Cols*WeightWidth-1:0]    w_operand_q;
  logic [Cols*AccWidth-1:0]       sum;

  for (genvar r = 0; r < int'(Rows); r++) begin : g_act
    assign a_lane[r*(ActCode+1)+:ActCode+1] = {
      a_active[r] && valid_q[1], a_code[r*ActCode+:ActCode]
    };
    systolab_act_decoder u_decoder (
      .active_i (a_skewed[r*(ActCode+1)+ActCode]),
      .code_i   (a_skewed[r*(ActCode+1)+:ActCode]),
      .operand_o(a_operand[r*ActWidth+:ActWidth])
    );
  end

  for (genvar c = 0; c < int'(Cols); c++) begin : g_weight
    assign w_lane[c*(WeightCode+1)+:WeightCode+1] = {
      w_active[c], w_code[c*WeightCode+:WeightCode]
    };
    systolab_weight_decoder u_decoder (
      .active_i (w_skewed[c*(WeightCode+1)+WeightCode]),
      .code_i   (w_skewed[c*(WeightCode+1)+:WeightCode]),
      .operand_o(w_operand[c*WeightWidth+:WeightWidth])
    );
  end

  systolab_skew #(
    .Lanes(Rows),
    .Width(ActCode + 1)
  ) u_a_skew (
    .clk_i (clk_i),
    .en_i  (en),
    .data_i(a_lane),
    .data_o(a_skewed)
  );

  systolab_skew #(
    .Lanes(Cols),
    .Width(WeightCode + 1)
  ) u_w_skew (
    .clk_i (clk_i),
    .en_i  (en),
    .data_i(w_lane),
    .data_o(w_skewed)
  );

  always_ff @(posedge clk_i) begin
    if (en) begin
      a_operand_q <= a_operand;
      w_operand_q <= w_operand;
    end
  end

  systolab_mesh #(
    .Rows        (Rows),
    .Cols        (Cols),
    .Float32     (Float32),
    .Saturate    (Saturate),
    .OwnPe       (OwnPe),
    .ActCode     (ActCode),
    .WeightCode  (WeightCode),
    .ActExp      (ActExp),
    .ActSig      (ActSig),
    .WeightExp   (WeightExp),
    .WeightSig   (WeightSig),
    .AccWidth    (AccWidth),
    .ProductShift(ProductShift),
    .MaxShift    (MaxShift)
  ) u_mesh (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .en_i    (en),
    .os_i    (os),
    .valid_i (valid_q[Depth-1:2]),
    .first_i (first_q[Depth-1:2]),
    .done_i  (last_q[Depth:3]),
    .load_i  (load),
    .act_i   (a_operand_q),
    .weight_i(w_operand_q),
    .sum_o   (sum)
  );

  // ---------------------------------------------------------------------------------------------
  // Accumulators, post-processing and drain
  // ---------------------------------------------------------------------------------------------
  logic                     read;
  logic                     read_bank;
  logic [RowWidth-1:0]      read_row;
  logic                     pipe_en;
  logic [3:0]               pipe_valid;
  logic                     vector_valid;
  logic                     vector_issue;
  logic                     params_ready;
  logic [Cols*32-1:0]       scale;
  logic [Cols*32-1:0]       bias;
  logic [Cols*BankWidth-1:0] drained;
  logic [Cols*OutCode-1:0]  o_code;

  // Command of column c; boundary Cols comes out of the last one.
  logic [Cols:0]                command_valid;
  logic [Cols:0]                command_bank;
  logic [(Cols+1)*RowWidth-1:0] command_row;
  logic [Cols:0]                command_add;
  logic [Cols:0]                command_last;

  logic [Cols*BankWidth-1:0] addend;  // what columns add to their accumulators

  if (BlockScaled) begin : g_block_scaled
    // Scaling takes two cycles.
    logic [1:0]            valid_late_q;
    logic [1:0]            bank_late_q;
    logic [2*RowWidth-1:0] row_late_q;
    logic [1:0]            add_late_q;
    logic [1:0]            last_late_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        valid_late_q <= '0;
      end else if (en) begin
        valid_late_q <= {valid_late_q[0], acc_valid_q[Depth-1]};
      end
    end

    always_ff @(posedge clk_i) begin
      if (en) begin
        bank_late_q <= {bank_late_q[0], acc_bank_q[Depth-1]};
        row_late_q  <= {row_late_q[RowWidth-1:0], acc_row_q[(Depth-1)*RowWidth+:RowWidth]};
        add_late_q  <= {add_late_q[0], acc_add_q[Depth-1]};
        last_late_q <= {last_late_q[0], acc_last_q[Depth-1]};
      end
    end

    assign command_valid[0]          = valid_late_q[1];
    assign command_bank[0]           = bank_late_q[1];
    assign command_row[RowWidth-1:0] = row_late_q[RowWidth+:RowWidth];
    assign command_add[0]            = add_late_q[1];
    assign command_last[0]           = last_late_q[1];

    logic        sa_ok;
    logic        sa_req;
    logic [31:0] sa_index;
    logic [31:0] sa_data;
    logic        sw_ok;
    logic        sw_req;
    logic [31:0] sw_index;
    logic [31:0] sw_data;

    // Scale of A beside the sum of column c; boundary Cols comes out of the last one.
    logic [Cols:0]          scale_valid;
    logic [Cols:0]          scale_first;
    logic [(Cols+1)*32-1:0] scale_act;
    logic [Cols-1:0]        scale_load;
    logic [31:0]            scale_weight;

    assign scales_ok = sa_ok && sw_ok;

    systolab_act_scale #(
      .Rows (Rows),
      .Loops(Loops)
    ) u_act_scale (
      .clk_i      (clk_i),
      .rst_ni     (rst_ni),
      .en_i       (en),
      .cfg_we_i   (cfg_we[5]),
      .cfg_addr_i (cfg_addr_i[6:0]),
      .cfg_data_i (cfg_data_i),
      .init_i     (init),
      .issue_i    (a_issue),
      .first_i    (a_first),
      .req_o      (sa_req),
      .req_index_o(sa_index),
      .rsp_data_i (sa_data),
      .valid_o    (scale_valid[0]),
      .first_o    (scale_first[0]),
      .scale_o    (scale_act[31:0])
    );

    systolab_read_adapter #(
      .AddressWidth(32),
      .DataWidth   (32)
    ) u_sa_adapter (
      .clk_i        (clk_i),
      .rst_ni       (rst_ni),
      .en_i         (en),
      .ok_o         (sa_ok),
      .req_i        (sa_req),
      .req_address_i(sa_index),
      .rsp_data_o   (sa_data),
      .req_valid_o  (sa_req_valid_o),
      .req_ready_i  (sa_req_ready_i),
      .req_address_o(sa_req_index_o),
      .rsp_valid_i  (sa_rsp_valid_i),
      .rsp_ready_o  (sa_rsp_ready_o),
      .rsp_data_i   (sa_rsp_data_i)
    );

    systolab_weight_scale #(
      .Rows (Rows),
      .Lanes(Cols),
      .Loops(Loops)
    ) u_weight_scale (
      .clk_i      (clk_i),
      .rst_ni     (rst_ni),
      .en_i       (en),
      .cfg_we_i   (cfg_we[6]),
      .cfg_addr_i (cfg_addr_i[6:0]),
      .cfg_data_i (cfg_data_i),
      .init_i     (init),
      .swap_i     (a_issue && a_first),
      .ready_o    (scales_ready),
      .req_o      (sw_req),
      .req_index_o(sw_index),
      .rsp_data_i (sw_data),
      .load_o     (scale_load),
      .scale_o    (scale_weight)
    );

    systolab_read_adapter #(
      .AddressWidth(32),
      .DataWidth   (32)
    ) u_sw_adapter (
      .clk_i        (clk_i),
      .rst_ni       (rst_ni),
      .en_i         (en),
      .ok_o         (sw_ok),
      .req_i        (sw_req),
      .req_address_i(sw_index),
      .rsp_data_o   (sw_data),
      .req_valid_o  (sw_req_valid_o),
      .req_ready_i  (sw_req_ready_i),
      .req_address_o(sw_req_index_o),
      .rsp_valid_i  (sw_rsp_valid_i),
      .rsp_ready_o  (sw_rsp_ready_o),
      .rsp_data_i   (sw_rsp_data_i)
    );

    for (genvar c = 0; c < int'(Cols); c++) begin : g_scale
      systolab_column_scale #(
        .SumWidth(AccWidth),
        .Lsb     (AccLsb)
      ) u_scale (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .en_i    (en),
        .valid_i (scale_valid[c]),
        .first_i (scale_first[c]),
        .act_i   (scale_act[c*32+:32]),
        .valid_o (scale_valid[c+1]),
        .first_o (scale_first[c+1]),
        .act_o   (scale_act[(c+1)*32+:32]),
        .load_i  (scale_load[c]),
        .weight_i(scale_weight),
        .sum_i   (sum[c*AccWidth+:AccWidth]),
        .scaled_o(addend[c*32+:32])
      );
    end

    logic unused_scale;
    assign unused_scale = ^{scale_valid[Cols], scale_first[Cols], scale_act[Cols*32+:32]};
  end else begin : g_unscaled
    assign command_valid[0]          = acc_valid_q[Depth-1];
    assign command_bank[0]           = acc_bank_q[Depth-1];
    assign command_row[RowWidth-1:0] = acc_row_q[(Depth-1)*RowWidth+:RowWidth];
    assign command_add[0]            = acc_add_q[Depth-1];
    assign command_last[0]           = acc_last_q[Depth-1];

    assign addend         = sum;
    assign scales_ok      = 1'b1;
    assign scales_ready   = 1'b1;
    assign sa_req_valid_o = 1'b0;
    assign sa_req_index_o = '0;
    assign sa_rsp_ready_o = 1'b0;
    assign sw_req_valid_o = 1'b0;
    assign sw_req_index_o = '0;
    assign sw_rsp_ready_o = 1'b0;

    logic unused_scale;
    assign unused_scale = ^{cfg_we[6:5], sa_req_ready_i, sa_rsp_valid_i, sa_rsp_data_i,
                            sw_req_ready_i, sw_rsp_valid_i, sw_rsp_data_i};
  end

  logic unused_command;
  assign unused_command = ^{command_valid[Cols], command_bank[Cols], command_add[Cols],
                            command_row[Cols*RowWidth+:RowWidth]};

  for (genvar c = 0; c < int'(Cols); c++) begin : g_column
    systolab_accumulator #(
      .AccWidth(BankWidth),
      .AccRows (AccRows),
      .Float32 (Float32 || BlockScaled),
      .Saturate(Saturate)
    ) u_accumulator (
      .clk_i      (clk_i),
      .rst_ni     (rst_ni),
      .en_i       (en),
      .valid_i    (command_valid[c]),
      .bank_i     (command_bank[c]),
      .row_i      (command_row[c*RowWidth+:RowWidth]),
      .add_i      (command_add[c]),
      .last_i     (command_last[c]),
      .valid_o    (command_valid[c+1]),
      .bank_o     (command_bank[c+1]),
      .row_o      (command_row[(c+1)*RowWidth+:RowWidth]),
      .add_o      (command_add[c+1]),
      .last_o     (command_last[c+1]),
      .sum_i      (addend[c*BankWidth+:BankWidth]),
      .read_i     (read),
      .read_bank_i(read_bank),
      .read_row_i (read_row),
      .read_data_o(drained[c*BankWidth+:BankWidth])
    );

    systolab_postprocess #(
      .AccWidth (BankWidth),
      .Lsb      (AccLsb),
      .Float32  (Float32 || BlockScaled),
      .CodeWidth(OutCode)
    ) u_postprocess (
      .clk_i  (clk_i),
      .en_i   (en && pipe_en),
      .valid_i(pipe_valid),
      .acc_i  (drained[c*BankWidth+:BankWidth]),
      .scale_i(scale[c*32+:32]),
      .bias_i (bias[c*32+:32]),
      .low_i  (low),
      .high_i (high),
      .code_o (o_code[c*OutCode+:OutCode])
    );
  end

  systolab_drain #(
    .RowWidth(RowWidth)
  ) u_drain (
    .clk_i         (clk_i),
    .rst_ni        (rst_ni),
    .en_i          (en),
    .init_i        (init),
    .row_last_i    (row_last),
    .outer_count_i (outer_count),
    .summed_i      (command_last[Cols]),
    .params_ready_i(params_ready),
    .read_o        (read),
    .read_bank_o   (read_bank),
    .read_row_o    (read_row),
    .pipe_en_o     (pipe_en),
    .valid_o       (pipe_valid),
    .vector_valid_o(vector_valid),
    .vector_issue_i(vector_issue),
    .flush_o       (flush),
    .done_o        (finished)
  );

  logic        p_req;
  logic [31:0] p_index;
  logic [63:0] p_data;

  systolab_param_loader #(
    .Lanes(Cols),
    .Loops(Loops)
  ) u_params (
    .clk_i      (clk_i),
    .rst_ni     (rst_ni),
    .en_i       (en),
    .cfg_we_i   (cfg_we[4]),
    .cfg_addr_i (cfg_addr_i[6:0]),
    .cfg_data_i (cfg_data_i),
    .init_i     (init),
    .release_i  (flush),
    .ready_o    (params_ready),
    .scale_o    (scale),
    .bias_o     (bias),
    .req_o      (p_req),
    .req_index_o(p_index),
    .rsp_data_i (p_data)
  );

  systolab_read_adapter #(
    .AddressWidth(32),
    .DataWidth   (64)
  ) u_p_adapter (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .en_i         (en),
    .ok_o         (p_ok),
    .req_i        (p_req),
    .req_address_i(p_index),
    .rsp_data_o   (p_data),
    .req_valid_o  (p_req_valid_o),
    .req_ready_i  (p_req_ready_i),
    .req_address_o(p_req_index_o),
    .rsp_valid_i  (p_rsp_valid_i),
    .rsp_ready_o  (p_rsp_ready_o),
    .rsp_data_i   (p_rsp_data_i)
  );

  // ---------------------------------------------------------------------------------------------
  // O stream with its port
  // ---------------------------------------------------------------------------------------------
  logic o_req;

  systolab_write_stream #(
    .Lanes      (Cols),
    .CodeWidth  (OutCode),
    .OffsetWidth(OffsetWidth),
    .Loops      (Loops),
    .Guards     (Guards)
  ) u_o_stream (
    .clk_i     (clk_i),
    .rst_ni    (rst_ni),
    .en_i      (en),
    .cfg_we_i  (cfg_we[3]),
    .cfg_addr_i(cfg_addr_i[6:0]),
    .cfg_data_i(cfg_data_i),
    .init_i    (init),
    .valid_i   (vector_valid),
    .code_i    (o_code),
    .flush_i   (flush),
    .issue_o   (vector_issue),
    .req_o     (o_req),
    .req_line_o(o_req_line_o),
    .req_data_o(o_req_data_o),
    .req_mask_o(o_req_mask_o)
  );

  systolab_write_adapter u_o_adapter (
    .clk_i      (clk_i),
    .rst_ni     (rst_ni),
    .en_i       (en),
    .ok_o       (o_ok),
    .req_i      (o_req),
    .req_valid_o(o_req_valid_o),
    .req_ready_i(o_req_ready_i)
  );

endmodule
