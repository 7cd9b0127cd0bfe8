"""Cover points of the machine: what its runs must have done, seen in the RTL's own signals.

A sampler, inserted into the core of a build that measures coverage, names in every clock cycle the
points that the RTL reaches. What an array cannot do is no point: P never walks twelve loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from systolab.cosim.check import inputs
from systolab.formats.arithmetic.accumulator import Float32
from systolab.formats.format import Format
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.kernel.kernel import MAX_GUARDS, MAX_LENGTH, MAX_LOOPS, Array
from systolab.rtl.kernel.modes import Dimension, Mode

__all__ = ["CORE_FILE", "Group", "groups", "instrumented"]

CORE_FILE = "systolab_core.sv"
_PACKAGE_FILE = "systolab_coverage_pkg.sv"
_END = "\nendmodule\n"

_BANKS = 2
_WIDEST = 10  # bits of codes that are points one by one
_OUTER = (Dimension.OUTER,)
_GUARDED = ("A", "W", "O")
_PORTS = ("A", "W", "P", "O", "SA", "SW")  # as native/coverage.h numbers them

# How the sampler finds the address generator of each stream.
_WALKERS = {"A": "u_a_stream.u_walker", "W": "u_w_stream.u_walker", "O": "u_o_stream.u_walker"}
_SCALE_LOOPS = {
    "SA": "g_block_scaled.u_act_scale.u_loops",
    "SW": "g_block_scaled.u_weight_scale.u_loops",
}


@dataclass(frozen=True)
class Group:
    """Points of one kind.

    Attributes:
        name: what they are, as the report says it.
        labels: a label for every number; empty where the number is no point of the array.
    """

    name: str
    labels: tuple[str, ...]

    @property
    def wanted(self) -> tuple[int, ...]:
        """Numbers that are points."""
        return tuple(i for i, label in enumerate(self.labels) if label)


def groups(array: Array) -> tuple[Group, ...]:
    """All points of an array, in the order of the numbers that the sampler gives the groups."""
    return (
        # Number 0 is the driver's (native/coverage.h).
        Group(
            "last word of a memory",
            tuple(f"port {x}" if x in _streams(array) else "" for x in _PORTS),
        ),
        *(_rows(array, what) for what in ("written", "added to", "drained")),
        _numbers("row counter of the controller", array.acc_rows),
        _numbers("row counter of the drain", array.acc_rows),
        _numbers("row counter of a weight tile", array.rows),
        _numbers("lane counter of the parameters", array.cols),
        _numbers("lane counter of W's block scales", array.cols if array.block_scaled else 0),
        _loops(array, "loop steps", 2, ""),
        _loops(array, "loop alone steps", 2, " alone"),
        Group("all loops together step", tuple(f"stream {x}" for x in _streams(array))),
        _loops(array, f"loop goes beyond {MAX_LENGTH // 2:,}", MAX_LENGTH // 2 + 2, ""),
        Group(f"loop index {MAX_LENGTH - 1:,}", tuple(f"stream {x}" for x in _streams(array))),
        Group(
            "guard alone excludes a lane",
            tuple(f"stream {x}, guard {g}" for x in _GUARDED for g in range(MAX_GUARDS)),
        ),
        Group("all guards exclude a lane", tuple(f"stream {x}" for x in _GUARDED)),
        _by_mode(array, "stall, by mode and port", _stalls(array)),
        _by_mode(array, "mode after mode", tuple(f"after {mode}" for mode in Mode), pairs=True),
        _by_mode(array, "start in the first cycle of done", ("",)),
        _by_mode(array, "start pulse while busy", ("",)),
        _by_mode(array, "start pulse in the ending cycle", ("",)),
        _numbers("accumulator banks in use", 3),
        _numbers("parameter buffers taken", 3),
        _numbers("parameter buffers loaded", 3),
        _codes("activation codes decoded", array.act, _operands(array, array.act)),
        _codes("weight codes decoded", array.weight, _operands(array, array.weight)),
        _codes("output codes encoded", array.out, _encoded(array.out)),
    )


def _rows(array: Array, what: str) -> Group:
    labels = (
        f"column {column}, bank {bank}, row {row}"
        for column in range(array.cols)
        for bank in range(_BANKS)
        for row in range(array.acc_rows)
    )
    return Group(f"accumulator rows {what}", tuple(labels))


def _numbers(name: str, count: int) -> Group:
    return Group(name, tuple(f"value {i}" for i in range(count)))


def _streams(array: Array) -> tuple[str, ...]:
    return ("A", "W", "O", "P", *(("SA", "SW") if array.block_scaled else ()))


def _loops(array: Array, name: str, least: int, suffix: str) -> Group:
    """A point for every loop that may be as long as ``least``."""
    labels = (
        f"stream {stream}, loop {level}{suffix}" if _longest(array, stream, level) >= least else ""
        for stream in _streams(array)
        for level in range(MAX_LOOPS)
    )
    return Group(name, tuple(labels))


def _longest(array: Array, stream: str, level: int) -> int:
    """Iterations of a stream's loop at most, counted from the innermost one."""
    lanes = {Dimension.A_LANES, Dimension.W_LANES}
    longest = 1
    for mode in array.modes:
        walks = mode.description.walks
        if stream not in walks:
            continue
        inner = {name: [x for x in walk.loops if x not in _OUTER] for name, walk in walks.items()}
        # Loops over lanes take a place in some streams; loops that those walk leave as many fewer.
        over_lanes = [loops for loops in inner.values() if lanes & set(loops)]
        shared = {kind for loops in over_lanes for kind in loops}
        own = sum(kind in lanes for kind in inner[stream])
        free = bool(set(inner[stream]) - shared)
        if level < own:
            longest = max(longest, array.rows)
        elif own or free or level < MAX_LOOPS - bool(over_lanes):
            longest = MAX_LENGTH
    return longest


def _by_mode(array: Array, name: str, kinds: Sequence[str], pairs: bool = False) -> Group:
    labels = []
    for mode in Mode:
        for kind in kinds:
            there = mode in array.modes and (
                not pairs or kind.removeprefix("after ") in array.modes
            )
            labels.append(", ".join(x for x in (str(mode), kind) if x) if there else "")
    return Group(name, tuple(labels))


def _stalls(array: Array) -> tuple[str, ...]:
    """Kinds of stalls, in the order of ``_waits``."""
    reads = [x for x in _streams(array) if x != "O"]
    return (*(f"{x} {what}" for x in reads for what in ("request", "response")), "O request")


def _codes(name: str, fmt: Format, wanted: Sequence[int]) -> Group:
    if fmt.bits > _WIDEST:
        return Group(name, ())
    chosen = set(wanted)
    return Group(name, tuple(f"code {i}" if i in chosen else "" for i in range(1 << fmt.bits)))


def _operands(array: Array, fmt: Format) -> list[int]:
    codes: list[int] = inputs.usable_codes(fmt, isinstance(array.accumulator, Float32)).tolist()
    return codes


def _encoded(fmt: Format) -> list[int]:
    if fmt.bits > _WIDEST:
        return []
    edges = inputs.boundaries(fmt).view(np.float32)
    codes: list[int] = np.unique(fmt.encode(edges)).tolist()
    return codes


def instrumented(hardware: Hardware) -> Hardware:
    """The sources with the sampler in the core, which calls ``systolab_cover(group, number)``."""
    text = hardware.files[CORE_FILE]
    assert text.endswith(_END)
    files = {_PACKAGE_FILE: _PACKAGE, **hardware.files}
    files[CORE_FILE] = text.removesuffix(_END) + "\n" + _sampler(hardware.array) + _END
    return replace(hardware, files=files)


_PACKAGE = """// Reports that a cover point is reached.
package systolab_coverage_pkg;
  import "DPI-C" function void systolab_cover(int group, int number);
endpackage
"""


def _sampler(array: Array) -> str:
    """The inserted process. Its lines are those that ``groups`` numbers."""
    numbers = {group.name: i for i, group in enumerate(groups(array))}

    def cover(group: str, number: str) -> str:
        return f"systolab_coverage_pkg::systolab_cover({numbers[group]}, 32'({number}));"

    lines: list[str] = []
    for column in range(array.cols):
        scope, rows = f"g_column[{column}].u_accumulator", array.acc_rows
        base = f"{column * _BANKS * rows} + (32'({scope}.bank_q) * {rows}) + 32'({scope}.row_q)"
        lines += [
            f"if (en && {scope}.valid_q) begin",
            f"  if ({scope}.add_q) {cover('accumulator rows added to', base)}",
            f"  else {cover('accumulator rows written', base)}",
            "end",
        ]
        for bank in range(_BANKS):
            drained = f"{(column * _BANKS + bank) * rows} + 32'({scope}.read{bank}_row)"
            lines.append(
                f"if (en && {scope}.drain{bank}) {cover('accumulator rows drained', drained)}"
            )
    counters = [
        ("row counter of the controller", "acc_valid", "acc_row"),
        ("row counter of the drain", "read", "read_row"),
        ("row counter of a weight tile", "w_issue && !os", "u_controller.index_q"),
        ("lane counter of the parameters", "p_req", "u_params.lane_q"),
        ("accumulator banks in use", "busy_q", "u_controller.banks_q"),
        ("parameter buffers taken", "busy_q", "u_params.taken_q"),
        ("parameter buffers loaded", "busy_q", "u_params.loaded_q"),
    ]
    if array.block_scaled:
        scope = "g_block_scaled.u_weight_scale"
        counters.append(("lane counter of W's block scales", f"{scope}.req_o", f"{scope}.lane_q"))
    lines += [f"if (en && {when}) {cover(name, value)}" for name, when, value in counters]
    for place, stream in enumerate(_streams(array)):
        nest = _SCALE_LOOPS.get(stream) or f"{_WALKERS.get(stream, 'u_params')}.u_loops"
        most = max(i for i in range(MAX_LOOPS) if _longest(array, stream, i) > 1)
        at = f"{place * MAX_LOOPS} + 32'({nest}.level)"
        only = f"{MAX_LOOPS}'(~({MAX_LOOPS}'(1) << {nest}.level))"
        every = f"{nest}.single_q[{most}:0] == '0 && 32'({nest}.level) == {most}"
        lines += [
            f"if (en && {nest}.step_i && !(&{nest}.last_q)) begin",
            f"  {cover('loop steps', at)}",
            f"  if ({nest}.single_q == {only}) {cover('loop alone steps', at)}",
            f"  if ({every}) {cover('all loops together step', str(place))}",
            f"  if ({nest}.index[15]) {cover(f'loop goes beyond {MAX_LENGTH // 2:,}', at)}",
            f"  if (&{nest}.index) {cover(f'loop index {MAX_LENGTH - 1:,}', str(place))}",
            "end",
        ]
    for place, stream in enumerate(_GUARDED):
        walker, lanes = _WALKERS[stream], array.rows if stream == "A" else array.cols
        lines.append(f"if (en && {walker}.fire_o && {walker}.fresh_o) begin")
        lines.append(f"  for (int i = 0; i < {lanes}; i++) begin")
        for g in range(MAX_GUARDS):
            value = f"{walker}.values[{32 * (g + 1)}+:32] + i * {walker}.guard_q[{4 * g + 1}]"
            broken = f"({value}) >= {walker}.guard_q[{4 * g + 2}]"
            lines.append(f"    excluded[{g}] = {walker}.guard_used_q[{g}] && {broken};")
        lines.append(f"    if (7'(i) < {walker}.lane_count_q && !{walker}.pending[i]) begin")
        for g in range(MAX_GUARDS):
            point = cover("guard alone excludes a lane", str(place * MAX_GUARDS + g))
            lines.append(f"      if (excluded == {MAX_GUARDS}'d{1 << g}) {point}")
        lines.append(f"      if (&excluded) {cover('all guards exclude a lane', str(place))}")
        lines += ["    end", "  end", "end"]
    kinds = _waits(array)
    for place, wait in enumerate(kinds):
        point = cover("stall, by mode and port", f"32'(os) * {len(kinds)} + {place}")
        lines.append(f"if (busy_q && {wait}) {point}")
    pair = f"32'(os) * {len(Mode)} + 32'(mode_before)"
    lines += [
        "if (init) begin",
        f"  if (ran_before) {cover('mode after mode', pair)}",
        f"  if (done_o && !done_before) {cover('start in the first cycle of done', 'os')}",
        "end",
        "if (start_i && busy_q) begin",
        f"  {cover('start pulse while busy', 'os')}",
        f"  if (en && finished) {cover('start pulse in the ending cycle', 'os')}",
        "end",
        "if (init) begin",
        "  ran_before = 1'b1;",
        "  mode_before = os;",
        "end",
        "done_before = done_o;",
    ]
    if array.act.bits <= _WIDEST:
        width = array.act.bits + 1
        for row in range(array.rows):
            code = f"a_skewed[{row * width}+:{width - 1}]"
            point = cover("activation codes decoded", code)
            lines.append(f"if (en && a_skewed[{row * width + width - 1}]) {point}")
    if array.weight.bits <= _WIDEST:
        width = array.weight.bits + 1
        for column in range(array.cols):
            point = cover("weight codes decoded", f"w_skewed[{column * width}+:{width - 1}]")
            lines.append(f"if (en && w_skewed[{column * width + width - 1}]) {point}")
    if array.out.bits <= _WIDEST:
        for column in range(array.cols):
            code = f"o_code[{column * array.out.bits}+:{array.out.bits}]"
            lane = f"u_o_stream.on_held[{column}] || u_o_stream.on_new[{column}]"
            point = cover("output codes encoded", code)
            lines.append(f"if (en && vector_valid && ({lane})) {point}")
    body = "\n".join(f"      {line}" for line in lines)
    return f"""
  // What the runs of a check reach (cosim/coverage/points.py).
  /* verilator coverage_off */
  logic [{MAX_GUARDS - 1}:0] excluded;
  logic ran_before;
  logic mode_before;
  logic done_before;
  always @(posedge clk_i) begin : p_coverage
    if (!rst_ni) begin
      ran_before = 1'b0;
      done_before = 1'b0;
    end else begin
{body}
    end
  end
  /* verilator coverage_on */"""


def _waits(array: Array) -> list[str]:
    """Conditions under which a port makes the core wait, in the order of ``_stalls``."""
    conditions = []
    for stream in _streams(array):
        if stream == "O":
            continue
        port = stream.lower()
        conditions += [
            f"({port}_req_valid_o && !{port}_req_ready_i)",
            f"({port}_rsp_ready_o && !{port}_rsp_valid_i)",
        ]
    return [*conditions, "(o_req_valid_o && !o_req_ready_i)"]
