"""A plug-in with its own Verilog: checked against its table, and found out where it is wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from systolab import formats
from systolab.cosim import cli
from systolab.formats.arithmetic.accumulator import Exact, Float32, Saturate
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array

EXAMPLES = Path(__file__).parents[3] / "examples"
MINIFLOAT = EXAMPLES / "plugin_minifloat" / "systolab_minifloat"
LOG2 = EXAMPLES / "plugin_log2" / "systolab_log2"


def plugin(tmp_path: Path, source: Path, name: str = "", old: str = "", new: str = "") -> str:
    """Spelling of a copy of an example in which one Verilog file was changed."""
    copy = tmp_path / source.name
    shutil.copytree(source, copy)
    if name:
        text = (copy / name).read_text()
        assert text.count(old) == 1
        (copy / name).write_text(text.replace(old, new))
    return f"{copy}/minifloat.py:Minifloat" if source == MINIFLOAT else f"{copy}/log2.py:Log2"


def check(tmp_path: Path, spec: str, stages: Sequence[str] = (), *options: str) -> int:
    arguments = ["check", spec, "--array", "2x2", "--quick", "--waves", str(tmp_path / "waves")]
    arguments += options
    for stage in stages:
        arguments += ["--stage", stage]
    return cli.main(arguments)


def test_the_example_brings_its_own_modules(tmp_path: Path) -> None:
    fmt = formats.get(plugin(tmp_path, MINIFLOAT))
    array = Array(2, 2, fmt, fmt, fmt, Exact())
    files = hardware(array).files
    own = (MINIFLOAT / "minifloat_decoder.v").read_text()
    assert files["minifloat_decoder.v"] == own
    assert "minifloat_decoder u_own" in files["systolab_act_decoder.sv"]
    assert "minifloat_encoder u_own" in files["systolab_out_encoder.sv"]
    # A binary32 accumulator takes operands as binary32: those come from the table.
    exact = hardware(Array(2, 2, fmt, fmt, fmt, Float32())).files
    assert "Table" in exact["systolab_act_decoder.sv"]


@pytest.mark.slow
def test_the_example_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = ["decoder", "encoder", "product", "pipeline"]
    assert check(tmp_path, plugin(tmp_path, MINIFLOAT), stages) == 0
    assert "EQUAL: exhaustive in decoder, product" in capsys.readouterr().out


@pytest.mark.slow
def test_one_wrong_code_in_a_decoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = plugin(
        tmp_path,
        MINIFLOAT,
        "minifloat_decoder.v",
        "{1'b0, normal, code_i[2:0]};",
        "{1'b0, normal, code_i == 8'h2b ? 3'd4 : code_i[2:0]};",
    )
    assert check(tmp_path, spec, ["decoder", "product"]) == 1
    shown = capsys.readouterr().out
    assert "DIFFERENT: decoder, product" in shown
    assert "code 43 (0x2b) = 176.0" in shown
    assert "1 product(s)" in shown
    assert "decoder, lane" in shown
    assert (tmp_path / "waves" / "divergence.gtkw").exists()


@pytest.mark.slow
def test_a_wrong_tie_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = "guard && (sticky || floor[0])"
    spec = plugin(tmp_path, MINIFLOAT, "minifloat_encoder.v", right, "guard")
    assert check(tmp_path, spec, ["encoder", "pipeline"]) == 1
    shown = capsys.readouterr().out
    assert "DIFFERENT: encoder, pipeline" in shown
    assert "post-processing of column 0: code" in shown
    assert "+1 ulp of" in shown or "-1 ulp of" in shown


# --- processing elements -----------------------------------------------------------------------


def test_the_example_brings_its_own_processing_elements(tmp_path: Path) -> None:
    fmt = formats.get(plugin(tmp_path, LOG2))
    files = hardware(Array(2, 2, fmt, fmt, fmt, Exact())).files
    assert files["log2_pe.v"] == (LOG2 / "log2_pe.v").read_text()
    assert "log2_pe #(\n    .AccWidth(46),\n    .AccLsb  (0)" in files["systolab_mac.sv"]
    assert "log2_pe_float32.v" not in files
    files = hardware(Array(2, 2, fmt, fmt, fmt, Float32())).files
    assert "log2_pe_float32 u_own" in files["systolab_mac.sv"]
    # Saturation is the array's: the element sees a width at which its sums are exact.
    files = hardware(Array(2, 2, fmt, fmt, fmt, Saturate(20, -2))).files
    assert "log2_pe #(\n    .AccWidth(33),\n    .AccLsb  (-2)" in files["systolab_mac.sv"]
    # What multiplies codes of two formats is used where both name it.
    other = formats.get("int:8")
    mixed = hardware(Array(2, 2, fmt, other, fmt, Exact())).files
    assert "log2_pe.v" not in mixed
    assert "Table" in mixed["systolab_act_decoder.sv"]


ACCUMULATORS = ["exact", "wrap:20,-2", "saturate:31,-1", "float32"]


@pytest.mark.slow
@pytest.mark.parametrize("accumulator", ACCUMULATORS)
def test_the_example_with_processing_elements_passes(
    tmp_path: Path, accumulator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, plugin(tmp_path, LOG2), (), "--accumulator", accumulator) == 0
    shown = capsys.readouterr().out
    own = "log2_pe_float32.v" if accumulator == "float32" else "log2_pe.v"
    assert f"accumulator {accumulator}, Verilog {own}, level quick" in shown
    assert "passed on as it is, the processing elements work on codes" in shown
    assert "EQUAL: exhaustive in table, decoder, product" in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accumulator", "options", "file", "old", "new"),
    [
        ("exact", "", "log2_pe.v", "weight_i[4];", "weight_i[4] && logarithm != 5'd20;"),
        ("exact", ",block=8", "log2_pe.v", "weight_i[4];", "weight_i[4] && logarithm != 5'd20;"),
        ("float32", "", "log2_pe_float32.v", "+ 8'd125", "+ (act_i == 5'd9 ? 8'd126 : 8'd125)"),
    ],
)
def test_a_wrong_processing_element(
    tmp_path: Path,
    accumulator: str,
    options: str,
    file: str,
    old: str,
    new: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = plugin(tmp_path, LOG2, file, old, new) + options
    stages = ["decoder", "product"]
    assert check(tmp_path, spec, stages, "--accumulator", accumulator) == 1
    shown = capsys.readouterr().out
    assert "DIFFERENT: product" in shown
    assert "1 product(s)" in shown
    assert re.search(r"first wrong +processing element of row 0, column 0\n", shown)
    assert re.search(r"signal +TOP\..*\.g_row\[0\]\.g_col\[0\]\.u_pe\.sum\n", shown)
    rows = dict(re.findall(r"^    (activation|weight|addend) +(.*)$", shown, re.MULTILINE))
    fmt = formats.get(spec)
    a, w = (int(re.findall(r"0x(\w+)", rows[x])[0], 16) for x in ("activation", "weight"))
    assert rows["addend"].endswith("= 0.0")
    if accumulator == "exact":
        assert fmt.values[a] * fmt.values[w] == -(2.0**20)
    else:
        assert a == 9
    assert (tmp_path / "waves" / "divergence.gtkw").exists()


SHIFTER = """
module shifter #(parameter AccWidth = 32, parameter AccLsb = 0) (
  input  wire [7:0]          act_i,
  input  wire [4:0]          weight_i,
  input  wire [AccWidth-1:0] addend_i,
  output wire [AccWidth-1:0] sum_o
);
  wire [AccWidth-1:0] act     = {{(AccWidth - 7) {!act_i[7]}}, act_i[6:0]};
  wire [AccWidth-1:0] shifted = (act << -AccLsb) << (weight_i[3:0] - 4'd1);
  wire [AccWidth-1:0] product = weight_i[3:0] == 4'd0 ? {AccWidth{1'b0}} : shifted;
  assign sum_o = weight_i[4] ? addend_i - product : addend_i + product;
endmodule
"""

SHIFTED = """
from pathlib import Path
from systolab.formats import Format
from log2 import Log2

OWN = {{"pe": Path({path!r})}}

class Weight(Log2):
    hardware = OWN

class Act(Format):
    bits = 8
    hardware = OWN
    def decode(self, code):
        return float(code - 128)
"""


@pytest.mark.slow
def test_a_processing_element_of_two_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integers times powers of two: an element of a shifter, named by both formats.

    The integers are in excess-128: the code 0 of an inactive lane is not a zero.
    """
    (tmp_path / "shifter.v").write_text(SHIFTER)
    module = tmp_path / "shifted.py"
    module.write_text(SHIFTED.format(path=str(tmp_path / "shifter.v")))
    monkeypatch.syspath_prepend(LOG2)
    mixed = ["--weight", f"{module}:Weight", "--array", "2x3"]
    assert check(tmp_path, f"{module}:Act", (), *mixed) == 0


@pytest.mark.slow
def test_a_processing_element_with_other_ports_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = plugin(tmp_path, LOG2, "log2_pe.v", "input  wire [4:0]          act_i,", "")
    assert check(tmp_path, spec, ["product"]) == 2
    error = capsys.readouterr().err
    assert "Build of the array's model failed in verilator_bin" in error
    assert "act_i" in error


# --- files that cannot be used -----------------------------------------------------------------


def own(name: str, **hardware: Path) -> Format:
    class Own(Format):
        bits = 2

        def __init__(self) -> None:
            self.name, self.hardware = name, hardware

        def decode(self, code: int) -> float:
            return float(code)

    return Own()


def with_decoder(path: Path) -> Array:
    fmt = own("own", decoder=path)
    return Array(1, 1, fmt, fmt, fmt, Exact())


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystolabError, match="Verilog decoder of own cannot be read"):
        hardware(with_decoder(tmp_path / "missing.v"))
    wrong = tmp_path / "systolab_mine.v"
    wrong.write_text("module systolab_mine; endmodule\n")
    with pytest.raises(SystolabError, match="must be a file named after its module"):
        hardware(with_decoder(wrong))
    other = tmp_path / "mine.v"
    other.write_text("module yours; endmodule\n")
    with pytest.raises(SystolabError, match="must define module mine, it does not"):
        hardware(with_decoder(other))


def test_different_processing_elements_are_refused(tmp_path: Path) -> None:
    one, two = own("one", pe=tmp_path / "one.v"), own("two", pe=tmp_path / "two.v")
    with pytest.raises(SystolabError) as error:
        hardware(Array(1, 1, one, two, one, Exact()))
    assert str(error.value) == (
        f"Verilog pe of one and two must be the same file, not {tmp_path}/one.v and "
        f"{tmp_path}/two.v"
    )


def test_an_unknown_block_is_refused(tmp_path: Path) -> None:
    fmt = own("own", multiplier=tmp_path / "multiplier.v")
    with pytest.raises(SystolabError) as error:
        hardware(Array(1, 1, fmt, fmt, fmt, Exact()))
    assert str(error.value) == (
        "Verilog of own must be for decoder, encoder, pe or pe_float32, not 'multiplier'"
    )


def test_two_modules_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "w"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "mine.v")
        paths[-1].write_text(f"module mine; endmodule // {folder}\n")
    act, weight = (own(path.parent.name, decoder=path) for path in paths)
    with pytest.raises(SystolabError) as error:
        hardware(Array(1, 1, act, weight, act, Exact()))
    assert str(error.value) == "Verilog modules of an array must have distinct names, not two mine"
