"""What all drivers run: a matrix product on a 16x16 array, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab import formats
from systolab.formats.arithmetic.accumulator import Exact
from systolab.formats.codes import Codes
from systolab.rtl import values
from systolab.rtl.hardware.descriptor import descriptor
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing import timing

FORMAT = "adaptivfloat:8,3"
M, K, N = 256, 128, 32


@dataclass(frozen=True)
class Workload:
    """A kernel with its memories, on an array."""

    array: Array
    job: Job

    @property
    def words(self) -> NDArray[np.uint32]:
        """Configuration writes, (address, word)."""
        return descriptor(self.job.kernel, self.job.lo, self.job.hi)

    def expected(self) -> tuple[Codes, int]:
        """Output memory and cycles, from the software model."""
        codes = values.run(self.array, self.job).o_mem
        return codes, timing.cycles(self.job.kernel, self.array)


def array() -> Array:
    """The machine that the drivers are compared on."""
    fmt = formats.get(FORMAT)
    return Array(16, 16, fmt, fmt, fmt, Exact())


def workload(mode: Mode) -> Workload:
    """The same in every process."""
    rng = np.random.default_rng(0)
    a, w = (rng.integers(0, 256, size).astype(np.uint8) for size in (M * K, K * N))
    scale = rng.uniform(0.5e-3, 1.5e-3, N).astype(np.float32)
    bias = rng.uniform(-1, 1, N).astype(np.float32)
    machine = array()
    # A is stored so that a vector is one line in either dataflow.
    strides = None if mode.description.sums_lanes else (1, M)
    kernel = gemm_kernel(machine, M, K, N, mode, a_strides=strides)
    before = np.zeros(M * N, np.uint8)
    return Workload(machine, Job(kernel, a, w, scale, bias, -np.inf, np.inf, before))
