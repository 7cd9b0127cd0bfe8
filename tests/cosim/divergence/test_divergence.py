"""Bugs of the kind seen in the wild, planted in the RTL: found, minimised and located."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.case import Case, Outcome, software
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.kernels import Data
from systolab.cosim.check.machine import Explain, Machine
from systolab.cosim.check.report import Finding, StageResult
from systolab.cosim.check.stages import Request, check
from systolab.cosim.divergence.divergence import Divergence
from systolab.cosim.divergence.probes.expected import Expected
from systolab.cosim.simulator.model import HardwareFaultError
from systolab.cosim.simulator.vcd import read, save_file
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from systolab.formats.format import Format
from systolab.rtl import values
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.kernel.modes import Mode

AF8 = formats.get("adaptivfloat:8,3")

Files = dict[str, str]


def found(
    tmp_path: Path,
    stages: Sequence[str],
    accumulator: Accumulator,
    bug: Callable[[Files], None],
    fmt: Format = AF8,
) -> StageResult:
    """The stage that fails first on a 2x2 array with a bug."""
    array = Array(2, 2, fmt, fmt, fmt, accumulator)
    sound = hardware(array)
    files = dict(sound.files)
    bug(files)
    assert files != dict(sound.files)

    def explainer(context: Context) -> Explain:
        return Divergence(context, tmp_path, "systolab check F --seed 0").explain

    request = Request(array, Level.QUICK, 0, stages)
    report = check(request, explainer, replace(sound, files=files))
    return next(stage for stage in report.stages if stage.differ)


def details(stage: StageResult) -> tuple[Finding, dict[str, str]]:
    assert stage.finding is not None
    return stage.finding, {label.strip(): text for label, text in stage.finding.details}


def change(name: str, old: str, new: str) -> Callable[[Files], None]:
    def bug(files: Files) -> None:
        assert files[name].count(old) == 1, (name, old)
        files[name] = files[name].replace(old, new)

    return bug


def test_weights_loaded_one_cycle_late(tmp_path: Path) -> None:
    bug = change(
        "systolab_mesh_int.sv",
        "(pass_d[i] & {WeightWidth{load_d[i]}}) |\n"
        "                      (shadow_q[i] & {WeightWidth{!load_d[i]}})",
        "load_q[i] ? pass_q[i] : shadow_q[i]",
    )
    finding, rows = details(found(tmp_path, ["tile"], Exact(), bug))
    assert "1 product(s)" in rows["minimised"]
    assert rows["first wrong"] == "processing elements of column 0"
    assert rows["signal"].endswith("g_column[0].u_accumulator.sum_i")
    assert re.match(r"row 0, column 0, acting in cycle \d+", rows["PE"])
    assert rows["reduction step"].startswith("0")
    assert finding.command == "systolab check F --seed 0 --stage tile"
    files = dict(finding.files)
    waves = read(Path(files["waveform"]))
    cycle = int(rows["cycle"])
    assert waves.first <= cycle <= waves.last
    signal = waves.get(rows["signal"])
    assert signal is not None
    # What the waveform shows in that cycle is what the report says was found.
    assert rows["found"].startswith(f"{signal.signed(cycle)} ")
    assert rows["signal"] in Path(files["GTKWave save file"]).read_text()


@pytest.mark.slow
def test_one_wrong_code_of_256(tmp_path: Path) -> None:
    def bug(files: Files) -> None:
        lines = files["systolab_weight_decoder.sv"].splitlines(keepends=True)
        rows = {
            match[1]: i for i, line in enumerate(lines) if (match := re.search(r"// (\d+): ", line))
        }
        lines[rows["33"]] = lines[rows["34"]]
        files["systolab_weight_decoder.sv"] = "".join(lines)

    stage = found(tmp_path, ["product"], Exact(), bug)
    _, rows = details(stage)
    assert stage.differ == 2 * 254  # both modes, all activations but the two zeros
    assert "1 product(s)" in rows["minimised"]
    assert rows["first wrong"] == "weight decoder, lane 0"
    assert rows["code"] == "code 33 (0x21) = 4.25"


@pytest.mark.slow
def test_negative_ties_rounded_away(tmp_path: Path) -> None:
    """A tie between -4.25 and -4.5 must go to the even code, -4.25's neighbour."""

    def bug(files: Files) -> None:
        keys = AF8.encoder().keys.tolist()
        tie = np.array([-4.375], np.float32).view(np.uint32)[0]
        key = int(tie) ^ 0xFFFFFFFF
        near = next(k for k in keys if abs(k - key) <= 1)
        moved = key + 1 if near == key else key
        text = files["systolab_out_encoder_pkg.sv"]
        assert text.count(f"32'h{near:08x}") == 1
        files["systolab_out_encoder_pkg.sv"] = text.replace(f"32'h{near:08x}", f"32'h{moved:08x}")

    stage = found(tmp_path, ["encoder"], Exact(), bug)
    _, rows = details(stage)
    assert stage.differ == 1
    assert rows["input"].endswith("= -4.375")
    assert rows["distance"] in ("+1 ulp of adaptivfloat:8,3", "-1 ulp of adaptivfloat:8,3")
    stage = found(tmp_path, ["pipeline"], Exact(), bug)
    _, rows = details(stage)
    assert rows["first wrong"] == "post-processing of column 0: code"
    assert rows["clamped"].endswith("= -4.375")


@pytest.mark.slow
def test_exponent_of_subnormals_off_by_one(tmp_path: Path) -> None:
    """The decoder takes the exponent of subnormals from their field, one too small."""

    def bug(files: Files) -> None:
        lines = files["systolab_act_decoder.sv"].splitlines(keepends=True)
        for i, line in enumerate(lines):
            match = re.search(r"9'h(\w+)(,?)  // (\d+): ", line)
            if match and 1 <= int(match[3]) % 128 <= 7:
                word = int(match[1], 16)
                half = (word & 0x1F) >> 1 | (word & 0x10)  # arithmetic shift of the significand
                lines[i] = line.replace(f"9'h{match[1]}", f"9'h{word & 0x1E0 | half:03x}")
        files["systolab_act_decoder.sv"] = "".join(lines)

    e4m3 = formats.get("e4m3fn")
    stage = found(tmp_path, ["product"], Exact(), bug, e4m3)
    _, rows = details(stage)
    assert rows["first wrong"] == "activation decoder, lane 0"
    assert "1 product(s)" in rows["minimised"]


@pytest.mark.slow
def test_a_fault_of_the_adder_is_seen_by_testfloats_operands(tmp_path: Path) -> None:
    bug = change(
        "systolab_f32_add_pkg.sv",
        "(lesser[30:23] == 8'd0) ? 8'd1 : lesser[30:23]",
        "lesser[30:23]",
    )
    _, rows = details(found(tmp_path, ["post-processing"], Float32(), bug))
    assert rows["signal"] == "sum_o of systolab_f32_add"


@pytest.mark.slow
def test_accumulator_one_bit_short(tmp_path: Path) -> None:
    def bug(files: Files) -> None:
        name = "systolab_top.v"
        assert ".AccWidth(28)" in files[name]
        files[name] = files[name].replace(".AccWidth(28)", ".AccWidth(27)")

    _, rows = details(found(tmp_path, ["column"], Wrap(28), bug))
    assert rows["first wrong"].startswith(("processing elements of column", "accumulator of col"))
    expected, wrong = rows.get("expected sum") or rows["expected total"], rows["found"]
    difference = int(expected.split()[0]) - int(wrong.split()[0])
    assert difference % (1 << 27) == 0
    assert difference != 0


@pytest.mark.slow
def test_an_array_that_hangs(tmp_path: Path) -> None:
    """The controller never takes an accumulator bank back: the third outer iteration waits."""
    bug = change("systolab_controller.sv", "- 2'(release_i);", "- 2'(release_i && 1'b0);")
    stage = found(tmp_path, ["kernels", "cycles"], Exact(), bug)
    finding, rows = details(stage)
    assert finding.summary == "kernels: the RTL does not finish"
    assert finding.command == "systolab check F --seed 0 --stage kernels"
    assert rows["minimised"].startswith("WS outer 3 lanes 1x1, 0 product(s)")
    assert re.fullmatch(r"Array must finish its kernel, not hang at cycle \d+", rows["found"])
    assert rows["first wrong"] == "nothing: the core stands still from here"
    assert rows["signal"].endswith("u_controller.a_go_o")
    assert rows["stream A"].startswith("2 of 3 requests")
    assert rows["stream O"] == f"2 of 3 requests, the last in cycle {int(rows['cycle']) - 1}"
    assert "a_valid_i 1, a_go_o 0" in rows["controller"]
    assert "bank_free 0" in rows["controller"]
    waves = read(Path(dict(finding.files)["waveform"]))
    assert waves.first <= int(rows["cycle"]) <= waves.last
    permission = waves.get(rows["signal"])
    assert permission is not None
    assert permission.at(waves.last) == 0


@pytest.mark.slow
def test_an_array_that_leaves_its_memory(tmp_path: Path) -> None:
    bug = change(
        "systolab_write_stream.sv", "req_line_o = out_line_q;", "req_line_o = ~out_line_q;"
    )
    finding, rows = details(found(tmp_path, ["kernels"], Exact(), bug))
    assert finding.summary == "kernels: the RTL leaves its memories"
    assert rows["found"].startswith("Active lanes of stream O must stay within addresses 0 to 3, ")
    assert rows["first wrong"] == "address generator of stream O"
    assert f"(cycle {rows['cycle']})" in rows["found"]


@pytest.mark.parametrize("stream", ["", "O"])
def test_a_fault_is_a_difference_of_codes_and_cycles(stream: str) -> None:
    context = Context(hardware(Array(2, 2, AF8, AF8, AF8, Exact())), Level.QUICK, 0)

    def faulty(case: Case) -> Outcome:
        # Everything is written, and only then something goes wrong.
        right = software(context.array)(case)
        fault = HardwareFaultError(stream, "Array must do better.", right.cycles, right.o)
        return replace(right, fault=fault)

    vars(context).update(rtl=faulty)
    explained: list[str] = []

    def explain(stage: str, case: Case) -> Finding:
        explained.append(stage)
        return Finding("explained")

    machine = Machine(context, explain)
    data = Data(context.array, np.random.default_rng(1))
    cases = [data.case(gemm_kernel(context.array, 2, 3, 2)) for _ in range(3)]
    stage = machine.stage("kernels", cases, "three products")
    assert (stage.cases, stage.differ) == (12, 12)
    cycles = machine.cycles()
    assert (cycles.cases, cycles.differ) == (3, 3)
    assert stage.finding == cycles.finding == Finding("explained")
    assert explained == ["kernels"]


# --- the expected sequences against the software model -----------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("accumulator", [Exact(), Wrap(24), Saturate(25), Float32()])
def test_expected_sums_are_those_of_the_software_model(
    mode: Mode, accumulator: Accumulator
) -> None:
    array = Array(3, 2, AF8, AF8, AF8, accumulator)
    data = Data(array, np.random.default_rng(5))
    for _ in range(5):
        m, k, n = (int(x) for x in data.rng.integers(1, 8, 3))
        case = data.case(gemm_kernel(array, m, k, n, mode))
        result = values.run(array, case, keep_acc=True)
        assert result.acc is not None
        acc = result.acc
        if acc.dtype == np.float32:
            acc = acc.view(np.uint32)
        expected = Expected(case, array)
        for column in range(case.kernel.w.lanes):
            last = {(item.outer, item.row): item.total for item in expected.sums(column)}
            for (outer, row), total in last.items():
                assert int(acc[outer, row, column]) == total


def test_an_address_is_traced_back_to_its_element() -> None:
    array = Array(2, 2, AF8, AF8, AF8, Exact())
    case = Data(array, np.random.default_rng(1)).case(gemm_kernel(array, 3, 2, 5))
    expected = Expected(case, array)
    assert expected.output_element(0) == (0, 0, 0)
    assert expected.output_element(2 * 5 + 3) == (1, 2, 1)
    assert software(array)(case).cycles > 0


def test_an_address_that_no_lane_writes_has_no_element() -> None:
    array = Array(2, 2, AF8, AF8, AF8, Exact())
    case = Data(array, np.random.default_rng(1)).case(gemm_kernel(array, 3, 2, 5))
    expected = Expected(case, array)
    # The third pair of columns has one column: the guard keeps the lane out of the next row.
    assert expected.inactive_element(5) == (2, 0, 1)
    assert expected.output_element(15) is None
    assert expected.inactive_element(15) == (2, 2, 1)
    assert expected.output_element(99) is expected.inactive_element(99) is None


def test_expected_writes_are_the_lines_with_their_codes() -> None:
    array = Array(2, 2, AF8, AF8, AF8, Exact())
    rng = np.random.default_rng(3)
    for mode in Mode:
        case = Data(array, rng).case(gemm_kernel(array, 5, 3, 7, mode))
        expected = Expected(case, array)
        writes = expected.writes()
        assert [line for line, _ in writes] == expected.o_lines()
        addresses = [
            line * array.line + lane
            for line, mask in writes
            for lane in range(array.line)
            if mask >> lane & 1
        ]
        active = case.kernel.o.active()
        assert sorted(addresses) == sorted(case.kernel.o.addresses()[active].tolist())


def test_a_write_beside_the_kernels_is_located(tmp_path: Path) -> None:
    bug = change(
        "systolab_write_stream.sv",
        ".cfg_data_i  (cfg_data_i)",
        ".cfg_data_i  ((cfg_addr_i == 7'd5) ? cfg_data_i & 32'd7 : cfg_data_i)",
    )
    _, rows = details(found(tmp_path, ["directed"], Exact(), bug))
    assert re.search(r"which the kernel does not write: .* is inactive", rows["output element"])
    assert rows["first wrong"] == "stream O"
    assert rows["signal"].startswith("TOP.systolab_top.u_core.o_req_")


def test_a_kernel_that_starts_again_in_its_last_cycle_is_located(tmp_path: Path) -> None:
    bug = change(
        "systolab_core.sv", "start_i && !busy_q", "start_i && (!busy_q || (finished && en))"
    )
    _, rows = details(found(tmp_path, ["kernels"], Exact(), bug))
    assert rows["first wrong"] == "start and clock enable"
    assert rows["signal"].endswith(".init")


# --- waveforms ---------------------------------------------------------------------------------

DUMP = """$timescale 1ps $end
$scope module TOP $end
$var wire 1 ! clk $end
$scope module u $end
$var wire 4 # x [3:0] $end
$var wire 4 # same [3:0] $end
$upscope $end
$upscope $end
$enddefinitions $end
#20
1!
b1111 #
#25
0!
#30
b0x01 #
"""


def test_waveforms_are_read_by_cycle(tmp_path: Path) -> None:
    path = tmp_path / "w.vcd"
    path.write_text(DUMP)
    waves = read(path)
    assert (waves.first, waves.last) == (2, 3)
    x, same, clk = (waves.get(name) for name in ("TOP.u.x", "TOP.u.same", "TOP.clk"))
    assert x is not None
    assert clk is not None
    assert x is same
    assert [x.at(cycle) for cycle in range(5)] == [0, 0, 15, 1, 1]
    assert x.signed(2) == -1
    assert [clk.at(2), clk.at(3)] == [1, 0]
    assert waves.get("TOP.y") is None


def test_save_files_name_the_waveform_and_the_signals(tmp_path: Path) -> None:
    save_file(tmp_path / "w.gtkw", tmp_path / "w.vcd", ["TOP.clk", "TOP.u.x[3:0]"], 20)
    assert (tmp_path / "w.gtkw").read_text().splitlines() == [
        '[dumpfile] "w.vcd"',
        "[timestart] 20",
        "[pos] -1 -1",
        "@28",
        "TOP.clk",
        "@22",
        "TOP.u.x[3:0]",
    ]
