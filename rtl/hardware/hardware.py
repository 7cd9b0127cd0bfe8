"""SystemVerilog of an array: the static modules of ``rtl/sv`` and what is generated for it.

Generated are the decoders and the encoder, from the formats' tables, and the top module, which
fixes the parameters. What a format brings along takes the place of any of them, or of the
processing elements' multiply-add. The same array always gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab.formats.arithmetic.accumulator import Exact, Float32, Saturate, Wrap
from systolab.formats.describe.decompose import decompose
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.projection.projection import EncoderTable
from systolab.rtl.codecs import Codec, choose, closed_decoder, closed_encoder
from systolab.rtl.hardware import handwritten
from systolab.rtl.kernel.kernel import MAX_GUARDS, MAX_LOOPS, Array

TOP = "systolab_top"
MAC = "systolab_mac"
MAX_ACC_BITS = 256

_STATIC = Path(__file__).parents[1] / "sv"

_Port = tuple[str, int, str]  # direction, width, name


@dataclass(frozen=True)
class Operand:
    """Width of a decoded operand: a signed significand times a power of two, or a binary32."""

    exp_bits: int
    sig_bits: int
    exp_max: int


@dataclass(frozen=True)
class Parameters:
    """Numbers that specialise the static modules for an array.

    Attributes:
        act, weight: decoded operands.
        acc_bits: width of the accumulator.
        acc_lsb: log2 of the accumulator's unit (0 for Float32).
        product_shift: log2 of the product's unit over the accumulator's.
        float32, saturate: kind of the accumulator.
        block_scaled: ``acc_bits`` is the width of a column sum; it is scaled and accumulated in
            binary32.
        own_pe: processing elements are the formats' own, and work on codes.
    """

    act: Operand
    weight: Operand
    acc_bits: int
    acc_lsb: int
    product_shift: int
    float32: bool
    saturate: bool
    block_scaled: bool = False
    own_pe: bool = False


@dataclass(frozen=True)
class Hardware:
    """Sources of one array.

    Attributes:
        array: the machine configuration.
        parameters: what the static modules are specialised to.
        files: text of every source by file name, in compilation order; the top module is last.
    """

    array: Array
    parameters: Parameters
    files: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names and contents of all sources."""
        state = hashlib.sha256()
        for name, text in self.files.items():
            state.update(f"{name}\0{len(text)}\0{text}".encode())
        return state.hexdigest()

    def write(self, directory: Path) -> list[Path]:
        """Write all sources into an existing directory; returns their paths in order."""
        paths = []
        for name, text in self.files.items():
            path = directory / name
            path.write_text(text, encoding="utf-8", newline="\n")
            paths.append(path)
        return paths


def hardware(array: Array, codec: Codec = Codec.AUTO) -> Hardware:
    """Generate the sources of an array.

    Args:
        array: the machine configuration.
        codec: how decoders and encoder are built, where the format does not bring its own.

    Raises:
        SystolabError: the accumulator cannot be built, a format is too wide for tables and has no
            closed form, or a format's own Verilog cannot be used.
    """
    own = handwritten.used(array)
    act_form, weight_form = (
        None if "pe" in own or block in own else choose(role, fmt, codec)
        for block, role, fmt in (
            ("act_decoder", "Activation", array.act),
            ("weight_decoder", "Weight", array.weight),
        )
    )
    out_form = None if "encoder" in own else choose("Output", array.out, codec)
    parameters = specialise(array)
    static = sorted(_STATIC.rglob("*.sv"), key=lambda path: path.name)
    files = {path.name: path.read_text(encoding="utf-8") for path in static}
    files |= {source.file: source.text for source in own.values()}
    if "pe" in own:
        files[f"{MAC}.sv"] = handwritten.multiply_add(
            MAC, own["pe"].module, array, _sum_bits(array, parameters), parameters.acc_lsb
        )
    for block, fmt, form, is_weight in (
        ("act_decoder", array.act, act_form, False),
        ("weight_decoder", array.weight, weight_form, True),
    ):
        name = f"systolab_{block}"
        operand = parameters.weight if is_weight else parameters.act
        bits = operand.exp_bits, operand.sig_bits
        if parameters.own_pe:
            files[f"{name}.sv"] = handwritten.passing(name, fmt)
        elif block in own:
            files[f"{name}.sv"] = handwritten.decoder(name, own[block].module, fmt, *bits)
        elif form is not None:
            widths = None if parameters.float32 else bits
            files[f"{name}.sv"] = closed_decoder(name, fmt, form, widths)
        else:
            files[f"{name}.sv"] = decoder(name, fmt, parameters, is_weight)
    name = "systolab_out_encoder"
    if "encoder" in own:
        files[f"{name}.sv"] = handwritten.encoder(name, own["encoder"].module, array.out)
    elif out_form is not None:
        files[f"{name}.sv"] = closed_encoder(name, array.out, out_form)
    else:
        files |= encoder(name, array.out)
    files[f"{TOP}.v"] = _top(array, parameters)
    # Packages first, by name: one uses none that comes after it.
    files = dict(sorted(files.items(), key=lambda file: not file[0].endswith("_pkg.sv")))
    return Hardware(array, parameters, files)


def specialise(array: Array) -> Parameters:
    """Parameters of an array.

    Raises:
        SystolabError: the accumulator would be too wide, too coarse for the products, or is of a
            kind that has no hardware, or the formats name different processing elements.
    """
    act, weight = _operand(array.act), _operand(array.weight)
    own_pe = handwritten.element(array) is not None
    accumulator = array.accumulator
    if isinstance(accumulator, Float32):
        return Parameters(act, weight, 32, 0, 0, float32=True, saturate=False, own_pe=own_pe)
    if not isinstance(accumulator, Exact | Wrap | Saturate):
        raise SystolabError(
            f"Accumulator of an array must be exact, wrap, saturate or float32, not {accumulator}"
        )
    unit = _log2(array.act.quantum) + _log2(array.weight.quantum)
    if isinstance(accumulator, Exact):
        length = array.rows if array.block_scaled else array.k_max
        largest = length * array.act.ratio * array.weight.ratio
        bits = largest.bit_length() + 1
        if bits > MAX_ACC_BITS:
            raise SystolabError(
                f"Exact accumulator must be at most {MAX_ACC_BITS} bits wide, not the {bits} that "
                f"{array.act.name} times {array.weight.name} over {length} steps needs"
            )
        return Parameters(
            act,
            weight,
            bits,
            unit,
            0,
            float32=False,
            saturate=False,
            block_scaled=array.block_scaled,
            own_pe=own_pe,
        )
    lsb = unit if accumulator.lsb is None else accumulator.lsb
    if lsb > unit:
        raise SystolabError(
            f"Accumulator lsb must be at most {unit}, the products' own, not {accumulator.lsb}"
        )
    return Parameters(
        act,
        weight,
        accumulator.bits,
        lsb,
        unit - lsb,
        float32=False,
        saturate=isinstance(accumulator, Saturate),
        own_pe=own_pe,
    )


def operand_width(fmt: Format, parameters: Parameters, weight: bool = False) -> int:
    """Bits of what a decoder makes of a code, which then moves through the array."""
    if parameters.own_pe:
        return fmt.bits + 1
    if parameters.float32:
        return 33
    operand = parameters.weight if weight else parameters.act
    return operand.exp_bits + operand.sig_bits


def operand_words(fmt: Format, parameters: Parameters, weight: bool = False) -> list[int]:
    """Decoded operand of every code, as the hardware's bit pattern."""
    if parameters.own_pe:
        return [1 << fmt.bits | code for code in range(1 << fmt.bits)]
    if parameters.float32:
        # Active flag above the binary32; NaNs are canonical from here on.
        values = fmt.values.astype(np.float32)
        bits = np.where(np.isnan(values), np.uint32(0x7FC00000), values.view(np.uint32))
        return [1 << 32 | word for word in bits.tolist()]
    operand = parameters.weight if weight else parameters.act
    parts = decompose(fmt)
    signed = np.where(parts.sign == 1, -parts.significand, parts.significand)
    mask = (1 << operand.sig_bits) - 1
    words = []
    for exponent, significand in zip(parts.exponent.tolist(), signed.tolist(), strict=True):
        words.append(exponent << operand.sig_bits | significand & mask)
    return words


def decoder(name: str, fmt: Format, parameters: Parameters, weight: bool = False) -> str:
    """Source of a decoder: code to operand, as a table."""
    operand = parameters.weight if weight else parameters.act
    width = operand_width(fmt, parameters, weight)
    kind = (
        "{active, binary32}"
        if parameters.float32
        else f"{{exponent[{operand.exp_bits}], signed significand[{operand.sig_bits}]}}"
    )
    words = operand_words(fmt, parameters, weight)
    lines = [
        f"// Decoder of {fmt.name}: a code becomes {kind}.",
        f"// Generated by systolab from the table of values of {fmt.name}; do not edit.",
        "",
        f"module {name} (",
        "  input  logic        active_i,  // an inactive lane decodes to zero",
        f"  input  logic [{fmt.bits - 1}:0]  code_i,",
        f"  output logic [{width - 1}:0] operand_o",
        ");",
        "",
        *_table("Table", width, words, [_show(value) for value in fmt.values.tolist()]),
        "",
        f"  assign operand_o = active_i ? Table[32'(code_i)*{width}+:{width}] : '0;",
        "",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def encoder(name: str, fmt: Format) -> dict[str, str]:
    """Sources of an encoder, binary32 to code, as a binary search over its thresholds.

    The search is a function in a package, so that a simulator compiles it once and not for each
    column. Files by name, the package first.
    """
    table = fmt.encoder()
    count = len(table.keys)
    levels = max(1, count.bit_length())
    # A threshold beyond every number never counts: it pads the search to a power of two.
    keys = table.keys.tolist() + [0xFFFF_FFFF] * ((1 << levels) - 1 - count)
    codes = table.codes.tolist() + [0] * ((1 << levels) - 1 - count)
    thresholds = [_show(value) for value in _key_values(table).tolist()]
    thresholds += ["never"] * (len(keys) - count)
    meanings = [_show(value) for value in fmt.values[table.codes].tolist()]
    meanings += ["never"] * (len(codes) - count - 1)
    package = [
        f"// Encoder of {fmt.name}: a binary32 becomes a code.",
        "// The code of x is Codes[number of thresholds at or below x], found by binary search",
        "// over order-preserving keys; NaN has a code of its own.",
        f"// Generated by systolab from the projection of {fmt.name}; do not edit.",
        "",
        f"package {name}_pkg;",
        "",
        *_table("Keys", 32, keys, thresholds),
        "",
        *_table("Codes", fmt.bits, codes, meanings),
        "",
        f"  function automatic logic [{fmt.bits - 1}:0] encode(input logic [31:0] value);",
        "    /* verilator no_inline_task */",
        "    logic [31:0] key;",
        f"    logic [{levels - 1}:0] count;",
        "",
        "    key   = value ^ (value[31] ? 32'hffffffff : 32'h80000000);",
        "    count = '0;",
        "    if (value[30:0] > 31'h7f800000) begin",
        f"      encode = {fmt.bits}'h{table.nan_code:x};",
        "    end else begin",
    ]
    for level in reversed(range(levels)):
        probe = f"32'(count)*32+{((1 << level) - 1) * 32}"
        package.append(f"      if (key >= Keys[{probe}+:32]) count[{level}] = 1'b1;")
    package += [
        f"      encode = Codes[32'(count)*{fmt.bits}+:{fmt.bits}];",
        "    end",
        "  endfunction",
        "",
        "endpackage",
        "",
    ]
    module = [
        f"// Encoder of {fmt.name} ({name}_pkg).",
        f"// Generated by systolab from the projection of {fmt.name}; do not edit.",
        "",
        f"module {name} (",
        "  input  logic        valid_i,   // isolates the operand",
        "  input  logic [31:0] value_i,",
        f"  output logic [{fmt.bits - 1}:0]  code_o",
        ");",
        "",
        "  always_comb begin",
        "    code_o = '0;",
        f"    if (valid_i) code_o = {name}_pkg::encode(value_i);",
        "  end",
        "",
        "endmodule",
        "",
    ]
    return {f"{name}_pkg.sv": "\n".join(package), f"{name}.sv": "\n".join(module)}


def _sum_bits(array: Array, parameters: Parameters) -> int:
    """Width at which a product is added to a sum: of a saturating sum, all of the result."""
    if not parameters.saturate:
        return parameters.acc_bits
    largest = array.act.ratio * array.weight.ratio << parameters.product_shift
    return max(largest.bit_length() + 1, parameters.acc_bits) + 1


def _operand(fmt: Format) -> Operand:
    parts = decompose(fmt)
    return Operand(max(1, parts.exp_max.bit_length()), parts.sig_bits + 1, parts.exp_max)


def _log2(quantum: float) -> int:
    return int(np.frexp(quantum)[1]) - 1


def _show(value: float) -> str:
    return f"{value!r}" if value == value else "nan"


def _key_values(table: EncoderTable) -> NDArray[np.float32]:
    """Thresholds of an encoder as binary32 values."""
    keys = table.keys
    flip = np.where(keys >> np.uint32(31) == 1, np.uint32(0x8000_0000), np.uint32(0xFFFF_FFFF))
    return np.asarray(keys ^ flip, dtype=np.uint32).view(np.float32)


def _table(name: str, width: int, words: list[int], meanings: list[str]) -> list[str]:
    """A constant with ``words[0]`` in its lowest bits, one word a line."""
    digits = -(-width // 4)
    lines = [f"  localparam logic [{len(words) * width - 1}:0] {name} = {{"]
    for i in reversed(range(len(words))):
        comma = "," if i else ""
        lines.append(f"    {width}'h{words[i]:0{digits}x}{comma}  // {i}: {meanings[i]}")
    return [*lines, "  };"]


def _top(array: Array, parameters: Parameters) -> str:
    line_bits = array.line.bit_length() - 1
    address = 32 - line_bits
    settings = {
        "Rows": array.rows,
        "Cols": array.cols,
        "OffsetWidth": line_bits,
        "AccRows": array.acc_rows,
        "ActCode": array.act.bits,
        "WeightCode": array.weight.bits,
        "OutCode": array.out.bits,
        "Float32": f"1'b{parameters.float32:d}",
        "Saturate": f"1'b{parameters.saturate:d}",
        "OwnPe": f"1'b{parameters.own_pe:d}",
        "BlockScaled": f"1'b{parameters.block_scaled:d}",
        "ActExp": parameters.act.exp_bits,
        "ActSig": parameters.act.sig_bits,
        "WeightExp": parameters.weight.exp_bits,
        "WeightSig": parameters.weight.sig_bits,
        "AccWidth": parameters.acc_bits,
        "AccLsb": parameters.acc_lsb,
        "ProductShift": parameters.product_shift,
        "MaxShift": parameters.act.exp_max + parameters.weight.exp_max,
        "Loops": MAX_LOOPS,
        "Guards": MAX_GUARDS,
    }
    ports: list[_Port] = [
        ("input", 1, "clk_i"),
        ("input", 1, "rst_ni"),
        ("input", 1, "cfg_valid_i"),
        ("input", 10, "cfg_addr_i"),
        ("input", 32, "cfg_data_i"),
        ("input", 1, "start_i"),
        ("output", 1, "done_o"),
        ("output", 64, "cycles_o"),
        ("output", 64, "stalls_o"),
    ]
    ports += _read_port("a", array.line * array.act.bits, "line", address)
    ports += _read_port("w", array.line * array.weight.bits, "line", address)
    ports += _read_port("p", 64, "index", 32)
    scales = _read_port("sa", 32, "index", 32) + _read_port("sw", 32, "index", 32)
    if array.block_scaled:
        ports += scales
    ports += [
        ("output", 1, "o_req_valid_o"),
        ("input", 1, "o_req_ready_i"),
        ("output", address, "o_req_line_o"),
        ("output", array.line * array.out.bits, "o_req_data_o"),
        ("output", array.line, "o_req_mask_o"),
    ]
    connections = [(name, name) for _, _, name in ports]
    if not array.block_scaled:
        connections += [(name, _idle(direction, width, name)) for direction, width, name in scales]
    lines = [
        f"// Systolic array {array.name}: activations {array.act.name}, weights "
        f"{array.weight.name}, outputs {array.out.name},",
        f"// accumulator {array.accumulator}{', block-scaled' if array.block_scaled else ''}. "
        "Ports and parameters: systolab_core.",
        "// Generated by systolab from that configuration; do not edit.",
        "",
        f"module {TOP} (",
        ",\n".join(
            f"  {direction:6} wire {f'[{width - 1}:0]' if width > 1 else '':8} {name}"
            for direction, width, name in ports
        ),
        ");",
        "",
        *([] if array.block_scaled else [*_unused(scales), ""]),
        "  systolab_core #(",
        ",\n".join(f"    .{name}({value})" for name, value in settings.items()),
        "  ) u_core (",
        ",\n".join(f"    .{name}({wire})" for name, wire in connections),
        "  );",
        "",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _read_port(port: str, width: int, target: str, request: int) -> list[_Port]:
    """Signals of a read port: requests of ``request`` bits, responses of ``width``."""
    return [
        ("output", 1, f"{port}_req_valid_o"),
        ("input", 1, f"{port}_req_ready_i"),
        ("output", request, f"{port}_req_{target}_o"),
        ("input", 1, f"{port}_rsp_valid_i"),
        ("output", 1, f"{port}_rsp_ready_o"),
        ("input", width, f"{port}_rsp_data_i"),
    ]


def _idle(direction: str, width: int, name: str) -> str:
    """What a port of the core that the array does not have is connected to."""
    return f"unused_{name}" if direction == "output" else f"{width}'b0"


def _unused(ports: list[_Port]) -> list[str]:
    return [
        f"  wire {f'[{width - 1}:0]' if width > 1 else '':8} unused_{name};"
        for direction, width, name in ports
        if direction == "output"
    ]
