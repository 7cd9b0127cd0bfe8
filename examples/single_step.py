"""Single-steps one kernel and reads a processing element: ``python examples/single_step.py``.

A 4x4 array multiplies two matrices, output-stationary, driven from Python through PyVerilator: the
descriptor's words are written one by one, the memory ports are served in every clock cycle, and
after each the partial sum of one processing element is printed beside what it must be. The
waveform goes to ``wave.vcd``, or to the file named on the command line. Exits with 1 if a sum, an
output code or the number of cycles differs from the software model's.
"""

import sys
from pathlib import Path

import numpy as np

import systolab as sl
from systolab.cosim.exit_status import guarded
from systolab.cosim.simulator.ports import Ports
from systolab.formats.outside.writing import check_file
from systolab.rtl import values
from systolab.rtl.hardware.descriptor import descriptor
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing import timing

ROW, COLUMN = 1, 2  # the processing element to look at
STEPS = 10  # length of the reduction
IN_FRONT = 3  # pipeline steps in front of the array: request, gather, decode


def main(waveform: str) -> int:
    """Run the kernel; returns the exit status."""
    check_file(Path(waveform))
    Path(waveform).parent.mkdir(parents=True, exist_ok=True)
    array = sl.array("4x4", "adaptivfloat:8,3")
    fmt = array.act
    # A column by column and W row by row: a step reads one line of each, and takes one cycle.
    kernel = gemm_kernel(array, 4, STEPS, 4, Mode.OUTPUT_STATIONARY, a_strides=(1, 4))
    rng = np.random.default_rng(0)
    a, w = (rng.integers(0, 256, STEPS * 4).astype(np.uint8) for _ in range(2))
    scale, bias = np.full(4, 0.05, np.float32), np.zeros(4, np.float32)
    job = Job(kernel, a, w, scale, bias, -np.inf, np.inf, np.zeros(16, np.uint8))

    # What the element must hold: the sum of the steps that have reached it, in units of the product
    # of the formats' quanta. Step k enters PE (0, 0) k cycles after the first, PE (r, c) another
    # r + c later.
    products = fmt.values[a].reshape(STEPS, 4)[:, ROW] * fmt.values[w].reshape(STEPS, 4)[:, COLUMN]
    sums = np.cumsum(products / fmt.quantum**2).astype(int).tolist()

    def expected(cycle: int) -> int:
        done = cycle - IN_FRONT - ROW - COLUMN
        return sums[min(done, STEPS) - 1] if done > 0 else 0

    with sl.Model(array, python=True) as model:
        sim = model.python  # a PyVerilator object, on the instance that model.run() would use
        assert sim is not None
        io = sim.io
        element = f"sum_q_{ROW * array.cols + COLUMN}"
        width = sim.internals.u_core.u_mesh.g_int.u_mesh[element].signal.width

        def peek(name: str) -> int:
            return int(io[name])

        def poke(name: str, value: int) -> None:
            io[name] = value

        sim.start_vcd_trace(waveform)
        io.cfg_valid_i = 1
        for address, word in descriptor(kernel, job.lo, job.hi).tolist():
            io.cfg_addr_i = address
            io.cfg_data_i = word
            sim.clock.tick()
        io.cfg_valid_i = 0

        ports = Ports(array, job)
        ports.open(poke)
        io.start_i = 1
        sim.clock.tick()  # cycle 0
        io.start_i = 0
        cycle, wrong = 0, 0
        print(f"cycle  {element} of PE ({ROW}, {COLUMN})  software")
        while not io.done_o:
            ports.serve(peek, poke)
            sim.clock.tick()
            cycle += 1
            code = int(sim.internals.u_core.u_mesh.g_int.u_mesh[element])
            found = code - (1 << width) if code >> (width - 1) else code
            wrong += found != expected(cycle)
            print(f"{cycle:5}  {found:>{len(element) + 13}}  {expected(cycle):8}")
        cycles = int(io.cycles_o)
        sim.stop_vcd_trace()

    result = values.run(array, job)
    differ = int(np.count_nonzero(ports.o_mem != result.o_mem))
    predicted = timing.cycles(kernel, array)
    print(
        f"{wrong} sums differ, {differ} output codes differ; {cycles} cycles, {predicted} predicted"
    )
    print(f"waveform in {waveform}")
    return int(wrong > 0 or differ > 0 or cycles != predicted)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(*(sys.argv[1:2] or ["wave.vcd"]))))
