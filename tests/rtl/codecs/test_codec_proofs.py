"""Closed forms proved equal to tables by Yosys' SAT solver, on every input there is.

Operand for operand, where `systolab check` proves values. Wider decoders than tables have are
simulated on all their codes (tests/cosim/simulator/test_codecs.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from systolab import formats
from systolab.cosim.synthesis import yosys
from systolab.cosim.synthesis.yosys import Counterexample, Proved, prove_equal
from systolab.rtl.codecs import Codec, choose, closed_decoder, closed_encoder
from systolab.rtl.hardware import table_codecs
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.kernel import Array

NAMES = ["adaptivfloat:8,3", "adaptivfloat:6,3", "e4m3fn", "int:8", "fixed:8,4", "binary8p3se"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not yosys.available(), reason=yosys.MISSING),
]


def _sources(name: str) -> dict[str, str]:
    """Decoder and encoder of a format in both kinds."""
    fmt = formats.get(name)
    form = choose("Format", fmt, Codec.CLOSED)
    assert form is not None
    parameters = specialise(Array(1, 1, fmt, fmt, fmt, formats.Exact()))
    widths = parameters.act.exp_bits, parameters.act.sig_bits
    return {
        "table decoder": table_codecs.decoder("decoder", fmt, parameters),
        "closed decoder": closed_decoder("decoder", fmt, form, widths),
        "table encoder": "".join(table_codecs.encoder("encoder", fmt).values()),
        "closed encoder": closed_encoder("encoder", fmt, form),
    }


def _prove(sources: dict[str, str], block: str) -> yosys.Result:
    table, closed = ({"block.sv": sources[f"{kind} {block}"]} for kind in ("table", "closed"))
    return prove_equal(table, closed, block, seconds=300)


@pytest.mark.parametrize("block", ["decoder", "encoder"])
@pytest.mark.parametrize("name", NAMES)
def test_closed_form_equals_table(name: str, block: str) -> None:
    assert isinstance(_prove(_sources(name), block), Proved)


def test_a_threshold_one_ulp_off_is_disproved() -> None:
    sources = _sources("adaptivfloat:8,3")
    right = sources["closed encoder"]
    sources["closed encoder"] = right.replace("31'h3f080000", "31'h3f080001")
    assert sources["closed encoder"] != right
    result = _prove(sources, "encoder")
    assert isinstance(result, Counterexample)
    assert result.last.inputs["value_i"] & 0x7FFF_FFFF == 0x3F08_0000


@pytest.mark.parametrize("name", ["binary16", "int:16", "adaptivfloat:16,5"])
def test_wide_codecs_synthesise(tmp_path: Path, name: str) -> None:
    fmt = formats.get(name)
    form = choose("Format", fmt, Codec.CLOSED)
    assert form is not None
    parameters = specialise(Array(1, 1, fmt, fmt, fmt, formats.Exact()))
    widths = parameters.act.exp_bits, parameters.act.sig_bits
    for module, text in (
        ("decoder", closed_decoder("decoder", fmt, form, widths)),
        ("encoder", closed_encoder("encoder", fmt, form)),
    ):
        (tmp_path / f"{module}.sv").write_text(text, encoding="utf-8")
        script = [
            f"read_verilog -sv {module}.sv",
            f"synth -flatten -noabc -top {module}",
            "check -assert",
            # A latch would be a path on which an output keeps its value.
            "select -assert-none t:$_DLATCH*",
            "design -reset",
        ]
        yosys.run(script, tmp_path)
