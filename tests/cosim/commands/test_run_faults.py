"""Deliberate faults on either side: exit status 1, and the right place named."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab import formats
from systolab.cosim.api import run as api
from systolab.cosim.case import Case, Device, Outcome, compare, hardware_model
from systolab.cosim.network.execute import Emulator
from systolab.cosim.simulator import model
from systolab.cosim.simulator.vcd import read
from systolab.formats.arithmetic.accumulator import Exact
from systolab.glenside.language.layout import Layout
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.kernel import AccessPattern, Array
from systolab.rtl.kernel.modes import Mode
from tests.cosim.runs import TINY, Systolab

ROW, COL = 1, 2  # of the faulty processing element


def test_one_wrong_element_of_the_emulator_is_found(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code of conv2 [1, 32, 4, 4] on the second image: exactly that element is named."""

    class Faulty(Emulator):
        seen = 0

        def __call__(self, case: Case) -> Outcome:
            outcome = super().__call__(case)
            if len(case.o) == 32 * 4 * 4:
                self.seen += 1
                if self.seen == 2:
                    outcome.o[123] ^= 1
            return outcome

    monkeypatch.setattr(api, "Emulator", Faulty)
    status, out, _, result = systolab(*TINY)
    first = result["first_mismatch"]
    row = next(row for row in result["layers"] if row["name"] == first["kernel"])
    # Where the elements stand in memory, from the layout's definition: NCHW, NHWC or blocked.
    tensor = np.arange(32 * 4 * 4).reshape(1, 32, 4, 4)
    memory = {
        "NCHW": tensor,
        "NHWC": tensor.transpose(0, 2, 3, 1),
        "NCHW4c": tensor.reshape(1, 8, 4, 4, 4).transpose(0, 1, 3, 4, 2),
    }[row["output_layout"]]
    index = np.argwhere(tensor == memory.reshape(-1)[123])[0].tolist()
    assert status == 1
    assert row["shape"] == [1, 32, 4, 4]
    assert (first["call"], first["element"], first["address"]) == (1, index, 123)
    assert first["expected"] == first["found"] ^ 1
    assert f"MISMATCH first in kernel {first['kernel']}, input 1: element {index}" in out


def test_one_wrong_cycle_is_found(systolab: Systolab, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Emulator):
        def __call__(self, case: Case) -> Outcome:
            outcome = super().__call__(case)
            return replace(outcome, cycles=outcome.cycles + (len(case.o) == 64))

    monkeypatch.setattr(api, "Emulator", Late)
    status, out, _, result = systolab(*TINY)
    first = result["first_mismatch"]
    assert status == 1
    assert first["what"] == "cycles"
    assert first["expected"] == first["found"] + 1
    assert next(r for r in result["layers"] if r["name"] == first["kernel"])["shape"] == [1, 64]
    assert f"expected {first['expected']} cycles, found {first['found']}" in out


def _subtracting_pe(array: Array) -> Hardware:
    """The sources with one fault: the processing element (ROW, COL) subtracts its products."""
    right = hardware(array)
    name = "systolab_mesh_int.sv"
    text = right.files[name].replace(
        "ProductWidth'(significand[i])",
        f"ProductWidth'((i == {ROW} * Cols + {COL}) ? -significand[i] : significand[i])",
    )
    assert text != right.files[name]
    return replace(right, files={**right.files, name: text})


def _wrong_outcome(case: Case, array: Array) -> Outcome:
    """What the fault makes of a case, by the software model alone.

    AdaptivFloat's codes have a sign bit, so weights of the opposite sign are a matter of one bit.
    Weight-stationary: exactly the weights that the element holds turn. Output-stationary: the
    element's own outputs are those of weights that have all turned.
    """
    kernel, emulate = case.kernel, Emulator(array)
    sign = 1 << (array.weight.bits - 1)
    if kernel.mode is Mode.WEIGHT_STATIONARY:
        w = case.w.copy()
        w[_of_element(kernel.w)] ^= sign
        return emulate(replace(case, w=w))
    right, turned = emulate(case), emulate(replace(case, w=case.w ^ case.w.dtype.type(sign)))
    own = _of_element(kernel.o)
    right.o[own] = turned.o[own]
    return right


def _of_element(pattern: AccessPattern) -> NDArray[np.int64]:
    """Addresses that an access pattern reaches at (ROW, COL) of its last loop and lanes."""
    shape = (-1, pattern.lengths[-1], pattern.lanes)
    active = pattern.active().reshape(shape)[:, ROW, COL]
    return np.unique(pattern.addresses().reshape(shape)[:, ROW, COL][active])


def test_a_sign_fault_in_one_processing_element_is_found(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The software model, given weights of the opposite sign there, predicts what is found."""
    cases: list[Case] = []

    class Recording(Emulator):
        def __call__(self, case: Case) -> Outcome:
            cases.append(case)
            return super().__call__(case)

    monkeypatch.setattr(api, "Emulator", Recording)
    monkeypatch.setattr(model, "hardware", _subtracting_pe)
    status, out, _, result = systolab(*TINY, "--images", "1")
    fmt = formats.get("adaptivfloat:6,3")
    array = Array(4, 4, fmt, fmt, fmt, Exact())
    conv1 = next(case for case in cases if len(case.o) == 16 * 8 * 8)
    right, wrong = Emulator(array)(conv1), _wrong_outcome(conv1, array)
    difference = compare(conv1, right, wrong)
    first, row = result["first_mismatch"], result["layers"][0]
    assert status == 1
    assert difference is not None
    assert first["kernel"] == row["name"]
    assert row["mismatched"] == int(np.count_nonzero(right.o != wrong.o)) > 0
    assert (first["address"], first["expected"], first["found"]) == (
        difference.address,
        difference.expected,
        difference.found,
    )
    layout = Layout.parse(row["output_layout"])
    assert layout.addresses(tuple(row["shape"]))[tuple(first["element"])] == difference.address
    assert f"expected code {first['expected']:#x}, found {first['found']:#x}" in out


def _plant(monkeypatch: pytest.MonkeyPatch, faulty: Callable[[Array], Hardware]) -> None:
    """Have the run and the divergence finder build sources with a fault."""
    monkeypatch.setattr(model, "hardware", faulty)
    monkeypatch.setattr(api, "hardware", faulty)


def _finding(out: str) -> tuple[str, dict[str, str]]:
    """Summary and rows (of equal labels the first) of the divergence after a run's verdict."""
    lines = out.split("verdict ")[1].splitlines()[2:]
    rows: dict[str, str] = {}
    for line in lines[1:]:
        label, text = re.split(r"  +", line.strip(), maxsplit=1)
        rows.setdefault(label, text)
    return lines[0], rows


@pytest.mark.slow
def test_a_mismatch_is_minimised_and_located(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The processing element that subtracts is named, with everything about one product of it."""
    _plant(monkeypatch, _subtracting_pe)
    arguments = [*TINY, "--images", "1", "--weight-scales", "channel"]
    status, out, _, result = systolab(*arguments, "--out", str(tmp_path / "out"))
    assert status == 1
    summary, rows = _finding(out)
    kernel = result["first_mismatch"]["kernel"]
    assert summary == f"kernel {kernel}: an output code of the RTL is not the software's"
    assert "1 product(s)" in rows["minimised"]
    assert re.match(
        rf"address \d+: outer iteration 0, row \d+, column {COL}\b", rows["output element"]
    )
    assert rows["reduction step"].endswith(f"in PE row {ROW}, column {COL}")
    assert rows["PE"].startswith(f"row {ROW}, column {COL}, acting in cycle ")
    assert rows["first wrong"] == f"processing elements of column {COL}"
    assert rows["signal"].endswith(f"g_column[{COL}].u_accumulator.sum_i")
    # Expected and found codes in hex with their exact values: one the negative of the other, as
    # the minimised sum is that of one product and nothing is added to it.
    pattern = re.compile(r"^ *(expected|found) +code (\d+) \((0x[0-9a-f]+)\) = (\S+)$", re.M)
    shown = {what: (int(n), int(h, 16), float(v)) for what, n, h, v in pattern.findall(out)}
    fmt = formats.get("adaptivfloat:6,3")
    for number, in_hex, value in shown.values():
        assert number == in_hex
        assert fmt.values[number] == value
    assert shown["expected"][2] == -shown["found"][2] != 0
    assert re.fullmatch(r"[+-]\d+ ulps? of adaptivfloat:6,3", rows["distance"])
    # The waveform holds the signal in that cycle.
    waves = read(Path(rows["waveform"]))
    signal = waves.get(rows["signal"])
    assert signal is not None
    assert waves.first <= int(rows["cycle"]) <= waves.last
    assert rows["signal"] in Path(rows["GTKWave save file"]).read_text()
    # The command line shows the same again.
    words = shlex.split(rows["reproduce"])
    assert words[:2] == ["systolab", "run"]
    status, again, _, repeated = systolab(*words[2:], "--out", str(tmp_path / "again"))
    assert status == 1
    assert repeated["first_mismatch"] == result["first_mismatch"]
    files = ("waveform", "GTKWave save file")
    (_, first), (_, second) = _finding(out), _finding(again)
    assert {k: v for k, v in first.items() if k not in files} == {
        k: v for k, v in second.items() if k not in files
    }


def _hanging(array: Array) -> Hardware:
    """The sources with one fault: the controller never takes an accumulator bank back."""
    right = hardware(array)
    name, release = "systolab_controller.sv", "- 2'(release_i);"
    assert right.files[name].count(release) == 1
    text = right.files[name].replace(release, "- 2'(release_i && 1'b0);")
    return replace(right, files={**right.files, name: text})


@pytest.mark.slow
def test_an_array_that_hangs_is_a_mismatch(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _plant(monkeypatch, _hanging)
    status, out, err, result = systolab(*TINY, "--images", "1", "--out", str(tmp_path))
    first, row = result["first_mismatch"], result["layers"][0]
    assert status == 1
    assert err == ""
    assert (first["kernel"], first["what"], first["expected"]) == (
        row["name"],
        "hang",
        row["predicted"],
    )
    assert row["predicted"] < first["found"] == row["rtl"] <= 2 * row["predicted"] + 501
    text = f"Array must finish its kernel, not hang at cycle {first['found']}"
    assert (
        f"MISMATCH first in kernel {row['name']}, input 0: expected {row['predicted']} cycles, "
        f"found a fault: {text}\n" in out
    )
    summary, rows = _finding(out)
    assert summary == f"kernel {row['name']}: the RTL does not finish"
    assert rows["first wrong"] == "nothing: the core stands still from here"
    assert rows["signal"].endswith("u_controller.a_go_o")
    assert "outer 3 " in rows["minimised"]
    assert Path(rows["waveform"]).exists()


@pytest.mark.parametrize("stream", ["", "W"])
def test_a_fault_of_the_array_is_a_mismatch(
    systolab: Systolab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str
) -> None:
    """Conv2 of the second image does not finish: that kernel is named, the rest still runs."""

    def faulty(array: Array, built: model.Model) -> Device:
        device, seen = hardware_model(array, built), 0

        def run(case: Case) -> Outcome:
            nonlocal seen
            outcome = device(case)
            seen += len(case.o) == 32 * 4 * 4
            if seen != 2 or len(case.o) != 32 * 4 * 4:
                return outcome
            fault = model.HardwareFaultError(stream, "must do better.", 4321, outcome.o)
            return replace(outcome, cycles=fault.cycle, fault=fault)

        return run

    monkeypatch.setattr(api, "hardware_model", faulty)
    status, out, err, result = systolab(*TINY, "--out", str(tmp_path))
    first = result["first_mismatch"]
    assert status == 1
    assert err == ""
    assert (first["kernel"], first["call"]) == ("conv2", 1)
    assert (first["what"], first["found"]) == ("address" if stream else "hang", 4321)
    assert first["element"] is None
    assert first["text"] == f"expected {first['expected']} cycles, found a fault: must do better."
    assert f"kernel conv2, input 1: {first['text']}\n" in out
    summary, _ = _finding(out)
    assert summary == "kernel conv2: the difference does not show again on the kernel alone"
    assert result["accuracy"]["images"] == 2
