"""Coverage of the RTL by the check's runs: what is a point, what excuses a miss, what fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import systolab as sl
from systolab import formats
from systolab.cosim import cli
from systolab.cosim.check import directed
from systolab.cosim.coverage.counted import Counted, read
from systolab.cosim.coverage.coverage import Measured, Meter
from systolab.cosim.coverage.points import CORE_FILE, Group, groups, instrumented
from systolab.cosim.coverage.reasons import REASONS, reason
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array

E2M1, MXFP4, BFLOAT16 = (formats.get(name) for name in ("e2m1", "mxfp4", "bfloat16"))
PLAIN = Array(2, 3, E2M1, E2M1, E2M1, Exact())
SCALED = Array(2, 3, MXFP4, MXFP4, BFLOAT16, Exact(), block_scaled=True)


def labels(array: Array, name: str) -> list[str]:
    group = next(group for group in groups(array) if group.name == name)
    return [group.labels[i] for i in group.wanted]


def test_every_row_of_both_banks_of_every_column_is_a_point() -> None:
    rows = labels(PLAIN, "accumulator rows drained")
    assert len(rows) == 3 * 2 * 256
    assert rows[-1] == "column 2, bank 1, row 255"


@pytest.mark.parametrize(
    ("array", "loops"),
    [
        (PLAIN, {"A": 12, "W": 12, "O": 12, "P": 11}),
        (SCALED, {"A": 12, "W": 12, "O": 12, "P": 11, "SA": 12, "SW": 11}),
    ],
)
def test_loops_that_no_kernel_has_are_no_points(array: Array, loops: dict[str, int]) -> None:
    """P walks the outer loops alone, of which W, with its loop over lanes, leaves eleven."""
    found = labels(array, "loop steps")
    expected = [f"stream {x}, loop {i}" for x, count in loops.items() for i in range(count)]
    assert found == expected
    # The innermost loop of W is one over lanes where there is no other dataflow.
    long = labels(array, "loop goes beyond 32,768")
    assert ("stream W, loop 0" in long) == (not array.block_scaled)
    assert len(long) == len(expected) - array.block_scaled


def test_pairs_of_modes_are_those_of_the_array() -> None:
    assert len(labels(PLAIN, "mode after mode")) == 4
    assert labels(SCALED, "mode after mode") == ["weight-stationary, after weight-stationary"]
    assert len(labels(PLAIN, "stall, by mode and port")) == 2 * 7
    assert len(labels(SCALED, "stall, by mode and port")) == 11


def test_the_sampler_moves_no_line_of_the_core() -> None:
    sound = hardware(PLAIN)
    text = instrumented(sound).files[CORE_FILE]
    begin = sound.files[CORE_FILE].removesuffix("endmodule\n")
    assert text.startswith(begin)
    assert "/* verilator coverage_off */" in text[len(begin) :]


def record(count: int, **keys: str) -> str:
    fields = "".join(f"\x01{key}\x02{value}" for key, value in keys.items())
    return f"C '{fields}' {count}"


def test_verilators_counters_are_read() -> None:
    scope = "TOP.systolab_top.u_core.u_drain"
    text = "\n".join(
        (
            "# SystemC::Coverage-3",
            record(3, f="/x/sv/systolab_drain.sv", l="70", t="branch", o="if", h=scope),
            record(0, f="/x/sv/systolab_drain.sv", l="38", t="toggle", o="row_q[3]:0->1", h=scope),
        )
    )
    branch, toggle = read(text)
    assert branch == Counted(False, "systolab_drain.sv", 70, "if", "u_core.u_drain", 3)
    assert (toggle.toggle, toggle.signal, toggle.count) == (True, "row_q[3]", 0)


def bit(block: str, signal: str, scope: str = "u_core") -> Counted:
    return Counted(True, f"systolab_{block}.sv", 1, f"{signal}:0->1", scope, 0)


@pytest.mark.parametrize(
    ("item", "plain", "scaled"),
    [
        (bit("core", "cycles_q[63]"), True, True),
        (bit("core", "cycles_q[3]"), False, False),
        (bit("drain", "row_q[7]"), False, False),
        (bit("core", "sa_req_valid_o"), True, False),
        (bit("controller", "command_q"), False, True),
        (bit("param_loader", "lane_q[2]", "u_core.u_params"), True, True),
        (bit("param_loader", "lane_q[1]", "u_core.u_params"), False, False),
        (bit("line_walker", "held_q[29]"), True, True),
        (bit("line_walker", "held_q[2]"), False, False),
    ],
)
def test_a_reason_is_of_some_bits_of_some_machines(
    item: Counted, plain: bool, scaled: bool
) -> None:
    assert bool(reason(item, hardware(PLAIN))) == plain
    assert bool(reason(item, hardware(SCALED))) == scaled


def test_every_reason_says_something_else() -> None:
    assert len({(row.block, row.what) for row in REASONS}) == len(REASONS)
    assert all(row.why for row in REASONS)


def measured(missed: tuple[Counted, ...] = (), hits: tuple[int, ...] = (2, 1)) -> Measured:
    points = ((Group("rows", ("row 0", "", "row 2")), np.array([hits[0], 0, hits[1]], np.uint64)),)
    excused: dict[str, tuple[Counted, ...]] = {
        "it takes too long": (bit("core", "cycles_q[63]"), bit("core", "cycles_q[62]"))
    }
    return Measured(points, (5, 5), (9, 7 - len(missed)), excused, missed)


def test_a_point_that_is_not_reached_fails() -> None:
    assert measured().passed
    report = measured(hits=(0, 1))
    assert not report.passed
    assert "NOT REACHED: 1 points, lines and toggles\n  rows: row 0\n" in report.text()


def test_a_toggle_without_a_reason_fails() -> None:
    report = measured((bit("drain", "row_q[6]"), bit("drain", "row_q[7]")))
    assert not report.passed
    assert "  systolab_drain.sv: row_q[7:6], 2 changes\n" in report.text()
    assert report.as_data()["missed"] == ["systolab_drain.sv: row_q[7:6], 2 changes"]


def test_what_is_excused_is_listed_under_its_reason() -> None:
    text = measured().text()
    assert "REACHED: every point; every line and toggle, but for those with a reason" in text
    assert "  it takes too long:\n    systolab_core.sv: cycles_q[63:62], 2 changes" in text


def test_coverage_is_of_all_stages() -> None:
    with pytest.raises(SystolabError, match="coverage must not come with a choice of stages"):
        sl.check("e2m1", coverage=True, stages=["tile"])


@pytest.mark.parametrize("other", [("--stage", "tile"), ("--mutate", "1")])
def test_options_that_do_not_go_with_coverage(
    other: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "e2m1", "--coverage", *other]) == 2
    assert "--coverage must not come with" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "accumulator"),
    [("adaptivfloat:8,3", None), ("e4m3fn", "float32"), ("int:4", "saturate:16"), ("mxfp4", None)],
)
def test_a_quick_check_reaches_everything(spec: str, accumulator: str | None) -> None:
    report = sl.check(spec, accumulator=accumulator, level="quick", coverage=True)
    assert report.reached is not None
    assert report.passed, report.text()


@pytest.mark.slow
def test_a_check_that_leaves_out_rows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check as it was: random kernels fill no bank."""

    def nothing(*_: object) -> Iterator[object]:
        return iter(())

    monkeypatch.setattr(directed, "_whole_banks", nothing)
    report = sl.check("e2m1", array="2x2", level="quick", coverage=True)
    assert not report.passed
    assert report.verdict.startswith("EQUAL")
    assert re.search("accumulator rows drained: column 0, bank [01], row ", report.text())


def test_the_meter_changes_no_source_that_is_reported() -> None:
    sound = hardware(PLAIN)
    changed = Meter().instrumented(sound)
    assert replace(changed, files=sound.files) == sound
