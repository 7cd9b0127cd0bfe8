"""Mutation campaigns: faults are planted, found and counted."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from systolab import formats
from systolab.cosim import cli
from systolab.cosim.check.context import Level
from systolab.cosim.mutation.campaign import (
    ABSENT,
    EXPLAINED,
    KILLED,
    PROVED,
    SURVIVED,
    Campaign,
    Verdict,
    campaign,
    choose,
)
from systolab.cosim.mutation.equivalent import REASONS, module_parameters, proved_equal, reason
from systolab.cosim.mutation.source import Mutant, mutants
from systolab.cosim.synthesis import yosys
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array

F = formats.get("adaptivfloat:5,2")
ARRAY = Array(2, 2, F, F, F, Exact())


def mutant(number: int, block: str = "core") -> Mutant:
    return Mutant(number, f"systolab_{block}.sv", 7, "+ to -", 0, 5, "a + b", "a - b")


def test_a_sample_is_a_function_of_its_seed() -> None:
    found = [mutant(i) for i in range(1, 101)]
    assert choose(found, 10, 3) == choose(found, 10, 3)
    assert choose(found, 10, 3) != choose(found, 10, 4)
    assert choose(found, 200, 0) == found


def test_the_table_counts_by_block_and_lists_survivors() -> None:
    verdicts = (
        Verdict(mutant(1), KILLED, "tile", "quick"),
        Verdict(mutant(2), KILLED, "cycles", "full"),
        Verdict(mutant(3, "pe"), SURVIVED),
        Verdict(mutant(4, "pe"), ABSENT),
        Verdict(mutant(5, "pe"), EXPLAINED, why="no one looks"),
        Verdict(mutant(6, "pe"), PROVED),
    )
    assert Campaign(ARRAY, 0, verdicts).text().splitlines() == [
        "block  mutants  killed quick  killed full  proven equal  explained  survived  absent",
        "-----  -------  ------------  -----------  ------------  ---------  --------  ------",
        "core         2             1            1             0          0         0       0",
        "pe           4             0            0             1          1         1       1",
        "total        6             1            1             1          1         1       1",
        "1 of 3 mutants killed by quick: 33.3 %",
        "2 of 3 mutants killed by full: 66.7 %",
        "not counted: proven equal and explained, which nothing outside the machine can tell from "
        "the sound design, and absent, in logic that this array is built without",
        "by stage: tile 1, cycles 1",
        "",
        "survivors (1 other):",
        "  systolab_pe.sv:7: + to -: a + b -> a - b",
        "",
        "explained:",
        "  systolab_pe.sv:7: + to -: a + b -> a - b",
        "    no one looks",
        "",
        "proven equivalent:",
        "  systolab_pe.sv:7: + to -: a + b -> a - b",
    ]


def test_every_explanation_is_of_a_mutant_that_exists() -> None:
    sound = hardware(Array(4, 4, F, F, F, Exact()))
    every = mutants({n: t for n, t in sound.files.items() if n.endswith(".sv")})
    for row in REASONS:
        assert any(row.covers(m) for m in every), row
    assert reason(mutant(1)) == ""


def test_parameters_of_modules_are_those_of_the_core() -> None:
    """Verilator elaborates every module with them alone."""
    sound = hardware(ARRAY)
    for block, values in module_parameters(sound).items():
        names = set(
            re.findall(r"^ +parameter .*?(\w+) += ", sound.files[f"systolab_{block}.sv"], re.M)
        )
        assert set(values) <= names, block


@pytest.mark.skipif(not yosys.available(), reason=yosys.MISSING)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "original", "variant", "equal"),
    [
        ("f32_add", "(lesser_sig != 27'd0)", "'0", True),  # too far below to change a rounding
        ("f32_add", "distance > 8'd26", "distance > 8'd27", True),
        ("f32_add", "distance > 8'd26", "distance > 8'd24", False),
        ("int_to_f32", "exponent < 16'sd1", "1'b0", True),  # no subnormals at this unit
        ("drain", "row_q + 1'b1", "row_q - 1'b1", False),
    ],
)
def test_equivalent_mutants_are_proved(
    block: str, original: str, variant: str, equal: bool
) -> None:
    texts = {n: t for n, t in hardware(ARRAY).files.items() if n.endswith(".sv")}
    place = [m for m in mutants(texts) if m.block == block and original in m.original]
    found = replace(place[0], variant=place[0].original.replace(original, variant))
    assert proved_equal(hardware(ARRAY), found, 120) is equal


def test_every_source_has_mutants() -> None:
    files = {n: t for n, t in hardware(ARRAY).files.items() if n.endswith(".sv")}
    blocks = {m.block for m in mutants(files)}
    assert {"core", "controller", "drain", "line_walker", "mesh_int", "out_encoder"} <= blocks


@pytest.mark.slow
def test_most_faults_are_found_at_once() -> None:
    """A fixed sample: nearly all faults that are in the design die at the quick level."""
    result = campaign(ARRAY, 60, seed=1, levels=[Level.QUICK])
    assert len(result.verdicts) == 60
    present = 60 - result.count(ABSENT)
    equal = result.count(PROVED) + result.count(EXPLAINED)
    assert result.count(KILLED) >= 0.95 * (present - equal)
    assert result.count(KILLED) + equal + len(result.survivors) == present


@pytest.mark.parametrize("number", ["0", "-3"])
def test_the_number_must_be_positive(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "int:8", "--mutate", number]) == 2
    assert f"must be at least 1, not {number}" in capsys.readouterr().err


def test_the_number_must_be_a_number() -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "int:8", "--mutate", "many"])
