"""The Verilated array as a function from memories to memories and cycles."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.simulator.build import Build, Options, build
from systolab.cosim.simulator.pyverilator_adapter import handle, open_model
from systolab.formats.codes import Codes
from systolab.formats.errors import SystolabError
from systolab.formats.outside.short import representation
from systolab.formats.outside.writing import partial_file
from systolab.rtl.hardware.descriptor import descriptor, surrounded
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.timing import timing
from systolab.rtl.timing.traffic import Traffic

__all__ = ["Execution", "HardwareFaultError", "Model", "Waveform"]

_STREAMS = {1: "A", 2: "W", 3: "O"}  # faults of native/job.h by the stream they are of
_HANG = 4
_VIOLATIONS = {
    1: "Array must request nothing while no kernel runs",
    2: "Requests of the array must stand unchanged until they are accepted",
    3: "Array must count a cycle as stalled exactly where a port delays it",
    4: "Array must be done with its last write and stay so until the next start",
    5: "Array must run a kernel that starts in the cycle in which one is done like any other",
}


class HardwareFaultError(SystolabError):
    """The RTL did what no kernel asks for: it hung, or a stream left its memory.

    Where the software model runs the same kernel without an error, that is a mismatch of the two.

    Attributes:
        what: "hang" or "address".
        stream: that left its memory: "A", "W" or "O"; "" of a hang.
        cycle: clock cycle since the start pulse in which it was noticed, stalled ones included.
        memory: output memory as it was then, flat codes.
    """

    def __init__(self, stream: str, text: str, cycle: int, memory: Codes) -> None:
        super().__init__(text)
        self.what = "address" if stream else "hang"
        self.stream = stream
        self.cycle = cycle
        self.memory = memory


class _Job(ctypes.Structure):
    """``SystolabJob`` of native/job.h, field by field."""

    _fields_ = (
        ("descriptor", ctypes.c_void_p),
        ("descriptor_words", ctypes.c_uint64),
        ("a_mem", ctypes.c_void_p),
        ("a_size", ctypes.c_uint64),
        ("w_mem", ctypes.c_void_p),
        ("w_size", ctypes.c_uint64),
        ("scale", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("p_size", ctypes.c_uint64),
        ("o_mem", ctypes.c_void_p),
        ("o_size", ctypes.c_uint64),
        ("stall", ctypes.c_int32),
        ("fault", ctypes.c_int32),
        ("stall_seed", ctypes.c_uint64),
        ("busy", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("stalls", ctypes.c_uint64),
        ("fault_address", ctypes.c_uint64),
        ("fault_cycle", ctypes.c_uint64),
        ("trace_path", ctypes.c_char_p),
        ("trace_from", ctypes.c_uint64),
        ("trace_to", ctypes.c_uint64),
        ("max_cycles", ctypes.c_uint64),
        ("a_scale", ctypes.c_void_p),
        ("a_scale_size", ctypes.c_uint64),
        ("w_scale", ctypes.c_void_p),
        ("w_scale_size", ctypes.c_uint64),
        ("transfers", ctypes.c_uint64 * 6),
        ("violation", ctypes.c_int32),
        ("trace_error", ctypes.c_int32),
        ("violation_cycle", ctypes.c_uint64),
    )


@dataclass(frozen=True, eq=False)
class Execution:
    """What a kernel did.

    Attributes:
        o: output memory after the kernel.
        cycles: core cycles, from the start pulse to the last write, stalled ones excluded.
        traffic: transfers of every memory port.
        misconduct: what the array did at its ports that it must not; empty for nothing.
    """

    o: Codes
    cycles: int
    traffic: Traffic
    misconduct: str = ""


@dataclass(frozen=True)
class Waveform:
    """A VCD to write: the clock cycles from ``start`` up to ``stop``, counted from the start pulse.

    Stalled cycles count.
    """

    path: Path
    start: int = 0
    stop: int = 1 << 62


class Model:
    """One instance of an array's model.

    Instances are independent: each may run on its own thread. A call into one instance waits for
    the previous one to return.

    Args:
        array: the machine configuration.
        random_registers: seed for the initial contents of all registers; None starts them at zero.
        trace: build with tracing.
        wrap: with tracing also PyVerilator's entry points.
        python: open the model through PyVerilator, which implies tracing: ports, clock, waveforms
            and internals of this very instance are at ``python``.
        sources: the array's sources, where they are not the generated ones.
        mutant: fault to activate in sources that are a mutant schema
            (``systolab.cosim.mutation.source``); 0 activates none, None says that they are not a
            schema.

    Raises:
        SystolabError: the array cannot be generated or built.
    """

    def __init__(
        self,
        array: Array,
        *,
        random_registers: int | None = None,
        trace: bool = False,
        python: bool = False,
        wrap: bool = True,
        sources: Hardware | None = None,
        mutant: int | None = None,
        coverage: bool = False,
    ) -> None:
        if not isinstance(array, Array):
            raise SystolabError(
                f"Array of a model must be what systolab.array('4x4', 'int:8') gives, not {array!r}"
            )
        self.array = array
        trace = trace or python
        options = Options(trace=trace, wrap=wrap, mutants=mutant is not None, coverage=coverage)
        self.build: Build = build(hardware(array) if sources is None else sources, options)
        self._trace = trace
        self._library = self.build.load()
        _declare(self._library)
        if mutant is not None:
            self._library.systolab_select_mutant(mutant)
        self._lock = threading.Lock()
        self._random_registers = random_registers
        self.python = open_model(self._library._name) if python else None
        self._handle: int | None = (
            self._library.systolab_attach(handle(self.python))
            if self.python is not None
            else self._new()
        )

    def __repr__(self) -> str:
        """Format and array."""
        return representation(self, f"{self.array.act.name} on {self.array.name}")

    def _new(self) -> int:
        seed = self._random_registers
        created: int = self._library.systolab_new(int(seed is not None), (seed or 0) & 0x7FFFFFFF)
        return created

    def renew(self, mutant: int | None = None) -> None:
        """Start over with a new instance, whose registers are as after construction.

        Args:
            mutant: fault to activate from now on, in sources that are a mutant schema.

        Raises:
            SystolabError: the model is closed, or belongs to PyVerilator.
        """
        with self._lock:
            if self._handle is None or self.python is not None:
                raise SystolabError("Model must be open and its own to start over")
            self._library.systolab_delete(self._handle)
            if mutant is not None:
                self._library.systolab_select_mutant(mutant)
            self._handle = self._new()

    def run(
        self,
        job: Job,
        stall_seed: int | None = None,
        waveform: Waveform | None = None,
        max_cycles: int = 0,
    ) -> Execution:
        """Run a kernel and watch the array's ports.

        Args:
            job: the kernel with its memories.
            stall_seed: of an environment that is as hostile as the contract of the ports allows:
                every request and response is delayed at random, ports without a response carry
                garbage, unused configuration words are written, start pulses are given while the
                kernel runs, up to the cycle in which it ends, it is run in part and ended by a
                reset, and run again from the cycle in which it is done. None for none of it.
            waveform: a VCD to write; needs a model built with tracing.
            max_cycles: clock cycles after which the kernel counts as hung; 0 for no limit.

        Returns:
            What the kernel did. Stalled cycles do not count, so cycles are the same with and
            without stalls, and so is the traffic.

        Raises:
            HardwareFaultError: the array hung, or left its memories.
            SystolabError: the kernel or its codes do not fit the array, or the waveform cannot be
                written.
        """
        job.check(self.array)
        if waveform is not None and not self._trace:
            raise SystolabError("Model must be built with tracing to write a waveform")
        words = descriptor(job.kernel, job.lo, job.hi)
        if stall_seed is not None:
            words = surrounded(words, job.kernel.block_scaled, stall_seed)
        words = np.ascontiguousarray(words)
        a_codes = _codes(job.a, self.array.act.bits)
        w_codes = _codes(job.w, self.array.weight.bits)
        factors = np.ascontiguousarray(job.scale, dtype=np.float32)
        terms = np.ascontiguousarray(job.bias, dtype=np.float32)
        result = _codes(job.o, self.array.out.bits).copy()
        given = _Job(
            descriptor=words.ctypes.data,
            descriptor_words=len(words),
            a_mem=a_codes.ctypes.data,
            a_size=len(a_codes),
            w_mem=w_codes.ctypes.data,
            w_size=len(w_codes),
            scale=factors.ctypes.data,
            bias=terms.ctypes.data,
            p_size=len(factors),
            o_mem=result.ctypes.data,
            o_size=len(result),
            stall=int(stall_seed is not None),
            stall_seed=(stall_seed or 0) & 0xFFFF_FFFF_FFFF_FFFF,
            busy=0 if stall_seed is None else timing.cycles(job.kernel, self.array),
            max_cycles=max_cycles,
        )
        if job.block_scales is not None:
            a_factors, w_factors = (np.ascontiguousarray(x) for x in job.block_scales)
            given.a_scale, given.a_scale_size = a_factors.ctypes.data, len(a_factors)
            given.w_scale, given.w_scale_size = w_factors.ctypes.data, len(w_factors)
        if waveform is None:
            self._call(given)
        else:
            given.trace_from, given.trace_to = waveform.start, waveform.stop
            with partial_file(waveform.path) as partial:
                given.trace_path = os.fsencode(partial)
                self._call(given)
                if given.trace_error:
                    raise OSError(given.trace_error, os.strerror(given.trace_error))
        if given.fault:
            raise self._fault(given, result)
        a, w, p, o, sa, sw = given.transfers
        misconduct = ""
        if given.violation:
            what, when = _VIOLATIONS[given.violation], given.violation_cycle
            misconduct = f"{what} (clock cycle {when})"
        return Execution(result, int(given.cycles), Traffic(a, w, p, o, sa, sw), misconduct)

    def _call(self, job: _Job) -> None:
        with self._lock:
            if self._handle is None:
                raise SystolabError("Model must be open to run a kernel, not closed")
            self._library.systolab_run(self._handle, ctypes.byref(job))

    def covered(self, sizes: Sequence[int]) -> list[NDArray[np.uint64]]:
        """How often the points of each group were reached, by all instances of the build.

        Args:
            sizes: how many points each group has.
        """
        found = []
        for group, size in enumerate(sizes):
            counts = np.zeros(size, np.uint64)
            self._library.systolab_covered(
                ctypes.c_int(group), ctypes.c_uint64(size), ctypes.c_void_p(counts.ctypes.data)
            )
            found.append(counts)
        return found

    def counted(self) -> str:
        """Lines and toggles of this instance, as Verilator writes them."""
        with self._lock, tempfile.TemporaryDirectory(prefix="systolab-coverage-") as folder:
            path = Path(folder) / "coverage.dat"
            self._library.systolab_write_coverage(ctypes.c_void_p(self._handle), str(path).encode())
            return path.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Free the instance."""
        with self._lock:
            if self._handle is not None:
                self._library.systolab_delete(self._handle)
                self._handle = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def _fault(self, job: _Job, memory: Codes) -> HardwareFaultError:
        cycle = int(job.fault_cycle)
        if job.fault == _HANG:
            text = f"Array must finish its kernel, not hang at cycle {cycle}"
            return HardwareFaultError("", text, cycle, memory)
        stream = _STREAMS[job.fault]
        size = {"A": job.a_size, "W": job.w_size, "O": job.o_size}[stream]
        first = job.fault_address * self.array.line
        if first >= 1 << 31:
            first -= 1 << 32
        text = (
            f"Active lanes of stream {stream} must stay within addresses 0 to {size - 1}, not "
            f"reach the line from {first} to {first + self.array.line - 1} (cycle {cycle})"
        )
        return HardwareFaultError(stream, text, cycle, memory)


def _declare(library: ctypes.CDLL) -> None:
    """Declare the batch entry points of a model's library."""
    library.systolab_new.argtypes = (ctypes.c_int, ctypes.c_uint64)
    library.systolab_new.restype = ctypes.c_void_p
    library.systolab_attach.argtypes = (ctypes.c_void_p,)
    library.systolab_attach.restype = ctypes.c_void_p
    library.systolab_delete.argtypes = (ctypes.c_void_p,)
    library.systolab_delete.restype = None
    library.systolab_run.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Job))
    library.systolab_run.restype = ctypes.c_int32


def _codes(memory: Codes, bits: int) -> Codes:
    """Codes as the driver expects them: one byte each up to 8 bits, else two."""
    if bits <= 8:
        return np.ascontiguousarray(memory, dtype=np.uint8)
    return np.ascontiguousarray(memory, dtype=np.uint16)
