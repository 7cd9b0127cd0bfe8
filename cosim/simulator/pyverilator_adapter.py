"""Opens an array's model through PyVerilator, on the shared object of the batch driver.

PyVerilator 0.7.0 as published works with no current Verilator: importing it needs a Tcl feature
that Python dropped, its port scan predates the ``&`` in Verilator's port declarations, and it looks
for internal signals where Verilator no longer keeps them. Its entry points are generated here with
PyVerilator's own template from what this Verilator writes, compiled into the model, and opened by
PyVerilator's own class.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyverilator import PyVerilator

__all__ = ["handle", "open_model", "wrapper_source"]

_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)(?:,\d+)?\);")
_SIGNAL = re.compile(
    r"^ *(?:CData|SData|IData|QData|VlWide<\d+>)/\*(\d+):(\d+)\*/ (\w+__DOT__\w+);", re.MULTILINE
)
_ARRAY = re.compile(
    r"^ *VlUnpacked<(?:CData|SData|IData|QData|VlWide<\d+>)/\*(\d+):(\d+)\*/, (\d+)> "
    r"(\w+__DOT__\w+);",
    re.MULTILINE,
)
# The signals that matter; the others may be optimised away or copied.
_PUBLIC = ("__DOT__sum_q", "__DOT__busy_q", "__DOT__banks_q")
# A context and a time for each instance: Verilator adds no model to a context in which time passed.
_OWN_CONTEXT = (
    ("return main_time;", "return 0;"),
    ("Verilated::commandArgs(argc, argv);", ""),
    ("return Verilated::gotFinish();", "return false;"),
    ("Verilated::gotFinish(b);", "(void)b;"),
    ("Verilated::traceEverOn(true);", "auto* context = new VerilatedContext;"),
    ("new V{top}();", "new V{top}(context);\n    context->traceEverOn(true);"),
    (
        "delete top;",
        # A model's scopes are taken out of the *thread's* context, which may be another instance's.
        "auto* context = top->contextp();\n        Verilated::threadContextp(context);\n"
        "        delete top;\n        Verilated::threadContextp(Verilated::defaultContextp());\n"
        "        delete context;",
    ),
)
# Not $finish: the designs have none, and the runtime defines the handler.
_FINISH = re.compile(r"^void vl_finish .*?^}\n", re.DOTALL | re.MULTILINE)


def wrapper_source(generated: Path, top: str) -> str:
    """C++ of PyVerilator's entry points for a model.

    Args:
        generated: directory of Verilator's output.
        top: top module.
    """
    _provide_tclwrapper()
    from pyverilator import verilatorcpp

    header = (generated / f"V{top}.h").read_text(encoding="utf-8")
    inputs: list[tuple[str, int]] = []
    outputs: list[tuple[str, int]] = []
    for kind, name, high, low in _PORT.findall(header):
        width = int(high) - int(low) + 1
        (inputs if kind == "IN" else outputs).append((name, width))
    internals = _internals((generated / f"V{top}___024root.h").read_text(encoding="utf-8"), top)
    names = [(name, width) for name, width, _ in internals]
    text: str = verilatorcpp.template_cpp(top, inputs, outputs, names, '"null"')
    text = text.replace('"verilated.h"', f'"verilated.h"\n#include "V{top}___024root.h"')
    for theirs, ours in _OWN_CONTEXT:
        text = text.replace(theirs.format(top=top), ours.format(top=top))
    members = {name: member for name, _, member in internals}
    text = re.sub(r"top->(\w+__DOT__\w+)", lambda m: f"top->rootp->{members[m[1]]}", text)
    return _FINISH.sub("", text)


def open_model(library: str) -> PyVerilator:
    """A PyVerilator object on a model that was built with tracing.

    Ports are under ``io``, signals that matter under ``internals``; ``clock``, ``start_vcd_trace``
    and the rest work as PyVerilator documents them. The clock is ``clk_i``.

    Args:
        library: name under which the model's library is loaded already.
    """
    _provide_tclwrapper()
    from pyverilator import PyVerilator
    from pyverilator.pyverilator import Clock

    sim = PyVerilator(library)
    if sim.clock is None:
        sim.clock = Clock(sim.io.clk_i)
    return sim


def handle(sim: PyVerilator) -> int:
    """Address of the Verilated model behind a PyVerilator object, for ``systolab_attach``."""
    return int(sim.model)


def _internals(root: str, top: str) -> list[tuple[str, int, str]]:
    """Name, width and C++ member of the signals that matter.

    PyVerilator cannot spell indices, so those of generate blocks and arrays become part of a name:
    element 5 of ``sum_q`` is ``sum_q_5``.
    """
    found = []
    for high, low, member in _SIGNAL.findall(root):
        found.append((member, int(high) - int(low) + 1, member))
    for high, low, size, member in _ARRAY.findall(root):
        for i in range(int(size)):
            found.append((f"{member}_{i}", int(high) - int(low) + 1, f"{member}[{i}]"))
    return [
        (name.replace("__BRA__", "_").replace("__KET__", ""), width, member)
        for name, width, member in found
        if member.startswith(f"{top}__DOT__") and any(part in member for part in _PUBLIC)
    ]


def _provide_tclwrapper() -> None:
    """PyVerilator imports tclwrapper for GTKWave only; it cannot be imported since Python 3.11."""
    sys.modules.setdefault("tclwrapper", types.ModuleType("tclwrapper"))
