"""On a sound machine every probe looks, and none finds anything: what they expect is right.

Sides, formats and lengths are all unlike, so that no two signals may be taken for each other.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from systolab.cosim.case import Case
from systolab.cosim.check.kernels import Data
from systolab.cosim.divergence.locate import BLOCKS, locate
from systolab.cosim.divergence.probes.streams import standstill
from systolab.cosim.divergence.probes.view import View
from systolab.cosim.simulator.model import Model, Waveform
from systolab.cosim.simulator.vcd import Waves, read
from systolab.formats import Exact, Float32, get
from systolab.rtl import Array, Mode
from systolab.rtl.kernel.block_gemm import product_kernel

ARRAYS = {
    "exact": Array(3, 2, get("e2m1"), get("int:6"), get("int:8"), Exact()),
    "float32": Array(3, 2, get("e2m1"), get("int:6"), get("int:8"), Float32()),
    "scaled": Array(
        4, 3, get("mxfp8:e4m3fn"), get("mxfp4"), get("bfloat16"), Exact(), block_scaled=True
    ),
}
# Blocks that an array of a kind does not have.
ABSENT = {"exact": {"elements", "scales"}, "float32": {"scales"}, "scaled": {"elements"}}
RUNS = [(kind, mode) for kind, array in ARRAYS.items() for mode in array.modes]


@cache
def model(kind: str) -> Model:
    return Model(ARRAYS[kind], trace=True, wrap=False)


def traced(kind: str, mode: Mode, folder: Path) -> tuple[Case, Waves]:
    """A product with ragged edges in every direction, and what the signals did."""
    array = ARRAYS[kind]
    data = Data(array, np.random.default_rng(0))
    case = data.case(product_kernel(array, 5, 7, 2 * array.cols + 1, mode))
    path = folder / "wave.vcd"
    model(kind).renew()
    model(kind).run(case, waveform=Waveform(path))
    return case, read(path)


@pytest.mark.parametrize(("kind", "mode"), RUNS)
def test_a_sound_machine(kind: str, mode: Mode, tmp_path: Path) -> None:
    case, waves = traced(kind, mode, tmp_path)
    view = View(case, ARRAYS[kind], waves, hung=False)
    for block in BLOCKS:
        probes = list(block(view))
        looks = {probe.signal: list(probe.samples) for probe in probes}
        for signal, samples in looks.items():
            assert [x for x in samples if x.expected != x.found] == [], signal
        assert (sum(map(len, looks.values())) == 0) == (block.__name__ in ABSENT[kind]), block
    assert locate(case, ARRAYS[kind], waves) is None


@pytest.mark.parametrize(("kind", "mode"), RUNS)
def test_all_requests_of_a_sound_machine_are_counted(kind: str, mode: Mode, tmp_path: Path) -> None:
    case, waves = traced(kind, mode, tmp_path)
    place = standstill(View(case, ARRAYS[kind], waves, hung=True))
    assert place is not None
    for label, text in place.rows[:4]:
        made, of = text.split(" requests")[0].split(" of ")
        assert made == of, label
