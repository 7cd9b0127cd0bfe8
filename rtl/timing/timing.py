"""Cycles of a kernel on an array, exactly as the hardware counts them.

Timing depends on the kernel and the array alone, never on data. Vector costs come from
``systolab.rtl.timing.lines``; what is left is a recurrence of when each unit is free, which
``docs/machine.md`` derives from the hardware. Each mode has its own, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from systolab.rtl.kernel.kernel import Array, Kernel
from systolab.rtl.kernel.modes import Mode
from systolab.rtl.timing.output_stationary import output_stationary
from systolab.rtl.timing.pipeline import Timing
from systolab.rtl.timing.weight_stationary import weight_stationary

__all__ = ["cycles", "timing"]

_OF_MODE: Mapping[Mode, Callable[[Kernel, Array], Timing]] = {
    Mode.WEIGHT_STATIONARY: weight_stationary,
    Mode.OUTPUT_STATIONARY: output_stationary,
}


def cycles(kernel: Kernel, array: Array) -> int:
    """Cycles from the start pulse to done when no memory port stalls."""
    return timing(kernel, array).cycles


def timing(kernel: Kernel, array: Array) -> Timing:
    """Cycles of a kernel and their breakdown.

    Raises:
        SystolabError: the kernel does not fit the array.
    """
    kernel.check(array)
    return _OF_MODE[kernel.mode](kernel, array)
