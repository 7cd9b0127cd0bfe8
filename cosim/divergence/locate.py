"""Where in the hardware a case goes wrong: the first signal that shows what it must not.

The waveform of a short case is held against what the software expects at every block's boundary, in
the order of the data's way: requested lines, operand vectors, decoders, processing elements where
each is an instance of its own, column sums, accumulators, each step of post-processing, encoder,
written lines. The earliest difference is the place. A block that is to be looked at is one
function of probes.
"""

from __future__ import annotations

import itertools

from systolab.cosim.case import Case
from systolab.cosim.divergence.probes.drain import accumulators, postprocessing
from systolab.cosim.divergence.probes.mesh import decoders, elements
from systolab.cosim.divergence.probes.probe import Place, first_wrong
from systolab.cosim.divergence.probes.scales import scales
from systolab.cosim.divergence.probes.streams import (
    operands,
    requests,
    standstill,
    starts,
    writes,
)
from systolab.cosim.divergence.probes.view import View
from systolab.cosim.simulator.vcd import Waves
from systolab.rtl.kernel.kernel import Array

__all__ = ["BLOCKS", "locate"]

BLOCKS = (
    starts,
    requests,
    operands,
    decoders,
    elements,
    scales,
    accumulators,
    postprocessing,
    writes,
)


def locate(
    case: Case, array: Array, waves: Waves, hung: bool = False, partial: bool = False
) -> Place | None:
    """The earliest wrong signal, or None where all that are known are right.

    Args:
        case: what ran.
        array: on which machine.
        waves: what its signals did.
        hung: the case did not finish; then a place where nothing moves is one.
        partial: the waveform ends before the case does.
    """
    view = View(case, array, waves, hung or partial)
    place = first_wrong(itertools.chain.from_iterable(block(view) for block in BLOCKS))
    return standstill(view) if place is None and hung else place
