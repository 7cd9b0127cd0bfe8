"""The kernel as a cocotb test, run inside the simulator."""

import json
import os
import time
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from benchmarks.drivers.workload import workload
from systolab.cosim.simulator.ports import Ports
from systolab.rtl.kernel.modes import Mode


@cocotb.test()
async def kernel(dut: Any) -> None:
    """Run the kernel of $SYSTOLAB_MODE once.

    Cycles, CPU seconds and output codes go to $SYSTOLAB_RESULT.
    """
    work = workload(Mode(os.environ["SYSTOLAB_MODE"]))
    signals: dict[str, Any] = {}

    def signal(name: str) -> Any:
        if name not in signals:
            signals[name] = getattr(dut, name)
        return signals[name]

    def peek(name: str) -> int:
        return int(signal(name).value)

    def poke(name: str, value: int) -> None:
        signal(name).value = value

    edge = FallingEdge(dut.clk_i)
    ports = Ports(work.array, work.job)
    for name in ("cfg_valid_i", "start_i", "a_rsp_valid_i", "w_rsp_valid_i", "p_rsp_valid_i"):
        poke(name, 0)
    poke("rst_ni", 0)
    Clock(dut.clk_i, 2, unit="step", impl="gpi").start()
    for _ in range(2):
        await edge
    poke("rst_ni", 1)
    await edge

    start = time.thread_time()
    poke("cfg_valid_i", 1)
    for address, word in work.words.tolist():
        poke("cfg_addr_i", address)
        poke("cfg_data_i", word)
        await edge
    poke("cfg_valid_i", 0)
    ports.open(poke)
    poke("start_i", 1)
    await edge
    poke("start_i", 0)
    while not peek("done_o"):
        ports.serve(peek, poke)
        await edge
    seconds = time.thread_time() - start
    result = {"cycles": peek("cycles_o"), "seconds": seconds, "codes": ports.o_mem.tolist()}
    with open(os.environ["SYSTOLAB_RESULT"], "w", encoding="utf-8") as file:
        json.dump(result, file)
