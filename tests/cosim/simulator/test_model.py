"""The model: registers start anywhere, stalls and threads change nothing, bad jobs are refused."""

from __future__ import annotations

import math
import resource
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.case import compare, hardware_model, software
from systolab.cosim.check.kernels import Data
from systolab.cosim.simulator.model import Execution, HardwareFaultError, Model, Waveform
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array, Guard, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.timing import cycles
from systolab.rtl.values import run

M, K, N = 7, 9, 5


def _array() -> Array:
    fmt = formats.get("adaptivfloat:8,3")
    return Array(4, 4, fmt, fmt, fmt, Exact(), acc_rows=64)


class Product:
    """A matrix product with random data, and what the software model says of it."""

    def __init__(self, mode: Mode = Mode.WEIGHT_STATIONARY, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.array = _array()
        self.kernel = gemm_kernel(self.array, M, K, N, mode)
        a = rng.integers(0, 256, M * K).astype(np.uint8)
        w = rng.integers(0, 256, K * N).astype(np.uint8)
        scale = rng.uniform(1e-4, 1e-3, N).astype(np.float32)
        bias = rng.normal(size=N).astype(np.float32)
        before = np.zeros(M * N, np.uint8)
        self.job = Job(self.kernel, a, w, scale, bias, -2.0, np.inf, before)

    def run(
        self,
        model: Model,
        kernel: Kernel | None = None,
        stall_seed: int | None = None,
        waveform: Waveform | None = None,
    ) -> Execution:
        return model.run(replace(self.job, kernel=kernel or self.kernel), stall_seed, waveform)

    def check(self, result: Execution) -> None:
        expected = run(self.array, self.job)
        np.testing.assert_array_equal(result.o, expected.o_mem)
        assert result.cycles == cycles(self.kernel, self.array)


@pytest.mark.parametrize("mode", list(Mode))
def test_registers_may_start_anywhere(mode: Mode) -> None:
    product = Product(mode)
    for seed in (None, 1, 2, 3, 4):
        with Model(_array(), random_registers=seed) as model:
            product.check(product.run(model))
            product.check(product.run(model))  # and after a kernel


@pytest.mark.parametrize("mode", list(Mode))
def test_stalls_change_neither_codes_nor_core_cycles(mode: Mode) -> None:
    product = Product(mode)
    with Model(_array()) as model:
        for seed in range(20):
            product.check(product.run(model, stall_seed=seed))


def test_instances_run_on_threads() -> None:
    products = [Product(mode, seed) for seed in range(4) for mode in Mode]

    def work(product: Product) -> None:
        with Model(_array()) as model:
            for _ in range(20):
                product.check(product.run(model))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, products))


@pytest.mark.parametrize(
    ("stream", "size"), [("A", M * K), ("W", K * N), ("O", M * N)], ids=["A", "W", "O"]
)
def test_a_kernel_that_leaves_its_memory(stream: str, size: int) -> None:
    product = Product()
    kernel = product.kernel
    moved = replace(kernel.streams()[stream], base=4096)
    if stream == "A":
        outside = replace(kernel, a=moved)
    elif stream == "W":
        outside = replace(kernel, w=moved)
    else:
        outside = replace(kernel, o=moved)
    with Model(_array()) as model:
        message = f"^Active lanes of stream {stream} must stay within addresses 0 to {size - 1}, "
        with pytest.raises(SystolabError, match=message + "not reach the line from "):
            product.run(model, outside)
        with pytest.raises(HardwareFaultError) as raised:
            product.run(model, outside)
        assert (raised.value.what, raised.value.stream) == ("address", stream)
        product.check(product.run(model))  # the model is still good


def test_an_array_that_hangs() -> None:
    """The controller never takes an accumulator bank back: the third outer iteration waits."""
    product = Product()
    sound = hardware(product.array)
    name, release = "systolab_controller.sv", "- 2'(release_i);"
    assert sound.files[name].count(release) == 1
    text = sound.files[name].replace(release, "- 2'(release_i && 1'b0);")
    faulty = replace(sound, files={**sound.files, name: text})
    predicted = cycles(product.kernel, product.array)
    assert math.prod(product.kernel.outer) == 2
    longer = gemm_kernel(product.array, M, K, 3 * product.array.cols)
    data = Data(product.array, np.random.default_rng(0)).case(longer)
    limit = cycles(longer, product.array)
    with Model(product.array, sources=faulty) as model:
        with pytest.raises(HardwareFaultError) as raised:
            model.run(data, max_cycles=limit)
        assert raised.value.what == "hang"
        assert raised.value.cycle == limit + 1
        assert str(raised.value) == f"Array must finish its kernel, not hang at cycle {limit + 1}"
        # The first two iterations came out, and the model can be used again.
        right = software(product.array)(data).o
        written = raised.value.memory != data.o
        assert written.any()
        assert np.array_equal(raised.value.memory[written], right[written])
        product.check(product.run(model))
        # As a device it says so instead of raising, soon after the predicted cycles.
        outcome = hardware_model(product.array, model)(data)
        assert outcome.fault is not None
        assert limit < outcome.cycles == outcome.fault.cycle <= 2 * limit + 501
        difference = compare(data, software(product.array)(data), outcome)
        assert difference is not None
        assert (difference.what, difference.expected) == ("hang", limit)
        assert difference.found == outcome.cycles
        stalled = hardware_model(product.array, model)(replace(data, stall_seed=1))
        assert stalled.fault is not None
    assert predicted < limit


def test_a_negative_address_is_named() -> None:
    product = Product()
    outside = replace(product.kernel, a=replace(product.kernel.a, base=-4))
    with Model(_array()) as model, pytest.raises(SystolabError, match="line from -4 to -1"):
        product.run(model, outside)


def test_a_closed_model() -> None:
    model = Model(_array())
    model.close()
    with pytest.raises(SystolabError, match="^Model must be open to run a kernel, not closed"):
        Product().run(model)


def test_a_waveform_needs_tracing(tmp_path: Path) -> None:
    with Model(_array()) as model:
        wave = Waveform(tmp_path / "x.vcd")
        with pytest.raises(SystolabError, match="^Model must be built with tracing"):
            Product().run(model, waveform=wave)


def test_a_waveform_of_a_window(tmp_path: Path) -> None:
    product = Product()
    with Model(_array(), trace=True) as model:
        wave = Waveform(tmp_path / "x.vcd", 10, 13)
        product.check(product.run(model, waveform=wave))
        times = [line for line in wave.path.read_text().splitlines() if line.startswith("#")]
        assert times == ["#100", "#105", "#110", "#115", "#120", "#125"]
        product.run(model, waveform=Waveform(tmp_path / "made" / "x.vcd", 10, 13))
        assert (tmp_path / "made" / "x.vcd").read_text().startswith("$version")
        with pytest.raises(SystolabError, match="/x.vcd/y must be writable: Not a directory"):
            product.run(model, waveform=Waveform(tmp_path / "x.vcd" / "y"))


def test_a_waveform_on_a_full_disk_is_absent_and_the_model_goes_on(tmp_path: Path) -> None:
    product = Product()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Model(_array(), trace=True) as model:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
            with pytest.raises(SystolabError, match="/x.vcd must be writable: File too large$"):
                product.run(model, waveform=Waveform(tmp_path / "x.vcd"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(tmp_path.iterdir()) == []
        product.check(product.run(model, waveform=Waveform(tmp_path / "x.vcd")))


def test_an_array_that_is_only_spelt_is_refused() -> None:
    with pytest.raises(SystolabError, match=r"^Array of a model must be what systolab\.array\("):
        Model("4x4")  # type: ignore[arg-type]


def test_parameters_beside_the_memory_are_refused_by_both_sides() -> None:
    """By one sentence where an output needs them; a column without an output may read there."""
    array = _array()
    kernel = gemm_kernel(array, 2, 3, 3)
    a, w = np.zeros(6, np.uint8), np.zeros(9, np.uint8)
    wide = np.zeros(int(kernel.o.addresses().max()) + 1, np.uint8)
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    found: list[str] = []
    with Model(array) as model:
        for few in (1, 2):
            job = Job(kernel, a, w, ones[:few], zeros[:few], -np.inf, np.inf, wide)
            with pytest.raises(SystolabError) as by_model:
                model.run(job)
            with pytest.raises(SystolabError) as by_values:
                run(array, job)
            found += [str(by_model.value), str(by_values.value)]
        sentence = "Active lanes of stream P must stay within addresses 0 to {}, not reach 2"
        assert found == [sentence.format(0)] * 2 + [sentence.format(1)] * 2
        guard = Guard(0, (0,) * len(kernel.o.loops), 1, 2)  # the last column is not written
        narrow = replace(kernel, o=replace(kernel.o, guards=(*kernel.o.guards, guard)))
        job = Job(narrow, a, w, ones[:2], zeros[:2], -np.inf, np.inf, wide)
        np.testing.assert_array_equal(model.run(job).o, run(array, job).o_mem)
