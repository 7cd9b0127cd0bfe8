"""The proof stage: what it proves, what it finds, and what it says where it does neither."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from systolab.cosim import cli
from systolab.cosim.check import proof
from systolab.cosim.check.context import Level
from systolab.cosim.synthesis import yosys

F42 = "adaptivfloat:4,2"
EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin_minifloat" / "systolab_minifloat"

Shown = Callable[..., tuple[int, str]]

needs_yosys = pytest.mark.skipif(not yosys.available(), reason=yosys.MISSING)


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Shown:
    """Run the stage alone: exit status and what is shown."""

    def call(spec: str, *options: str) -> tuple[int, str]:
        status = cli.main(["check", spec, "--array", "2x2", "--stage", "proof", *options])
        return status, capsys.readouterr().out

    return call


def _plugin(folder: Path, name: str, old: str, new: str) -> str:
    """A copy of the example with one change in its Verilog."""
    copy = folder / "plugin"
    shutil.copytree(EXAMPLE, copy)
    text = (copy / name).read_text()
    assert text.count(old) == 1
    (copy / name).write_text(text.replace(old, new))
    return f"{copy / 'minifloat.py'}:Minifloat"


def _broken(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Make a closed form wrong."""
    sound = getattr(proof, name)

    def wrong(*arguments: object) -> str:
        text: str = sound(*arguments)
        assert old in text
        return text.replace(old, new)

    monkeypatch.setattr(proof, name, wrong)


@needs_yosys
def test_closed_forms_are_proved_and_reported(check: Shown, tmp_path: Path) -> None:
    report, junit = tmp_path / "r.json", tmp_path / "r.xml"
    status, shown = check(F42, "--quick", "--json", str(report), "--junit", str(junit))
    assert status == 0
    assert "decoder, encoder: closed form = table on every input, by SAT" in shown
    assert "\nEQUAL: proved in proof\n" in shown
    stage = json.loads(report.read_text())["stages"][0]
    assert (stage["name"], stage["cases"], stage["coverage"]) == ("proof", 2, "proved")
    output = ElementTree.parse(junit).find("testcase[@name='proof']/system-out")
    assert output is not None
    assert output.text is not None
    assert output.text.startswith("2 cases, proved: decoder, encoder")


@needs_yosys
def test_a_wrong_closed_form_of_an_encoder(check: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(monkeypatch, "closed_encoder", "guard && (sticky || magnitude[0])", "guard")
    status, shown = check(F42, "--quick")
    assert status == 1
    assert "DIFFERENT: proof" in shown
    assert f"the closed form of the encoder of {F42} differs from its table" in shown
    rows = dict(line.strip().split(maxsplit=1) for line in shown.splitlines()[-4:])
    # A tie, which goes to the even code: its significand ends in one and zeros.
    assert rows["input"].startswith("0x")
    assert int(rows["input"][2:10], 16) & 0x1FFFFF == 0
    expected, found = (int(rows[side].split()[1]) for side in ("expected", "found"))
    assert expected % 2 == 0
    assert abs(found - expected) == 1


@needs_yosys
@pytest.mark.parametrize(
    ("accumulator", "old", "new", "found"),
    [
        ("exact", "? -significand : significand", "? significand : significand", "found"),
        ("float32", "active_i ? {1'b1, value} : '0", "{1'b1, value}", "inactive"),
    ],
)
def test_a_wrong_closed_form_of_a_decoder(
    check: Shown,
    monkeypatch: pytest.MonkeyPatch,
    accumulator: str,
    old: str,
    new: str,
    found: str,
) -> None:
    _broken(monkeypatch, "closed_decoder", old, new)
    status, shown = check(F42, "--quick", "--accumulator", accumulator)
    assert status == 1
    assert f"the closed form of the decoder of {F42} differs from its table" in shown
    rows = dict(line.strip().split(maxsplit=1) for line in shown.splitlines()[-3:])
    assert found in shown
    if accumulator == "exact":
        assert float(rows["expected"]) == -float(rows["found"]) != 0
        assert float(rows["code"].split("=")[1]) == float(rows["expected"])
    else:
        assert rows["code"].endswith(", lane inactive")
        assert rows["expected"] == "0x00000000 = 0.0, inactive"


@needs_yosys
@pytest.mark.slow
def test_the_encoder_and_decoder_of_a_plug_in(check: Shown, tmp_path: Path) -> None:
    """A decoder may say zero in its own way."""
    spec = _plugin(
        tmp_path,
        "minifloat_decoder.v",
        "field - 4'd1 : 4'd0;",
        "field - 4'd1 : {4{code_i[2:0] == 3'd0}};",
    )
    status, shown = check(spec)
    assert status == 0
    assert "decoder, encoder: Verilog = table on every input, by SAT" in shown


@needs_yosys
@pytest.mark.slow
def test_a_wrong_hand_written_encoder(check: Shown, tmp_path: Path) -> None:
    """Ties away from zero, for one magnitude only."""
    spec = _plugin(
        tmp_path,
        "minifloat_encoder.v",
        "guard && (sticky || floor[0])",
        "guard && (sticky || floor[0] || floor == 11'd52)",
    )
    status, shown = check(spec)
    assert status == 1
    assert "the Verilog of the encoder of" in shown
    rows = dict(line.strip().split(maxsplit=1) for line in shown.splitlines()[-4:])
    assert rows["expected"].split()[1] in ("52", "180")
    assert rows["found"].split()[1] in ("53", "181")


@needs_yosys
def test_verilog_that_yosys_does_not_read_is_not_proved(check: Shown, tmp_path: Path) -> None:
    (tmp_path / "own_encoder.sv").write_text(
        "module own_encoder (input logic [31:0] value_i, output logic [1:0] code_o);\n"
        "  assign code_o = {1'b0, value_i[30:0] inside {[1:2147483647]}};\nendmodule\n"
    )
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\nfrom systolab.formats import Format\n\n\n"
        "class Own(Format):\n    bits = 2\n"
        "    hardware = {'encoder': Path(__file__).parent / 'own_encoder.sv'}\n\n"
        "    def decode(self, code):\n        return float(code)\n"
    )
    status, shown = check(f"{tmp_path / 'own.py'}:Own", "--quick")
    assert status == 0
    assert "EQUAL WHERE CHECKED: skipped in proof" in shown
    assert "not proved: encoder (Yosys must come to the end of its script, not stop: " in shown


def test_a_quick_check_does_not_wait_for_yosys_to_be_compiled(
    check: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(seconds: float | None = None) -> None:
        if seconds is not None:
            raise yosys.TimeUpError("not yet")

    monkeypatch.setattr(yosys, "available", lambda: True)
    monkeypatch.setattr(yosys, "start", slow)
    status, shown = check(F42, "--quick")
    assert status == 0
    assert "Yosys did not start in 15 s: its first start on a machine takes minutes, once" in shown


@needs_yosys
def test_the_first_start_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "_started", threading.Event())
    with pytest.raises(yosys.TimeUpError, match="Yosys must start within 0 s, it did not"):
        yosys.start(0.001)


@needs_yosys
def test_out_of_time_is_not_proved(check: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_SECONDS", dict.fromkeys(Level, 0.01))
    status, shown = check(F42, "--quick")
    assert status == 0
    assert "not proved: decoder (no proof and no counterexample in 0 s), encoder (no" in shown


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ("posit:8,2", (), "nothing to prove: posit:8,2 has no closed form"),
        ("int:16", (), "nothing to prove: int:16 has no table, with more than 10 bits"),
        ("adaptivfloat:8,3", ("--quick",), "codes of up to 4 bits are proved at level quick"),
        ("adaptivfloat:10,4", (), "codes of up to 8 bits are proved at level normal"),
    ],
)
def test_what_is_left_out_is_said(
    check: Shown, spec: str, options: tuple[str, ...], reason: str
) -> None:
    status, shown = check(spec, *options)
    assert status == 0
    assert reason in shown


def test_without_yosys_the_rest_is_equal(check: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "available", lambda: False)
    status, shown = check(F42, "--quick", "--stage", "table")
    assert status == 0
    assert "Yosys is not installed (pip install 'systolab[synth]')" in shown
    assert "EQUAL: exhaustive in table; skipped in proof" in shown
