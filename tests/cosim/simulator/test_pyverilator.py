"""The model opened through PyVerilator: the same instance from Python and in batches."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.simulator.model import Model
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32
from systolab.rtl import values
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.timing import timing


@pytest.fixture(scope="module")
def array() -> Array:
    fmt = formats.get("adaptivfloat:6,3")
    return Array(2, 2, fmt, fmt, fmt, Exact())


def test_a_batch_runs_on_the_instance_that_python_sees(array: Array) -> None:
    rng = np.random.default_rng(0)
    kernel = gemm_kernel(array, 3, 5, 2)
    a, w = (rng.integers(0, 64, size).astype(np.uint8) for size in (15, 10))
    scale, bias = np.full(2, 0.01, np.float32), np.zeros(2, np.float32)
    job = Job(kernel, a, w, scale, bias, -np.inf, np.inf, np.zeros(6, np.uint8))
    with Model(array, python=True) as model:
        found = model.run(job)
        assert model.python is not None
        io = model.python.io
        assert int(io.cycles_o) == found.cycles == timing.cycles(kernel, array)
        assert int(io.done_o) == 1
    np.testing.assert_array_equal(found.o, values.run(array, job).o_mem)


def test_ports_clock_internals_and_waveform(array: Array, tmp_path: Path) -> None:
    with Model(array, python=True) as model:
        sim = model.python
        assert sim is not None
        sim.start_vcd_trace(str(tmp_path / "wave.vcd"))
        sim.io.rst_ni = 0
        sim.clock.tick()
        assert int(sim.io.rst_ni) == 0
        assert int(sim.io.done_o) == int(sim.io.a_req_valid_o) == 0
        sim.io.rst_ni = 1
        sim.clock.tick()
        sim.io.p_rsp_data_i = 0x0123456789ABCDEF
        assert int(sim.io.p_rsp_data_i) == 0x0123456789ABCDEF
        sim.stop_vcd_trace()
    wave = (tmp_path / "wave.vcd").read_text()
    assert "$enddefinitions" in wave
    assert "rst_ni" in wave


@pytest.mark.parametrize("accumulator", [Exact(), Float32()])
def test_internals_are_those_of_the_page(array: Array, accumulator: Accumulator) -> None:
    """The table in ``docs/pyverilator.md``, for either kind of mesh."""
    page = (Path(__file__).parents[3] / "docs" / "pyverilator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+_q(?:_N)?)`", page, re.MULTILINE)
    other = ".g_pe." if accumulator == Exact() else ".g_int."
    names = [name for name in rows if other not in name]
    assert len(rows) == len(names) + 1 == 4
    with Model(replace(array, accumulator=accumulator), python=True) as model:
        assert model.python is not None
        for name in names:
            signal = model.python.internals.u_core
            for part in (
                name.replace("_N", "_2").replace("g_row_r.g_col_c", "g_row_1.g_col_0").split(".")
            ):
                signal = getattr(signal, part)
            assert int(signal) == 0


def test_two_instances_are_independent(array: Array) -> None:
    with Model(array, python=True) as one, Model(array, python=True) as two:
        assert one.python is not None
        assert two.python is not None
        one.python.io.cfg_data_i, two.python.io.cfg_data_i = 7, 9
        assert (int(one.python.io.cfg_data_i), int(two.python.io.cfg_data_i)) == (7, 9)


def test_instances_end_in_any_order() -> None:
    """A process whose instances are destroyed in the order of their making ends by itself."""
    program = """
from systolab import formats
from systolab.cosim.simulator.model import Model
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.kernel.kernel import Array
fmt = formats.get("adaptivfloat:6,3")
array = Array(2, 2, fmt, fmt, fmt, Exact())
models = [Model(array, python=True) for _ in range(2)] + [Model(array), Model(array)]
while models:
    models.pop(0).close()
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=300, check=False)
    assert done.returncode == 0
