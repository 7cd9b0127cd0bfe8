"""A model that builds quickly."""

from __future__ import annotations

from pathlib import Path

from systolab.cosim.simulator.build import Build, build_library

SOURCE = """module tiny (input logic clk_i, input logic d_i, output logic q_o);
  always_ff @(posedge clk_i) q_o <= {value} ^ d_i;
endmodule
"""
DRIVER = """#include "Vtiny.h"
extern "C" int answer() { return 42; }
"""


def small_build(
    folder: Path, value: str = "1'b0", trace: bool = False, driver: str = DRIVER
) -> Build:
    """Build it, with a driver that is written into ``folder``."""
    source = folder / f"driver{len(driver)}.cpp"
    if not source.exists():  # rewriting it would change it under another builder's eyes
        source.write_text(driver)
    files = {"tiny.sv": SOURCE.replace("{value}", value)}
    return build_library(files, "tiny", source, {}, {"what": "tiny"}, trace=trace)
