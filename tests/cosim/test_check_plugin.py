"""A plug-in with its own Verilog: checked against its table, and found out where it is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import formats
from cosim import cli
from formats.accumulator import Exact, Float32
from formats.errors import SystolabError
from formats.format import Format
from rtl.hardware import hardware
from rtl.kernel import Array

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin_minifloat"


def plugin(tmp_path: Path, name: str = "", old: str = "", new: str = "") -> str:
    """Spelling of a copy of the example in which one Verilog file was changed."""
    copy = tmp_path / "plugin"
    shutil.copytree(EXAMPLE, copy)
    if name:
        text = (copy / name).read_text()
        assert text.count(old) == 1
        (copy / name).write_text(text.replace(old, new))
    return f"{copy / 'systolab_minifloat.py'}:Minifloat"


def check(tmp_path: Path, spec: str, stages: Sequence[str]) -> int:
    arguments = ["check", spec, "--array", "2x2", "--quick", "--waves", str(tmp_path / "waves")]
    for stage in stages:
        arguments += ["--stage", stage]
    return cli.main(arguments)


def test_the_example_brings_its_own_modules(tmp_path: Path) -> None:
    fmt = formats.get(plugin(tmp_path))
    array = Array(2, 2, fmt, fmt, fmt, Exact())
    files = hardware(array).files
    own = (EXAMPLE / "minifloat_decoder.v").read_text()
    assert files["minifloat_decoder.v"] == own
    assert "minifloat_decoder u_own" in files["systolab_act_decoder.sv"]
    assert "minifloat_encoder u_own" in files["systolab_out_encoder.sv"]
    # A binary32 accumulator takes operands as binary32: those come from the table.
    exact = hardware(Array(2, 2, fmt, fmt, fmt, Float32())).files
    assert "Table" in exact["systolab_act_decoder.sv"]


@pytest.mark.slow
def test_the_example_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, plugin(tmp_path), ["decoder", "encoder", "product", "pipeline"]) == 0
    assert "EQUAL: exhaustive in decoder, product" in capsys.readouterr().out


@pytest.mark.slow
def test_one_wrong_code_in_a_decoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = plugin(
        tmp_path,
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
    spec = plugin(tmp_path, "minifloat_encoder.v", "guard && (sticky || floor[0])", "guard")
    assert check(tmp_path, spec, ["encoder", "pipeline"]) == 1
    shown = capsys.readouterr().out
    assert "DIFFERENT: encoder, pipeline" in shown
    assert "post-processing of column 0: code" in shown
    assert "+1 ulp of" in shown or "-1 ulp of" in shown


def with_decoder(path: Path) -> Array:
    class Own(Format):
        name = "own"
        bits = 2
        hardware = {"decoder": path}  # noqa: RUF012

        def decode(self, code: int) -> float:
            return float(code)

    return Array(1, 1, Own(), Own(), Own(), Exact())


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
