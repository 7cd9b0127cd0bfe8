"""The report: arithmetic of its figures, alignment of its table, wording of its verdict."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from systolab.cosim.network import report
from systolab.cosim.network.execute import Mismatch
from systolab.cosim.network.report import Accuracy, Report, Row

KERNEL = Row(
    name="conv1",
    operator="conv 3x3",
    shape=(1, 16, 8, 8),
    dataflow="weight-stationary",
    input_layout="NHWC",
    output_layout="NCHW",
    macs=9216,
    predicted=1234,
    rtl=1234,
    cycle_differences=0,
    utilisation=12.34,
    mismatched=0,
    weight_scales=1,
    group=5,
    sqnr_db=31.25,
)
HOST = Row("pool1", "max_pool", (1, 16, 4, 4), "host", *(None,) * 10, sqnr_db=math.inf)
REPORT = Report(
    model="net.onnx",
    format="adaptivfloat:8,3",
    array="5x3",
    accumulator="exact",
    weight_scales="tensor",
    kept_tensor_scale={},
    engines=("binary64",),
    data="digits",
    inputs=2,
    layers=(KERNEL, HOST),
    accuracy=Accuracy(2, 2, 1, 1),
    predictions_differ=0,
    predicted_cycles=2468,
    rtl_cycles=2468,
    first_mismatch=None,
    measured={"wall": 3.0, "compile": 1.0, "build": 1.5, "run": 0.5, "cycles_per_second": 4936.0},
)


def test_text() -> None:
    assert REPORT.text().splitlines() == [
        "net.onnx: adaptivfloat:8,3 on a 5x3 array, accumulator exact, emulated by binary64; "
        "2 inputs (digits)",
        "",
        "layer  operator  output shape  dataflow  in    out    MACs  predicted  RTL cycles  PE use"
        "  differ  SQNR dB",
        "-----  --------  ------------  --------  ----  ----  -----  ---------  ----------  ------"
        "  ------  -------",
        "conv1  conv 3x3  1x16x8x8      WS        NHWC  NCHW  9,216      1,234       1,234   12.3%"
        "       0     31.2",
        "pool1  max_pool  1x16x4x4      host      -     -         -          -           -       -"
        "       -      inf",
        "",
        "accuracy        fp32 2, emulated 1, RTL 1, of 2",
        "cycles          predicted 2,468, RTL 2,468 over 2 inputs",
        "simulated       4,936 cycles/s",
        "wall time       3.0 s (compile 1.0, build 1.5, run 0.5)",
        "verdict         identical: every output code and every cycle count",
    ]


def test_scales_of_channels_are_counted_with_their_reasons() -> None:
    found = replace(
        REPORT,
        weight_scales="channel",
        layers=(replace(KERNEL, weight_scales=16), KERNEL, KERNEL, KERNEL, HOST),
        kept_tensor_scale={"a": "second", "b": "first", "c": "second"},
    )
    expected = "weight scales   per channel in 1 of 4 layers, per tensor in 1 (first), "
    assert f"\n{expected}per tensor in 2 (second)\n" in found.text()


def test_without_labels_there_is_no_accuracy() -> None:
    assert "accuracy" not in replace(REPORT, accuracy=None).text()


@pytest.mark.parametrize(
    ("mismatch", "verdict"),
    [
        (
            Mismatch(
                "conv1", 3, "code", 0x1F, 0x20, (0, 5, 1, 2), 77, "expected code 0x1f, found 0x20"
            ),
            "MISMATCH first in kernel conv1, input 3: element [0, 5, 1, 2], expected code 0x1f, "
            "found 0x20",
        ),
        (
            Mismatch("conv1", 0, "code", 0, 1, None, 80, "expected code 0x0, found 0x1"),
            "MISMATCH first in kernel conv1, input 0: address 80 (padding of the layout), "
            "expected code 0x0, found 0x1",
        ),
        (
            Mismatch("conv1", 0, "cycles", 100, 101, None, None, "expected 100 cycles, found 101"),
            "MISMATCH first in kernel conv1, input 0: expected 100 cycles, found 101",
        ),
        (
            Mismatch(
                "conv1",
                2,
                "hang",
                100,
                700,
                None,
                None,
                "expected 100 cycles, found a fault: no end.",
            ),
            "MISMATCH first in kernel conv1, input 2: expected 100 cycles, found a fault: no end.",
        ),
    ],
)
def test_verdict(mismatch: Mismatch, verdict: str) -> None:
    found = replace(REPORT, first_mismatch=mismatch)
    assert report.verdict(found) == verdict
    assert not found.identical


def test_differing_cycles_are_marked_in_the_table() -> None:
    row = replace(KERNEL, cycle_differences=1)
    assert "1,234 !" in replace(REPORT, layers=(row,)).text()


def test_data_is_plain_and_complete() -> None:
    found = json.loads(json.dumps(REPORT.as_data(), allow_nan=False))
    assert found["identical"] is True
    assert found["layers"][0]["shape"] == [1, 16, 8, 8]
    assert found["layers"][1]["sqnr_db"] == "inf"
    assert found["layers"][1]["rtl"] is None
    assert found["accuracy"] == {"images": 2, "fp32": 2, "emulated": 1, "rtl": 1}
    assert found["first_mismatch"] is None


def test_sqnr() -> None:
    exact = np.array([3.0, -4.0])
    rough = np.array([3.0, -4.5])
    noise = float(np.square(rough - exact).sum())
    assert report.sqnr(25.0, noise) == pytest.approx(20.0)
    assert report.sqnr(25.0, 0.0) == math.inf
    assert report.sqnr(0.0, 0.0) is None
    assert report.sqnr(0.0, 1.0) is None
    assert report.sqnr(1.0, math.nan) is None
