"""Mutation campaigns: faults are planted, found and counted."""

from __future__ import annotations

import pytest

import formats
from cosim import cli
from cosim.check.context import Level
from cosim.mutate import ABSENT, KILLED, SURVIVED, Campaign, Verdict, campaign, choose
from cosim.mutate_source import Mutant, mutants
from formats.accumulator import Exact
from rtl.hardware import hardware
from rtl.kernel import Array

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
    )
    assert Campaign(ARRAY, 0, verdicts).table().splitlines() == [
        "block  mutants  killed quick  killed full  survived  absent",
        "core         2             1            1         0       0",
        "pe           2             0            0         1       1",
        "total        4             1            1         1       1",
        "2 of 3 mutants killed: 66.7 %",
        "by stage: tile 1, cycles 1",
        "",
        "survivors (1 other):",
        "  systolab_pe.sv:7: + to -: a + b -> a - b",
    ]


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
    assert result.count(KILLED) >= 0.7 * present
    assert result.count(KILLED) + len(result.survivors) == present


@pytest.mark.parametrize("number", ["0", "-3"])
def test_the_number_must_be_positive(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "int:8", "--mutate", number]) == 2
    assert f"must be at least 1, not {number}" in capsys.readouterr().err


def test_the_number_must_be_a_number() -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "int:8", "--mutate", "many"])
