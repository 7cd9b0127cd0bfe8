"""Deliberate faults on either side: exit status 1, and the right place named."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import formats
from cosim import model
from cosim.case import Case, Outcome, compare
from cosim.commands import run as command
from cosim.execute import Emulator
from formats.accumulator import Exact
from glenside.layout import Layout
from rtl.hardware import Hardware, hardware
from rtl.kernel import AccessPattern, Array, Mode
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

    monkeypatch.setattr(command, "Emulator", Faulty)
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

    monkeypatch.setattr(command, "Emulator", Late)
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
        "sum_d[i] = addend[i] + product[i][AccWidth-1:0];",
        f"sum_d[i] = (i == {ROW} * Cols + {COL}) ? addend[i] - product[i][AccWidth-1:0]\n"
        "                                 : addend[i] + product[i][AccWidth-1:0];",
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

    monkeypatch.setattr(command, "Emulator", Recording)
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
