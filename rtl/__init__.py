"""The machine: kernels and three views of them (values, cycles, hardware)."""

from systolab.rtl.kernel.job import Job
from systolab.rtl.kernel.kernel import AccessPattern, Array, Guard, Kernel, parse_array
from systolab.rtl.kernel.modes import Mode

__all__ = ["AccessPattern", "Array", "Guard", "Job", "Kernel", "Mode", "parse_array"]
