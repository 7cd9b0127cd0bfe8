"""The ports of a generated array: one list that the top module and its document are made from."""

from __future__ import annotations

from dataclasses import dataclass

from systolab.rtl.kernel.kernel import Array

__all__ = ["Port", "ports", "scale_ports", "table"]


@dataclass(frozen=True)
class Port:
    """One port of ``systolab_top``.

    Attributes:
        direction: "input" or "output".
        width: in bits.
        name: as it is in the SystemVerilog.
        meaning: what it carries.
    """

    direction: str
    width: int
    name: str
    meaning: str

    @property
    def range(self) -> str:
        """Its width as a declaration says it; empty for one bit."""
        return f"[{self.width - 1}:0]" if self.width > 1 else ""


def ports(array: Array) -> list[Port]:
    """The ports of an array, in order."""
    address = 33 - array.line.bit_length()
    line = f"line of {array.line} codes"
    reads = [
        *_read("a", array.line * array.act.bits, "line", address, f"activations, a {line}"),
        *_read("w", array.line * array.weight.bits, "line", address, f"weights, a {line}"),
        *_read("p", 64, "index", 32, "bias above scale, binary32"),
        *(scale_ports() if array.block_scaled else []),
    ]
    return [
        Port("input", 1, "clk_i", "clock"),
        Port("input", 1, "rst_ni", "reset, asynchronous, active low"),
        Port("input", 1, "cfg_valid_i", "writes a configuration word; only while no kernel runs"),
        Port("input", 10, "cfg_addr_i", "its address"),
        Port("input", 32, "cfg_data_i", "the word"),
        Port("input", 1, "start_i", "starts the configured kernel; ignored while one runs"),
        Port("output", 1, "done_o", "the last line is written; until the next start"),
        Port("output", 64, "cycles_o", "cycles since the start pulse, stalled ones excluded"),
        Port("output", 64, "stalls_o", "cycles in which a port made the core wait"),
        *reads,
        Port("output", 1, "o_req_valid_o", "a line is to be written"),
        Port("input", 1, "o_req_ready_i", "it is taken"),
        Port("output", address, "o_req_line_o", "its number"),
        Port("output", array.line * array.out.bits, "o_req_data_o", f"the {line}"),
        Port("output", array.line, "o_req_mask_o", "the codes of it that are written"),
    ]


def scale_ports() -> list[Port]:
    """The ports that only a block-scaled array has."""
    return [
        *_read("sa", 32, "index", 32, "block scale of A, binary32"),
        *_read("sw", 32, "index", 32, "block scale of W, binary32"),
    ]


def _read(name: str, width: int, target: str, request: int, data: str) -> list[Port]:
    """A read port: requests of ``request`` bits, responses of ``width``."""
    return [
        Port("output", 1, f"{name}_req_valid_o", "a request is there"),
        Port("input", 1, f"{name}_req_ready_i", "the request is taken"),
        Port("output", request, f"{name}_req_{target}_o", f"the {target} that is wanted"),
        Port("input", 1, f"{name}_rsp_valid_i", "a response is there"),
        Port("output", 1, f"{name}_rsp_ready_o", "it is taken"),
        Port("input", width, f"{name}_rsp_data_i", data),
    ]


def table(array: Array) -> str:
    """The ports of an array for people, one a line."""
    rows = [(port.name, port.direction, str(port.width), port.meaning) for port in ports(array)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        f"{name:{widths[0]}}  {direction:{widths[1]}}  {width:>{widths[2]}}  {meaning}"
        for name, direction, width, meaning in rows
    )
