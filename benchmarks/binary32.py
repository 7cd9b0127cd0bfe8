"""Run the RTL's binary32 units against SoftFloat: ``python benchmarks/binary32.py 100000000``.

Exit status 1 when anything differs.
"""

import sys
import time

from systolab import formats
from systolab.cosim.check.testfloat import verify
from systolab.cosim.simulator.units import Units
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array


def main() -> int:
    """Run as many vectors through each unit as the first argument says (1e8)."""
    vectors = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000_000
    fmt = formats.get("adaptivfloat:8,3")
    units = Units(hardware(Array(1, 1, fmt, fmt, fmt, Exact())))
    start = time.perf_counter()
    verdict = verify(units, vectors)
    seconds = time.perf_counter() - start
    print(
        f"add, multiply, convert: {verdict.vectors} vectors each, {verdict.differing} differ, "
        f"{seconds:.1f} s, {3 * vectors / seconds / 1e6:.1f} M vectors/s"
    )
    if verdict.first is not None:
        print(f"first: {verdict.first}")
    return int(verdict.differing > 0)


if __name__ == "__main__":
    sys.exit(main())
