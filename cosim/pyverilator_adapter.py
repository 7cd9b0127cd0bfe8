"""Opens an array's model through PyVerilator, on the shared object of the batch driver.

PyVerilator 0.7.0 as published works with no current Verilator: importing it needs a Tcl feature
that Python dropped, its port scan predates the ``&`` in Verilator's port declarations, and it looks
for internal signals where Verilator no longer keeps them. Its entry points are generated here with
PyVerilator's own template from what this Verilator writes, compiled into the model, and opened by
PyVerilator's own class.
"""

from __future__ import annotations

import ctypes
import re
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyverilator import PyVerilator

_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)(?:,\d+)?\);")
_INTERNAL = re.compile(
    r"(?:CData|SData|IData|QData|VlWide<\d+>)\s*/\*(\d+):(\d+)\*/\s+(\w+__DOT__\w+);"
)
# A context and a time for each instance: Verilator adds no model to a context in which time passed.
_OWN_CONTEXT = (
    ("return main_time;", "return 0;"),
    ("Verilated::traceEverOn(true);", "auto* context = new VerilatedContext;"),
    ("new V{top}();", "new V{top}(context);\n    context->traceEverOn(true);"),
    (
        "delete top;",
        "auto* context = top->contextp();\n        delete top;\n        delete context;",
    ),
)
_NO_DATA = '"null"'  # JSON in a C string
# PyVerilator cannot spell array indices (generate blocks are indexed), nor what Verilator numbers.
_UNSPEAKABLE = re.compile(r"__BRA__|__KET__|__0(?![0-9A-F]{2})")
# Not $finish: the designs have none, and the runtime defines the handler.
_FINISH = re.compile(r"void vl_finish .*?\n}\n(?=// function definitions)", re.DOTALL)


def wrapper_source(generated: Path, top: str) -> str:
    """C++ of PyVerilator's entry points for a model.

    Args:
        generated: directory of Verilator's output.
        top: top module.
    """
    _provide_tclwrapper()
    from pyverilator import verilatorcpp

    header = (generated / f"V{top}.h").read_text(encoding="utf-8")
    inputs, outputs = [], []
    for kind, name, high, low in _PORT.findall(header):
        width = int(high) - int(low) + 1
        (inputs if kind == "IN" else outputs).append((name, width))
    internals = _internals(generated, top)
    text: str = verilatorcpp.template_cpp(top, inputs, outputs, internals, _NO_DATA)
    text = text.replace('"verilated.h"', f'"verilated.h"\n#include "V{top}___024root.h"')
    for theirs, ours in _OWN_CONTEXT:
        text = text.replace(theirs.format(top=top), ours.format(top=top))
    for name, _ in internals:
        text = text.replace(f"top->{name}", f"top->rootp->{name}")
    return _FINISH.sub("", text)


def open_model(library: Path) -> PyVerilator:
    """A PyVerilator object on a model that was built with tracing.

    Ports are under ``io``, signals that matter under ``internals``; ``clock``, ``start_vcd_trace``
    and the rest work as PyVerilator documents them. The clock is ``clk_i``.
    """
    _provide_tclwrapper()
    from pyverilator import PyVerilator
    from pyverilator.pyverilator import Clock

    sim = PyVerilator(str(library))
    if sim.clock is None:
        sim.clock = Clock(sim.io.clk_i)
    return sim


def handle(sim: PyVerilator) -> int:
    """Address of the Verilated model behind a PyVerilator object, for ``systolab_attach``."""
    model = sim.model
    return int(model.value if isinstance(model, ctypes.c_void_p) else model)


def _internals(generated: Path, top: str) -> list[tuple[str, int]]:
    root = (generated / f"V{top}___024root.h").read_text(encoding="utf-8")
    found = []
    for high, low, name in _INTERNAL.findall(root):
        if name.startswith(f"{top}__DOT__") and not _UNSPEAKABLE.search(name):
            found.append((name, int(high) - int(low) + 1))
    return found


def _provide_tclwrapper() -> None:
    """PyVerilator imports tclwrapper for GTKWave only; it cannot be imported since Python 3.11."""
    sys.modules.setdefault("tclwrapper", types.ModuleType("tclwrapper"))
