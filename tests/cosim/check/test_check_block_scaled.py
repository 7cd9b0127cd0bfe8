"""`systolab check` on block-scaled arrays: sound ones pass, faults in the scaling are located."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from systolab import formats
from systolab.cosim import cli
from systolab.cosim.case import Case, Outcome, axes, restrict, software, squeeze
from systolab.cosim.check import block_scales, kernels
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Explain
from systolab.cosim.check.report import Coverage, StageResult
from systolab.cosim.check.stages import Request, check, stages_of
from systolab.cosim.divergence.divergence import Divergence
from systolab.cosim.divergence.minimise import minimise
from systolab.cosim.divergence.probes.expected import Expected
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import values
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.kernel import Array

OUT = formats.get("float:5,5")


def array(fmt: str, rows: int = 2, cols: int = 2) -> Array:
    f = formats.get(fmt)
    return Array(rows, cols, f, f, OUT, Exact(), block_scaled=True)


MXFP4 = array("mxfp4")


def quick(
    subject: Array, stages: Sequence[str] | None, folder: Path, sources: Hardware | None = None
) -> Mapping[str, StageResult]:
    def explainer(context: Context) -> Explain:
        return Divergence(context, folder, "systolab check F").explain

    report = check(Request(subject, Level.QUICK, 0, stages), explainer, sources)
    return {stage.name: stage for stage in report.stages}


def test_sound_hardware_passes_every_stage(tmp_path: Path) -> None:
    stages = quick(MXFP4, None, tmp_path)
    assert set(stages) == {stage.name for stage in stages_of(MXFP4)}
    assert "scales" in stages
    for stage in stages.values():
        assert stage.differ == 0, stage
        # The proof needs Yosys, which is an extra.
        assert stage.cases > 0 or stage.optional, stage
    assert stages["product"].coverage is Coverage.EXHAUSTIVE
    assert "all 65,025 pairs of E8M0 scales" in stages["scales"].what


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("mxfp8:e4m3", "mxfp8:e5m2", "mxfp6", "mxfp6:e3m2", "mxfp4", "mxint8", "nvfp4"),
        *("bfp:8,16", "bfp:5,3", "posit:6,1,block=8,scale=pow2", "int:8,block=40,scale=binary32"),
    ],
)
def test_every_block_format_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", name, "--array", "4x3", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "\nEQUAL: " in shown
    assert "exhaustive in table, decoder" in shown


def test_the_command_checks_a_block_scaled_array(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "mxfp8:e4m3", "--weight", "nvfp4", "--array", "2x2", "--quick"]
    assert cli.main([*arguments, "--stage", "table"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "format mxfp8 / nvfp4 / bfloat16, array 2x2, accumulator exact within a tile, float32 "
        "between tiles, level quick, seed 0"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mxfp4", "--accumulator", "float32"],
            "Accumulator of a block-scaled array must be exact, not",
        ),
        (["mxfp8", "--weight", "bfloat16"], "Exact accumulator must be at most 256 bits"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_arrays_have_no_scales_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "int:4", "--stage", "scales"]) == 2
    assert "cycles, not 'scales'" in capsys.readouterr().err


# --- planted faults --------------------------------------------------------------------------


def details(file: str, right: str, wrong: str, stage: str, folder: Path) -> dict[str, str]:
    """What is said of a fault in one of the scaling modules, found in a stage."""
    sound = hardware(MXFP4)
    name = f"systolab_{file}.sv"
    text = sound.files[name]
    assert text.count(right) == 1
    sources = replace(sound, files={**sound.files, name: text.replace(right, wrong)})
    finding = quick(MXFP4, [stage], folder, sources)[stage].finding
    assert finding is not None
    rows = {label.strip(): text for label, text in finding.details}
    if "signal" in rows and finding.files:
        assert rows["signal"] in Path(dict(finding.files)["GTKWave save file"]).read_text()
    return rows


# A's scales: that of the vector before is used.
PREVIOUS = (
    "scale_q <= {scale_q[(Depth-1)*32-1:0], rsp_data_i};",
    "scale_q <= {scale_q[(Depth-1)*32-1:0],\n"
    "                  (valid_q[0] && !first_q[0]) ? scale_q[31:0] : rsp_data_i};",
)


@pytest.mark.slow
def test_the_scale_of_the_block_before_is_located(tmp_path: Path) -> None:
    rows = details("act_scale", *PREVIOUS, "kernels", tmp_path)
    assert "WS rows 2 lanes 1x1, 1 product(s)" in rows["minimised"]
    assert rows["first wrong"] == "block scale of A of column 0"
    assert rows["signal"].endswith("g_scale[0].u_scale.act_i")
    assert rows["output"] == "outer iteration 0, row 1, column 0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "right", "wrong", "stage", "where"),
    [
        ("column_scale", "first_i ? shadow_q : weight_q", "weight_q", "tile", "block scale of W"),
        (
            "column_scale",
            "valid_q && sum_q[30:0] != 31'd0",
            "valid_q",
            "pipeline",
            "scaled sum",
        ),
        ("column_scale", ".b_i      (factor_q)", ".b_i      (factor)", "product", "scaled sum"),
        ("column_scale", ".x_i    (sum_i)", ".x_i    (sum_i >> 1)", "tile", "conversion of"),
        ("weight_scale", "Depth = Rows + 1", "Depth = Rows", "tile", "block scale of W"),
        ("act_scale", "Depth = Rows + 2", "Depth = Rows + 3", "tile", "timing of the block scales"),
        ("act_scale", "base_q <= cfg_data_i", "base_q <= cfg_data_i + 32'd1", "tile", "address"),
    ],
)
def test_faults_are_located(
    file: str, right: str, wrong: str, stage: str, where: str, tmp_path: Path
) -> None:
    rows = details(file, right, wrong, stage, tmp_path)
    assert rows["first wrong"].startswith(where)


@pytest.mark.slow
def test_units_are_held_against_softfloat(tmp_path: Path) -> None:
    """A negative zero, which no accumulator shows, is seen in the unit."""
    wrong = "(scaled[30:0] == 31'd0) ? 32'd0 : scaled", "scaled"
    rows = details("column_scale", *wrong, "post-processing", tmp_path)
    assert rows["signal"] == "scaled_o of systolab_column_scale"
    assert (rows["expected"], rows["found"]) == ("0x00000000 = 0.0", "0x80000000 = -0.0")


# --- cases -----------------------------------------------------------------------------------


def random_case(seed: int) -> Case:
    data = kernels.Data(MXFP4, np.random.default_rng(seed))
    return data.case(kernels.random_kernel(MXFP4, data.rng))


def test_expected_sums_are_those_of_the_software_model() -> None:
    for seed in range(4):
        case = random_case(seed)
        unclamped = replace(case, lo=-np.inf, hi=np.inf)
        acc = values.run(MXFP4, unclamped, keep_acc=True).acc
        assert acc is not None
        assert acc.dtype == np.float32
        expected = Expected(case, MXFP4)
        for column in range(case.kernel.w.lanes):
            last = {(item.outer, item.row): item.total for item in expected.sums(column)}
            for (outer, row), total in last.items():
                assert int(acc.view(np.uint32)[outer, row, column]) == total


def test_restricted_kernels_keep_their_scales() -> None:
    """The outer iterations, rows and columns of a kernel one by one give the same codes."""
    run = software(MXFP4)
    for seed in range(4):
        case = random_case(seed)
        whole = run(case).o
        for axis, length in axes(case.kernel):
            if axis.dimension in ("reduction", "A lanes"):
                continue
            merged = case.o
            for start in range(length):
                part = squeeze(restrict(case.kernel, axis, start, 1))
                merged = run(replace(case, kernel=part, o=merged)).o
            assert np.array_equal(merged, whole), (seed, axis)


def test_scales_are_minimised_too() -> None:
    """Of all scales one is left that is not 1: the one that the fault is about."""
    array = MXFP4
    data = kernels.Data(array, np.random.default_rng(4))
    case = block_scales.scaled(array, data.case(kernels.random_gemm(array, data.rng)), data.rng)
    assert case.a_scale is not None
    case.a_scale[1::2] = 5.0
    case = replace(case, scale=np.ones_like(case.scale), bias=np.zeros_like(case.bias))
    case = replace(case, lo=-np.inf, hi=np.inf)
    sound = software(array)

    def wrong(given: Case) -> Outcome:
        assert given.a_scale is not None
        scale = np.where(given.a_scale == 5.0, np.float32(3), given.a_scale)
        return sound(replace(given, a_scale=scale))

    small = minimise(case, array, sound, wrong)
    assert small is not None
    assert small.products == 1
    assert small.case.a_scale is not None
    assert small.case.w_scale is not None
    assert small.case.a_scale.tolist() == [5.0]
    assert small.case.w_scale.tolist() == [1.0]
