"""Draws the timing diagrams of the ports from a simulation: ``python docs/timing_diagrams.py``.

A 4x4 array multiplies two 4x4 matrices, weight-stationary, driven through PyVerilator. The memory
behind its ports refuses requests and delays responses in the clock cycles named below; every other
wave is what the hardware does. Codes, cycles and stalls of the run are compared with the software
model before anything is drawn. ``--check`` writes nothing and exits with 1 if a file is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from systolab import formats
from systolab.cosim.simulator.model import Model
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl import Array, Job, values
from systolab.rtl.hardware.descriptor import descriptor
from systolab.rtl.hardware.memory import binary32_words, memory_lines
from systolab.rtl.kernel.gemm import gemm_kernel
from systolab.rtl.timing import timing

IMAGES = Path(__file__).parent / "images"
SIZE = 4  # rows, columns, and the order of the matrices

# What the memory does at random in the check, here at chosen clock cycles after the start pulse.
REFUSED = {"a": {7, 8}, "o": {32, 33, 36}}  # requests that are not accepted in that cycle
LATE = {"a": {11, 12}, "p": {3}}  # responses that are not there yet

Sample = dict[str, int]  # value of every port in one clock cycle, as the registers see it


class ReadPort:
    """A read port of the memory: it answers in order, at the earliest in the next cycle."""

    def __init__(self, name: str, address: str, memory: Sequence[int]) -> None:
        self.name = name
        self._address = f"{name}_req_{address}_o"
        self._memory = memory
        self._waiting: deque[int] = deque()

    def inputs(self, cycle: int) -> Sample:
        """What the array sees in this cycle."""
        there = bool(self._waiting) and cycle not in LATE.get(self.name, ())
        return {
            f"{self.name}_req_ready_i": int(cycle not in REFUSED.get(self.name, ())),
            f"{self.name}_rsp_valid_i": int(there),
            f"{self.name}_rsp_data_i": self._memory[self._waiting[0]] if there else 0,
        }

    def clock(self, now: Sample) -> None:
        """The rising edge at the end of the cycle."""
        if now[f"{self.name}_rsp_valid_i"] and now[f"{self.name}_rsp_ready_o"]:
            self._waiting.popleft()
        if now[f"{self.name}_req_valid_o"] and now[f"{self.name}_req_ready_i"]:
            self._waiting.append(now[self._address])


@dataclass(frozen=True)
class Run:
    """The samples of a run by clock cycle; the start pulse is cycle 0, configuration before it."""

    samples: dict[int, Sample]

    def at(self, cycle: int, signal: str) -> int:
        return self.samples[cycle][signal]

    def stalled(self, cycle: int) -> bool:
        """Whether a port makes the core wait in this cycle, by the core's own count."""
        after = self.samples.get(cycle + 1)
        return cycle > 0 and after is not None and after["stalls_o"] > self.at(cycle, "stalls_o")


def simulate() -> Run:
    """Run the kernel, and compare it with the software model."""
    fmt = formats.get("adaptivfloat:8,3")
    array = Array(SIZE, SIZE, fmt, fmt, fmt, Exact())
    kernel = gemm_kernel(array, SIZE, SIZE, SIZE)
    rng = np.random.default_rng(0)
    a, w = (rng.integers(0, 256, SIZE * SIZE).astype(np.uint8) for _ in range(2))
    scale = np.array([0.5, 0.25, 2, 1], np.float32)
    bias = np.array([0, 1, -2, 3], np.float32)
    lo, hi = 0.0, np.inf
    before = np.zeros(SIZE * SIZE, np.uint8)
    parameters = [
        b << 32 | s for s, b in zip(binary32_words(scale), binary32_words(bias), strict=True)
    ]
    ports = [
        ReadPort("a", "line", memory_lines(a, array.line, fmt.bits)),
        ReadPort("w", "line", memory_lines(w, array.line, fmt.bits)),
        ReadPort("p", "index", parameters),
    ]
    samples: dict[int, Sample] = {}
    found = before.copy()

    with Model(array, python=True) as model:
        sim = model.python
        assert sim is not None
        names = list(sim.io)

        def step(cycle: int, inputs: Sample) -> Sample:
            """One clock cycle: inputs, settled outputs, rising edge."""
            for name, value in inputs.items():
                sim.io[name] = value
            now = {name: int(sim.io[name]) for name in names}
            samples[cycle] = now
            sim.clock.tick()
            return now

        words = descriptor(kernel, lo, hi).tolist()
        for i, (address, word) in enumerate(words):
            step(i - len(words), {"cfg_valid_i": 1, "cfg_addr_i": address, "cfg_data_i": word})
        step(0, {"cfg_valid_i": 0, "start_i": 1})
        cycle, now = 0, samples[0]
        while not now["done_o"]:
            cycle += 1
            inputs = {"start_i": 0, "o_req_ready_i": int(cycle not in REFUSED["o"])}
            for port in ports:
                inputs |= port.inputs(cycle)
            now = step(cycle, inputs)
            for port in ports:
                port.clock(now)
            if now["o_req_valid_o"] and now["o_req_ready_i"]:
                for lane in range(array.line):
                    if now["o_req_mask_o"] >> lane & 1:
                        code = now["o_req_data_o"] >> lane * fmt.bits & (1 << fmt.bits) - 1
                        found[now["o_req_line_o"] * array.line + lane] = code
        step(cycle + 1, {})

    expected = values.run(array, Job(kernel, a, w, scale, bias, lo, hi, before))
    np.testing.assert_array_equal(found, expected.o_mem)
    assert now["cycles_o"] == timing.cycles(kernel, array)
    return Run(samples)


@dataclass(frozen=True)
class Row:
    """A signal of a diagram.

    Attributes:
        signal: port of ``systolab_top``.
        valid: port that says whether the value means anything; "" if it always does.
        show: text of a value; None for a single bit.
    """

    signal: str
    valid: str = ""
    show: Callable[[int], str] | None = None


@dataclass(frozen=True)
class Diagram:
    """A part of the run.

    Attributes:
        name: of the file.
        title: what it shows.
        cycles: its columns; where a cycle does not follow on the one before, a gap is drawn.
        rows: its signals, from top to bottom.
        transfers: pairs of signals; where both are 1, a transfer takes place.
        note: how values are written, where that is not obvious.
    """

    name: str
    title: str
    cycles: Sequence[int]
    rows: Sequence[Row]
    transfers: Sequence[tuple[str, str]] = ()
    note: str = ""


def hexadecimal(digits: int) -> Callable[[int], str]:
    return lambda value: f"{value:0{digits}x}"


def unit_and_word(address: int) -> str:
    return f"{address >> 7}, {address & 127}"


def scale_and_bias(data: int) -> str:
    bias, scale = np.array([data >> 32, data & 0xFFFFFFFF], np.uint32).view(np.float32)
    return f"{scale:g}, {bias:g}"


COUNTS = (Row("cycles_o", show=str), Row("stalls_o", show=str))


def read_rows(port: str, address: str, data: Callable[[int], str]) -> list[Row]:
    request, response = f"{port}_req", f"{port}_rsp"
    return [
        Row(f"{request}_valid_o"),
        Row(f"{request}_ready_i"),
        Row(f"{request}_{address}_o", f"{request}_valid_o", str),
        Row(f"{response}_valid_i"),
        Row(f"{response}_ready_o"),
        Row(f"{response}_data_i", f"{response}_valid_i", data),
        *COUNTS,
    ]


def read_transfers(port: str) -> list[tuple[str, str]]:
    return [
        (f"{port}_req_valid_o", f"{port}_req_ready_i"),
        (f"{port}_rsp_valid_i", f"{port}_rsp_ready_o"),
    ]


def diagrams(run: Run) -> list[Diagram]:
    """The diagrams of a run."""
    first, last = min(run.samples), max(run.samples)
    return [
        Diagram(
            "configure",
            "Configuration, start and done",
            [*range(first, first + 4), -2, -1, 0, 1, 2, last - 2, last - 1, last],
            [
                Row("cfg_valid_i"),
                Row("cfg_addr_i", "cfg_valid_i", unit_and_word),
                Row("cfg_data_i", "cfg_valid_i", hexadecimal(8)),
                Row("start_i"),
                Row("done_o"),
                *COUNTS,
            ],
            note="cfg_addr_i: unit, word",
        ),
        Diagram(
            "read",
            "Reading lines: a refused request, a late response",
            range(5, 16),
            read_rows("a", "line", hexadecimal(8)),
            read_transfers("a"),
        ),
        Diagram(
            "parameters",
            "Reading parameters: one column a cycle",
            range(7),
            read_rows("p", "index", scale_and_bias),
            read_transfers("p"),
            note="p_rsp_data_i: scale, bias",
        ),
        Diagram(
            "write",
            "Writing lines against back-pressure, up to done",
            range(last - 9, last + 1),
            [
                Row("o_req_valid_o"),
                Row("o_req_ready_i"),
                Row("o_req_line_o", "o_req_valid_o", str),
                Row("o_req_data_o", "o_req_valid_o", hexadecimal(8)),
                Row("o_req_mask_o", "o_req_valid_o", lambda mask: f"{mask:04b}"),
                Row("done_o"),
                *COUNTS,
            ],
            [("o_req_valid_o", "o_req_ready_i")],
        ),
    ]


STYLE = """\
    text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
      font-size: 13px; fill: #1b2733; text-anchor: middle }
    .head, .note { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
    .head { font-size: 16px; font-weight: 600; text-anchor: start }
    .note { font-size: 13px; fill: #51606e; text-anchor: start }
    .cycle { font-size: 12px; fill: #51606e } .value { font-size: 12px } .name { text-anchor: end }
    .page { fill: #ffffff; stroke: #d5dce3 } .stall { fill: #f1dfdc } .transfer { fill: #bfe6cb }
    .grid { stroke: #e3e8ed } .wave { fill: none; stroke: #2f6db5; stroke-width: 1.5 }
    .bus { fill: #ffffff; fill-opacity: .55; stroke: #2f6db5; stroke-width: 1.3 }
    .idle { stroke: #a5b1bc; stroke-width: 1.3 } .gap { stroke: #a5b1bc; stroke-dasharray: 2 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e3e9ef } .note, .cycle { fill: #a3b0bd }
      .page { fill: #10161d; stroke: #2c3743 } .stall { fill: #43292a } .transfer { fill: #1c5434 }
      .grid { stroke: #232d38 } .wave, .bus { stroke: #6cb0f2 } .bus { fill: #10161d }
      .idle, .gap { stroke: #5b6976 }
    }"""

LEFT, TOP, BOTTOM = 152, 66, 44  # margins
COLUMN, GAP, ROW, HEIGHT, SLOPE = 64, 28, 30, 18, 4


def draw(diagram: Diagram, run: Run) -> str:
    """A diagram as SVG, on a background of its own, light or dark as the reader's."""
    lefts, gaps, x = [], [], LEFT
    for i, cycle in enumerate(diagram.cycles):
        if i and cycle != diagram.cycles[i - 1] + 1:
            gaps.append(x)
            x += GAP
        lefts.append(x)
        x += COLUMN
    rows = [Row("clk_i"), *diagram.rows]
    width, height = x + 16, TOP + ROW * len(rows) + BOTTOM
    end = TOP + ROW * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img">',
        f"  <title>{escape(diagram.title)}</title>",
        f"  <style>\n{STYLE}\n  </style>",
        f'  <rect class="page" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'  <text class="head" x="16" y="28">{escape(diagram.title)}</text>',
    ]
    stalls = False
    for left, cycle in zip(lefts, diagram.cycles, strict=True):
        if run.stalled(cycle):
            stalls = True
            size = f'width="{COLUMN}" height="{end - TOP + 18}"'
            out.append(f'  <rect class="stall" x="{left}" y="{TOP - 18}" {size}/>')
        if cycle >= 0:
            centre = left + COLUMN // 2
            out.append(f'  <text class="cycle" x="{centre}" y="{TOP - 5}">{cycle}</text>')
    signals = [row.signal for row in rows]
    for pair in diagram.transfers:
        first, last = sorted(signals.index(signal) for signal in pair)
        size = f'width="{COLUMN}" height="{ROW * (last - first + 1)}"'
        for left, cycle in zip(lefts, diagram.cycles, strict=True):
            if all(run.at(cycle, signal) for signal in pair):
                out.append(f'  <rect class="transfer" x="{left}" y="{TOP + ROW * first}" {size}/>')
    edges = " ".join(f"M{left} {TOP}V{end}" for left in [*lefts, x])
    out.append(f'  <path class="grid" d="{edges}"/>')
    out.append(f'  <text class="cycle name" x="{LEFT - 10}" y="{TOP - 5}">clock cycle</text>')
    for i, row in enumerate(rows):
        y = TOP + ROW * i + (ROW - HEIGHT) // 2
        label = row.signal.removesuffix("_i") if row.signal == "clk_i" else row.signal
        out.append(f'  <text class="name" x="{LEFT - 10}" y="{y + HEIGHT - 4}">{label}</text>')
        if row.signal == "clk_i":
            out.append(f'  <path class="wave" d="{_clock(lefts, gaps, y)}"/>')
        elif row.show is None:
            levels = [run.at(cycle, row.signal) for cycle in diagram.cycles]
            out.append(f'  <path class="wave" d="{_bit(lefts, gaps, levels, y)}"/>')
        else:
            out += _bus(lefts, gaps, [_text(row, run, cycle) for cycle in diagram.cycles], y)
        middle = y + HEIGHT // 2
        out += [f'  <path class="gap" d="M{gap + 4} {middle}h{GAP - 8}"/>' for gap in gaps]
    notes = [("transfer", "transfer", 110)] if diagram.transfers else []
    notes += [("stall", "the core waits", 150)] if stalls else []
    x = LEFT
    for kind, text, advance in notes:
        out.append(f'  <rect class="{kind}" x="{x}" y="{end + 14}" width="18" height="14"/>')
        out.append(f'  <text class="note" x="{x + 25}" y="{end + 26}">{text}</text>')
        x += advance
    if diagram.note:
        out.append(f'  <text class="note" x="{x}" y="{end + 26}">{escape(diagram.note)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _clock(lefts: list[int], gaps: list[int], y: int) -> str:
    """High in the first half of a cycle: the rising edge begins it."""
    half = COLUMN // 2
    pulse = f"v-{HEIGHT}h{half}v{HEIGHT}h{half}"
    starts = [left for left in lefts if left == LEFT or left - GAP in gaps]
    parts = []
    for left in lefts:
        parts.append((f"M{left} {y + HEIGHT}" if left in starts else "") + pulse)
    return "".join(parts)


def _bit(lefts: list[int], gaps: list[int], levels: list[int], y: int) -> str:
    parts = []
    for i, (left, level) in enumerate(zip(lefts, levels, strict=True)):
        at = y if level else y + HEIGHT
        if i == 0 or left - GAP in gaps:
            parts.append(f"M{left} {at}h{COLUMN}")
        else:
            parts.append(f"V{at}h{COLUMN}" if level != levels[i - 1] else f"h{COLUMN}")
    return "".join(parts)


def _bus(lefts: list[int], gaps: list[int], texts: list[str], y: int) -> list[str]:
    """Equal neighbours are one value; a value without a meaning is a line in the middle."""
    out: list[str] = []
    start = 0
    for i in range(1, len(texts) + 1):
        if i < len(texts) and texts[i] == texts[start] and lefts[i] - GAP not in gaps:
            continue
        left, width = lefts[start], (i - start) * COLUMN
        if texts[start]:
            s, h, flat = SLOPE, HEIGHT // 2, width - 2 * SLOPE
            shape = f"M{left} {y + h}l{s}-{h}h{flat}l{s} {h}l-{s} {h}h-{flat}z"
            centre = left + width // 2
            out.append(f'  <path class="bus" d="{shape}"/>')
            out.append(
                f'  <text class="value" x="{centre}" y="{y + 13}">{escape(texts[start])}</text>'
            )
        else:
            out.append(f'  <path class="idle" d="M{left} {y + HEIGHT // 2}h{width}"/>')
        start = i
    return out


def _text(row: Row, run: Run, cycle: int) -> str:
    """Text of a value, empty for one without a meaning."""
    if row.show is None or (row.valid and not run.at(cycle, row.valid)):
        return ""
    return row.show(run.at(cycle, row.signal))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw or check all diagrams; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file is stale")
    check = parser.parse_args(arguments).check
    run = simulate()
    stale = []
    for diagram in diagrams(run):
        path, text = IMAGES / f"{diagram.name}.svg", draw(diagram, run)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'stale' if check else 'drawn'}: {', '.join(stale)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
