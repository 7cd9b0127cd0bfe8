"""Ports served from Python: single steps give what the batch driver gives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from systolab import formats
from systolab.cosim.simulator.model import Model
from systolab.cosim.simulator.ports import Ports
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.errors import SystolabError
from systolab.rtl import values
from systolab.rtl.hardware.descriptor import descriptor
from systolab.rtl.kernel.block_gemm import block_gemm_kernel
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing import timing

ROOT = Path(__file__).parents[3]


def single_step(model: Model, ports: Ports, kernel: Kernel) -> int:
    """Run a kernel through PyVerilator; returns its cycles."""
    sim = model.python
    assert sim is not None
    io = sim.io

    def poke(name: str, value: int) -> None:
        io[name] = value

    io.cfg_valid_i = 1
    for address, word in descriptor(kernel, -np.inf, np.inf).tolist():
        io.cfg_addr_i, io.cfg_data_i = address, word
        sim.clock.tick()
    io.cfg_valid_i = 0
    ports.open(poke)
    io.start_i = 1
    sim.clock.tick()
    io.start_i = 0
    for _ in range(10_000):
        if io.done_o:
            break
        ports.serve(lambda name: int(io[name]), poke)
        sim.clock.tick()
    return int(io.cycles_o)


@pytest.fixture(scope="module")
def model() -> Model:
    fmt = formats.get("adaptivfloat:6,3")
    return Model(Array(2, 2, fmt, fmt, fmt, Exact()), python=True)


def product(kernel: Kernel, m: int, k: int, n: int, **scales: NDArray[np.float32]) -> Job:
    """A matrix product with random data; every output holds 63 before it."""
    rng = np.random.default_rng(m * k + n)
    a, w = (rng.integers(0, 64, size).astype(np.uint8) for size in (m * k, k * n))
    scale = rng.uniform(0.01, 0.1, n).astype(np.float32)
    bias, before = np.linspace(-1, 1, n, dtype=np.float32), np.full(m * n, 63, np.uint8)
    return Job(kernel, a, w, scale, bias, -np.inf, np.inf, before, **scales)


@pytest.mark.parametrize("mode", Mode)
def test_single_steps_give_values_and_cycles(model: Model, mode: Mode) -> None:
    """Ragged edges, several tiles; twice, since the first kernel must leave nothing behind."""
    array = model.array
    for m, k, n in ((5, 7, 3), (4, 3, 2)):
        kernel = gemm_kernel(array, m, k, n, mode)
        job = product(kernel, m, k, n)
        ports = Ports(array, job)
        assert single_step(model, ports, kernel) == timing.cycles(kernel, array)
        np.testing.assert_array_equal(ports.o_mem, values.run(array, job).o_mem)
        assert np.all(job.o == 63)


def test_block_scales_are_served() -> None:
    fmt = formats.get("adaptivfloat:6,3")
    array = Array(2, 2, fmt, fmt, fmt, Exact(), block_scaled=True)
    m, k, n = 3, 6, 3
    kernel = block_gemm_kernel(array, m, k, n, 2)
    rng = np.random.default_rng(1)
    assert kernel.sa is not None
    assert kernel.sw is not None
    a_scale, w_scale = (
        rng.uniform(0.5, 2, int(pattern.addresses().max()) + 1).astype(np.float32)
        for pattern in (kernel.sa, kernel.sw)
    )
    job = product(kernel, m, k, n, a_scale=a_scale, w_scale=w_scale)
    ports = Ports(array, job)
    with Model(array, python=True) as model:
        assert single_step(model, ports, kernel) == timing.cycles(kernel, array)
    np.testing.assert_array_equal(ports.o_mem, values.run(array, job).o_mem)


@pytest.mark.parametrize("stream", ["A", "W", "O"])
def test_lanes_outside_a_memory(model: Model, stream: str) -> None:
    kernel = gemm_kernel(model.array, 4, 4, 4)
    job = product(kernel, 4, 4, 4)
    short = getattr(job, stream.lower())[:8]
    ports = Ports(model.array, replace(job, **{stream.lower(): short}))
    unit = "codes" if stream == "O" else "lines"
    size = 8 if stream == "O" else 2
    try:
        with pytest.raises(
            SystolabError,
            match=f"^Active lanes of stream {stream} must stay within its memory of {size} {unit}, "
            "not reach line 2$",
        ):
            single_step(model, ports, kernel)
    finally:
        assert model.python is not None
        model.python.io.rst_ni = 0
        model.python.clock.tick()
        model.python.io.rst_ni = 1


def test_ports_check_what_they_are_given(model: Model) -> None:
    wide = replace(model.array, rows=3)
    job = product(gemm_kernel(wide, 3, 3, 2), 3, 3, 2)
    with pytest.raises(SystolabError, match="^Stream A must have at most the array's 2 lanes"):
        Ports(model.array, job)


def test_the_documented_example(tmp_path: Path) -> None:
    wave = tmp_path / "wave.vcd"
    done = subprocess.run(
        [sys.executable, "examples/single_step.py", str(wave)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "cycle  sum_q_6 of PE (1, 2)  software"
    assert lines[16].split() == ["16", "310136", "310136"]
    assert lines[-2] == ("0 sums differ, 0 output codes differ; 36 cycles, 36 predicted")
    text = wave.read_text()
    assert "$enddefinitions" in text
    assert "sum_q" in text
