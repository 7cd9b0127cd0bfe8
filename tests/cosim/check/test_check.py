"""`systolab check`: sound hardware passes, and each kind of fault fails in its stage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from systolab import formats
from systolab.cosim import cli
from systolab.cosim.check import inputs, lossless
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.integers import from_words
from systolab.cosim.check.machine import Explain
from systolab.cosim.check.report import Coverage, Finding, Report, StageResult
from systolab.cosim.check.stages import Request, check, stages_of
from systolab.cosim.check.value import binary32_text, code_text, steps_between, ulps_between
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import Codec
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.kernel import Array

EXACT = Exact()
AF8 = formats.get("adaptivfloat:8,3")


def array(accumulator: Accumulator = EXACT, fmt: str = "adaptivfloat:8,3") -> Array:
    f = formats.get(fmt)
    return Array(2, 2, f, f, f, accumulator)


def no_details(context: Context) -> Explain:
    del context
    return lambda stage, case: Finding(f"{stage}: {case.kernel.mode}")


def quick(
    subject: Array, *stages: str, sources: Hardware | None = None
) -> Mapping[str, StageResult]:
    request = Request(subject, Level.QUICK, 0, stages or None)
    report = check(request, no_details, sources)
    return {stage.name: stage for stage in report.stages}


@pytest.mark.parametrize(
    ("fmt", "accumulator"),
    [
        ("adaptivfloat:8,3", Exact()),
        ("e4m3fn", Float32()),  # NaN in the table
        ("adaptivfloat:5,2", Saturate(18)),
    ],
)
def test_sound_hardware_passes_every_stage(fmt: str, accumulator: Accumulator) -> None:
    subject = array(accumulator, fmt)
    stages = quick(subject)
    assert list(stages) == [stage.name for stage in stages_of(subject)]
    for name, stage in stages.items():
        assert stage.differ == 0, stage
        assert stage.cases > 0 or name == "proof", stage
    assert stages["product"].coverage is Coverage.EXHAUSTIVE
    assert stages["kernels"].coverage is Coverage.SAMPLED


def test_all_pairs_of_eight_bit_operands_are_multiplied() -> None:
    stage = quick(array(), "product")["product"]
    assert stage.cases == 65_536 * 3  # weight-stationary, and both rows of output-stationary
    assert stage.coverage is Coverage.EXHAUSTIVE


def patched(subject: Array, change: Callable[[dict[str, str]], None]) -> Hardware:
    sound = hardware(subject)
    files = dict(sound.files)
    change(files)
    assert files != dict(sound.files)
    return replace(sound, files=files)


def substitute(name: str, old: str, new: str) -> Callable[[dict[str, str]], None]:
    def change(files: dict[str, str]) -> None:
        assert files[name].count(old) == 1, files[name].count(old)
        files[name] = files[name].replace(old, new)

    return change


def one_decoder_word(files: dict[str, str]) -> None:
    """Code 33 decodes to the operand of code 34."""
    lines = files["systolab_act_decoder.sv"].splitlines(keepends=True)
    rows = {
        line.split("//")[1].split(":")[0].strip(): i
        for i, line in enumerate(lines[4:], 4)
        if "//" in line and "'h" in line
    }
    lines[rows["33"]] = lines[rows["34"]]
    files["systolab_act_decoder.sv"] = "".join(lines)


def test_one_wrong_code_of_256_is_found_in_every_stage_it_touches() -> None:
    sources = patched(array(), one_decoder_word)
    stages = quick(array(), "decoder", "product", "tile", sources=sources)
    assert stages["decoder"].differ == 1
    finding = stages["decoder"].finding
    assert finding is not None
    assert ("code", code_text(AF8, 33)) in finding.details
    assert stages["product"].differ == 2 * 254  # both modes, all weights but the two zeros
    assert stages["tile"].differ > 0


def test_a_boundary_one_ulp_off_is_found() -> None:
    def change(files: dict[str, str]) -> None:
        text = files["systolab_out_encoder_pkg.sv"]
        key = int(AF8.encoder().keys[100])
        assert text.count(f"32'h{key:08x}") == 1
        files["systolab_out_encoder_pkg.sv"] = text.replace(f"32'h{key:08x}", f"32'h{key + 1:08x}")

    sources = patched(array(), change)
    stages = quick(array(), "encoder", "pipeline", sources=sources)
    assert stages["encoder"].differ == 1
    assert stages["pipeline"].differ == 1


def test_a_rounding_fault_in_post_processing_is_found() -> None:
    """Ties away instead of to even, in the addition of the bias."""
    change = substitute(
        "systolab_f32_add_pkg.sv", "total[2] && (total[1] || total[0] || total[3])", "total[2]"
    )
    stage = quick(array(), "post-processing", sources=patched(array(), change))["post-processing"]
    assert stage.differ > 0
    assert stage.finding is not None
    assert ("signal", "sum_o of systolab_f32_add") in stage.finding.details
    assert ("distance", "+1 ulp of binary32") in stage.finding.details or (
        "distance",
        "-1 ulp of binary32",
    ) in stage.finding.details


def test_wrong_cycles_are_found_though_every_code_is_right() -> None:
    change = substitute("systolab_core.sv", "cycles_q <= 64'd1;", "cycles_q <= 64'd2;")
    stages = quick(array(), "tile", "cycles", sources=patched(array(), change))
    assert stages["tile"].differ == 0
    assert stages["cycles"].differ == stages["cycles"].cases > 0


def test_hardware_that_hangs_differs() -> None:
    change = substitute("systolab_core.sv", "if (finished) begin", "if (1'b0) begin")
    stage = quick(array(), "tile", sources=patched(array(), change))["tile"]
    assert stage.differ == stage.cases > 0


def test_a_format_too_wide_for_hardware_is_checked_in_software() -> None:
    stages = quick(array(Float32(), "posit:12,1"))
    assert stages["table"].differ == 0
    assert stages["table"].cases > 4096
    assert stages["kernels"].coverage is Coverage.SKIPPED
    assert "at most 10 bits or a closed form, not 12 bits without one" in stages["kernels"].what


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "accumulator"), [("binary16", Float32()), ("int:16", Exact()), ("bfloat16", Float32())]
)
def test_wide_formats_through_closed_forms(name: str, accumulator: Accumulator) -> None:
    stages = quick(array(accumulator, name))
    assert all(
        stage.differ == 0 and (stage.cases > 0 or name == "proof") for name, stage in stages.items()
    )
    assert stages["decoder"].coverage is Coverage.EXHAUSTIVE


def test_wide_kernels_through_closed_forms() -> None:
    for accumulator, name in ((Float32(), "binary16"), (Exact(), "int:16")):
        stages = quick(array(accumulator, name), "kernels", "cycles")
        assert stages["kernels"].differ == stages["cycles"].differ == 0
        assert stages["kernels"].cases > 1000


def test_closed_forms_are_checked_on_request() -> None:
    request = Request(array(), Level.QUICK, 0, ("decoder", "encoder", "tile"), Codec.CLOSED)
    report = check(request, no_details)
    assert report.passed
    assert report.subject["codec"] == "closed"


def test_unknown_stages_are_refused() -> None:
    with pytest.raises(SystolabError, match="stages must be among table, .*, not 'tables'"):
        quick(array(), "tables")


# --- inputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [5, 31, 32, 33, 62, 63, 64, 65, 100])
def test_words_and_numbers(bits: int) -> None:
    half = 1 << (bits - 1)
    numbers = np.array([0, 1, -1, half - 1, -half, 12 % half, -(7 % half)], dtype=object)
    count = -(-bits // 32)
    data = b"".join((x % (1 << bits)).to_bytes(4 * count, "little") for x in numbers.tolist())
    words = np.frombuffer(data, "<u4").astype(np.uint32).reshape(7, count)
    assert from_words(words, bits).tolist() == numbers.tolist()


@pytest.mark.parametrize("rows", [1, 3, 4, 7])
def test_the_longest_reduction_fits_any_number_of_rows(rows: int) -> None:
    fmt = formats.get("int:4")
    array = Array(rows, 2, fmt, fmt, fmt, Exact())
    longest = lossless.edge_lengths(array)[-1]
    assert longest == 65536 // rows * rows
    gemm_kernel(array, 1, longest, 1).check(array)


def test_boundaries_contain_both_sides_of_every_step() -> None:
    codes = AF8.encode(inputs.boundaries(AF8).view(np.float32))
    assert set(codes.tolist()) >= set(AF8.encoder().codes.tolist())


# --- how values are shown --------------------------------------------------------------------


def test_values_are_shown_exactly() -> None:
    assert code_text(AF8, 0x21) == "code 33 (0x21) = 4.25"
    assert code_text(AF8, 999) == "code 999 (0x3e7), which adaptivfloat:8,3 does not have"
    assert binary32_text(0x3F800000) == "0x3f800000 = 1.0"
    assert binary32_text(1) == "0x00000001 = 1 * 2^-149"
    assert steps_between(AF8, 0x21, 0x23) == 2
    assert steps_between(AF8, 0x01, 0x81) == -2
    assert steps_between(formats.get("e4m3fn"), 0x7F, 0) is None
    assert ulps_between(0x3F800000, 0x3F7FFFFE) == -2
    assert ulps_between(0x80000000, 0x00000000) == 1


# --- reports ---------------------------------------------------------------------------------


def sample() -> Report:
    finding = Finding("wrong", (("code", "3"),), (("waveform", "a.vcd"),), "systolab check x")
    return Report(
        {"format": "x"},
        [
            StageResult("table", 1000, 0, Coverage.EXHAUSTIVE, "all", 0.25),
            StageResult("tile", 20, 3, Coverage.SAMPLED, "some", 0.5, finding),
            StageResult("PE", 0, 0, Coverage.SKIPPED, "no RTL"),
        ],
    )


def test_the_report_as_text() -> None:
    assert sample().text(times=False).splitlines() == [
        "format x",
        "",
        "stage  cases  differ  coverage    what",
        "-----  -----  ------  ----------  ------",
        "table  1,000       0  exhaustive  all",
        "tile      20       3  sampled     some",
        "PE         0       0  skipped     no RTL",
        "total  1,020       3",
        "",
        "DIFFERENT: tile",
        "",
        "wrong",
        "  code       3",
        "  waveform   a.vcd",
        "  reproduce  systolab check x",
    ]


def test_the_verdict_where_stages_are_skipped() -> None:
    table = StageResult("table", 1, 0, Coverage.EXHAUSTIVE, "all")
    proof = StageResult("proof", 0, 0, Coverage.SKIPPED, "no Yosys", optional=True)
    kernels = StageResult("kernels", 0, 0, Coverage.SKIPPED, "no RTL")
    verdicts = [
        Report({}, stages).verdict for stages in ([table, proof], [table, kernels], [proof])
    ]
    assert verdicts == [
        "EQUAL: exhaustive in table; skipped in proof",
        "EQUAL WHERE CHECKED: exhaustive in table; skipped in kernels",
        "EQUAL WHERE CHECKED: skipped in proof",
    ]
    proved = replace(proof, coverage=Coverage.PROVED)
    assert Report({}, [table, proved]).verdict == "EQUAL: proved in proof; exhaustive in table"


def test_the_report_as_json_and_junit() -> None:
    document = json.loads(json.dumps(sample().as_data()))
    assert (document["passed"], document["cases"]) == (False, 1020)
    assert document["stages"][1]["finding"]["details"] == {"code": "3"}
    suite = ElementTree.fromstring(sample().to_junit())
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    failure = suite.find("testcase[@name='tile']/failure")
    assert failure is not None
    assert failure.get("message") == "3 of 20 cases differ"
    assert failure.text is not None
    assert "a.vcd" in failure.text


# --- the command -----------------------------------------------------------------------------


def test_the_command_writes_its_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "adaptivfloat:8,3", "--array", "2x2", "--quick"]
    arguments += ["--stage", "table", "--stage", "decoder"]
    arguments += ["--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml")]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "EQUAL: exhaustive in table, decoder" in shown
    assert json.loads((tmp_path / "r.json").read_text())["subject"]["array"] == "2x2"
    assert (tmp_path / "r.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "Format family must be one of"),
        (["int:8", "--array", "4"], "Array must be ROWSxCOLS"),
        (["int:8", "--seed", "-1"], "--seed must be at least 0, not -1"),
        (["int:8", "--accumulator", "wide"], "Accumulator must be exact"),
        (["int:8", "--stage", "pe"], "--stage must be among"),
        (["int:8", "--junit", "/dev/null/x.xml"], "File /dev/null/x.xml must be writable: Not a"),
        (["int:8", "--junit", "-", "--json", "-"], "--json and --junit must name different files"),
        (["int:8", "--waves", "-"], "Option --waves must name a folder, not - (standard output)"),
        (["int:8", "--stage", "table", "--json", "/dev/null/x.json"], "must be writable: Not a"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err
