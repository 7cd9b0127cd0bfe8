"""Yosys synthesizes every kind of array by the recipe that comes with its sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from systolab import formats
from systolab.cosim.cli import main
from systolab.cosim.synthesis import yosys
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import Codec
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.hardware.synthesis import STATISTICS, synthesis_script
from systolab.rtl.kernel.kernel import Array

pytestmark = pytest.mark.skipif(not yosys.available(), reason=yosys.MISSING)

ROOT = Path(__file__).parents[3]
LOG2 = f"{ROOT}/examples/plugin_log2/systolab_log2/log2.py:Log2"
MINIFLOAT = f"{ROOT}/examples/plugin_minifloat/systolab_minifloat/minifloat.py:Minifloat"
F43 = "adaptivfloat:4,2"
F83 = "adaptivfloat:8,3"


def _array(shape: tuple[int, int], name: str, accumulator: str, block_scaled: bool) -> Array:
    fmt = formats.get(name)
    kind = parse_accumulator(accumulator)
    return Array(*shape, fmt, fmt, fmt, kind, block_scaled=block_scaled)


def _synthesize(directory: Path, files: dict[str, str]) -> dict[str, int]:
    """Cells of the whole array by type; all that the recipe asserts is true."""
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    yosys.run(synthesis_script(files).splitlines(), directory)
    whole = (directory / STATISTICS).read_text(encoding="utf-8").rpartition("design hierarchy")[2]
    return {kind: int(count) for count, kind in re.findall(r"(\d+)\s+(\$\w+)\n", whole)}


def test_the_written_recipe_synthesizes(tmp_path: Path) -> None:
    folder = tmp_path / "rtl"
    assert main(["rtl", F43, "--array", "1x1", "-o", str(folder)]) == 0
    yosys.run(["script synth.ys"], folder)
    statistics = (folder / STATISTICS).read_text(encoding="utf-8")
    whole = statistics.rpartition("design hierarchy")[2]
    # Both banks of the one column, and gates and flip-flops of known kinds for all the rest.
    assert re.search(r"\b2\s+\$mem_v2\n", whole)
    kinds = {kind.rstrip("01NP_") for kind in re.findall(r"\d+\s+(\$\w+)\n", whole)}
    assert kinds == {"$_AND", "$_DFFE", "$_DFF", "$_MUX", "$_NOT", "$_OR", "$_SDFFE", "$_XOR"} | {
        "$mem_v2"
    }
    assert (folder / "netlist.v").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("accumulator", ["exact", "wrap:16", "saturate:30", "float32"])
def test_every_accumulator_and_codec(tmp_path: Path, accumulator: str, codec: Codec) -> None:
    array = _array((2, 3), F43, accumulator, False)
    cells = _synthesize(tmp_path, dict(hardware(array, codec).files))
    assert cells["$mem_v2"] == 2 * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "name", "accumulator", "block_scaled"),
    [
        ((1, 1), F83, "exact", False),
        ((1, 1), F83, "float32", False),
        ((4, 4), F83, "exact", False),
        ((5, 3), F83, "saturate:24", False),
        ((16, 16), F83, "exact", False),
        ((2, 3), "mxfp4", "exact", True),
        ((4, 4), "mxfp8:e4m3", "exact", True),
        ((2, 3), "binary16", "float32", False),  # too wide for tables: closed forms
        ((2, 3), MINIFLOAT, "exact", False),  # its own decoder and encoder
        ((2, 3), LOG2, "exact", False),  # its own processing element
        ((2, 3), LOG2, "saturate:32", False),
        ((2, 3), LOG2, "float32", False),
    ],
)
def test_every_kind_of_array(
    tmp_path: Path, shape: tuple[int, int], name: str, accumulator: str, block_scaled: bool
) -> None:
    array = _array(shape, name, accumulator, block_scaled)
    cells = _synthesize(tmp_path, dict(hardware(array).files))
    assert cells["$mem_v2"] == 2 * shape[1]


@pytest.mark.parametrize(
    ("module", "old", "new", "problem"),
    [
        # A result that keeps its value.
        ("f32_clamp", "    value_o = x_i;", "", "Latch inferred"),
        # Whether the core may go on depends, through the core, on itself.
        ("write_adapter", "ok_o        = !req", "ok_o        = en_i && !req", "Found 1 problems"),
        ("postprocess", "  assign code_o = code_q;", "", "Found . problems"),
    ],
)
def test_problems_stop_the_recipe(
    tmp_path: Path, module: str, old: str, new: str, problem: str
) -> None:
    array = _array((1, 1), F43, "exact", False)
    files = dict(hardware(array).files)
    name = f"systolab_{module}.sv"
    assert old in files[name]
    files[name] = files[name].replace(old, new)
    with pytest.raises(SystolabError, match=problem):
        _synthesize(tmp_path, files)
