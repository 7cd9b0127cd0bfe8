"""The memory behind an array's ports, served from Python one clock cycle at a time.

For single-stepping a kernel in any simulator whose signals Python can read and write (PyVerilator,
cocotb); ``systolab.cosim.simulator.model.Model.run`` runs a whole kernel at full speed. No
port ever makes the core wait: a request is answered in the cycle after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.memory import binary32_words, memory_lines
from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import Array

__all__ = ["Peek", "Poke", "Ports"]

Peek = Callable[[str], int]
Poke = Callable[[str, int], None]


class Ports:
    """Memories of one kernel, and the state of the ports in front of them.

    Args:
        array: the machine configuration.
        job: the kernel, which must fit the array, with its memories.

    Attributes:
        o_mem: output memory, as far as it is written.

    Raises:
        SystolabError: the kernel or its codes do not fit the array.
    """

    def __init__(self, array: Array, job: Job) -> None:
        job.check(array)
        self.o_mem = job.o.copy()
        self._line = array.line
        self._out_bits = array.out.bits
        words = (binary32_words(memory) for memory in (job.scale, job.bias))
        parameters = [bias << 32 | scale for scale, bias in zip(*words, strict=True)]
        self._reads = [
            _Read("a", "line", memory_lines(job.a, array.line, array.act.bits)),
            _Read("w", "line", memory_lines(job.w, array.line, array.weight.bits)),
            _Read("p", "index", parameters),
        ]
        if job.block_scales is not None:
            self._reads += [
                _Read(name, "index", binary32_words(memory))
                for name, memory in zip(("sa", "sw"), job.block_scales, strict=True)
            ]

    def open(self, poke: Poke) -> None:
        """Say on every port that requests are accepted; once, before the start pulse."""
        for read in self._reads:
            poke(f"{read.name}_req_ready_i", 1)
        poke("o_req_ready_i", 1)

    def serve(self, peek: Peek, poke: Poke) -> None:
        """Serve one clock cycle: between two rising edges, with outputs settled after the first.

        Args:
            peek: value of an output port, by name.
            poke: sets an input port, by name.

        Raises:
            SystolabError: an active lane of a stream leaves its memory.
        """
        for read in self._reads:
            read.serve(peek, poke)
        if peek("o_req_valid_o"):
            self._write(peek("o_req_line_o"), peek("o_req_mask_o"), peek("o_req_data_o"))

    def _write(self, line: int, mask: int, data: int) -> None:
        first = line * self._line
        for lane in range(mask.bit_length()):
            if mask >> lane & 1:
                if first + lane >= len(self.o_mem):
                    raise _outside("O", len(self.o_mem), line)
                code = data >> lane * self._out_bits & (1 << self._out_bits) - 1
                self.o_mem[first + lane] = code


class _Read:
    """A read port: requests wait in order for their responses."""

    def __init__(self, name: str, address: str, memory: list[int]) -> None:
        self.name = name
        self._memory = memory
        self._address = f"{name}_req_{address}_o"
        self._request = f"{name}_req_valid_o"
        self._taken = f"{name}_rsp_ready_o"
        self._valid = f"{name}_rsp_valid_i"
        self._data = f"{name}_rsp_data_i"
        # Lines beyond the memory are an error; parameters of inactive lanes read as zero.
        self._strict = address == "line"
        self._waiting: deque[int] = deque()
        self._offered = False

    def serve(self, peek: Peek, poke: Poke) -> None:
        offer = bool(self._waiting)
        if offer:
            poke(self._data, self._waiting[0])
        if offer != self._offered:
            poke(self._valid, int(offer))
            self._offered = offer
        if offer and peek(self._taken):
            self._waiting.popleft()
        if peek(self._request):
            address = peek(self._address)
            if address < len(self._memory):
                self._waiting.append(self._memory[address])
            elif self._strict:
                raise _outside(self.name.upper(), len(self._memory), address, "lines")
            else:
                self._waiting.append(0)


def _outside(stream: str, size: int, line: int, unit: str = "codes") -> SystolabError:
    return SystolabError(
        f"Active lanes of stream {stream} must stay within its memory of {size} {unit}, "
        f"not reach line {line}"
    )
