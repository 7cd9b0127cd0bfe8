"""The RTL's binary32 units against SoftFloat, over TestFloat's vectors.

    python -m benchmarks.binary32 [--vectors 1e8]

Exit status 1 when anything differs.
"""

import time
from collections.abc import Sequence

from benchmarks.command import parser, start
from systolab import formats
from systolab.cosim.check.testfloat import verify
from systolab.cosim.simulator.units import Units
from systolab.formats.arithmetic.accumulator import Exact
from systolab.rtl.hardware.hardware import hardware
from systolab.rtl.kernel.kernel import Array


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the vectors; return 1 where anything differs."""
    vectors = int(parser(__doc__, vectors=1e8).parse_args(arguments).vectors)
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
    start(main)
