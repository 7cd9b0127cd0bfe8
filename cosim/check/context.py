"""What every stage of a check is given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol

import numpy as np

from systolab.cosim.case import Device, hardware_model, software
from systolab.cosim.check.report import Reached
from systolab.cosim.simulator.model import Model
from systolab.cosim.simulator.units import Units
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.kernel.kernel import Array

__all__ = ["Context", "Effort", "Level", "Meter"]


class Level(StrEnum):
    """How much a check does; what is exhaustive at 8 bits is so at every level."""

    QUICK = "quick"
    NORMAL = "normal"
    FULL = "full"


@dataclass(frozen=True)
class Effort:
    """Sizes of the sampled parts.

    Attributes:
        random_values: random binary32 inputs of the encoder up to 10 bits.
        random_wide: the same for wider formats.
        accumulators: accumulators tried with every pair of operands.
        pairs: operand pairs where not all are tried.
        float_patterns: significand patterns of the binary32 operands of post-processing.
        random_floats: random pairs of binary32 operands.
        lanes: lanes in which every code stands alone.
        columns: random reductions through one column.
        tiles: random tiles.
        kernels: random kernels, in all modes and layouts.
        stalled: how many of them also run with random stalls.
    """

    random_values: int
    random_wide: int
    accumulators: int
    pairs: int
    float_patterns: int
    random_floats: int
    lanes: int
    columns: int
    tiles: int
    kernels: int
    stalled: int


_EFFORT = {
    Level.QUICK: Effort(50_000, 1_000_000, 4, 65_536, 3, 50_000, 1, 64, 40, 120, 30),
    Level.NORMAL: Effort(200_000, 1_000_000, 6, 262_144, 5, 200_000, 4, 256, 200, 600, 150),
    Level.FULL: Effort(
        1_000_000, 4_000_000, 12, 1_048_576, 8, 1_000_000, 16, 1024, 1000, 3000, 1000
    ),
}


class Meter(Protocol):
    """Measures what the runs of a check reach in the RTL."""

    def instrumented(self, hardware: Hardware) -> Hardware:
        """The sources of which the model is built."""

    def measured(self, hardware: Hardware, model: Model) -> Reached:
        """What the runs of that model have reached."""


@dataclass(frozen=True, eq=False)
class Context:
    """The subject of a check: both machines, the level and the seed.

    Attributes:
        hardware: the sources of the machine.
        level: how much to do.
        seed: of all random inputs.
        meter: measures what the runs of the whole machine reach in it; None: nothing does.
    """

    hardware: Hardware
    level: Level
    seed: int
    meter: Meter | None = None

    @property
    def array(self) -> Array:
        """The machine configuration."""
        return self.hardware.array

    @cached_property
    def units(self) -> Units:
        """The arithmetic blocks of the machine one by one, built when first needed."""
        return Units(self.hardware)

    @cached_property
    def model(self) -> Model:
        """The whole machine, built when first needed."""
        if self.meter is None:
            return Model(self.array, sources=self.hardware)
        sources = self.meter.instrumented(self.hardware)
        return Model(self.array, sources=sources, coverage=True)

    @cached_property
    def rtl(self) -> Device:
        """The whole machine as a device."""
        return hardware_model(self.array, self.model)

    @cached_property
    def software(self) -> Device:
        """The software model of the machine."""
        return software(self.array)

    @property
    def effort(self) -> Effort:
        """Sizes of the sampled parts."""
        return _EFFORT[self.level]

    def random(self, stage: str) -> np.random.Generator:
        """A generator of its own for each stage, so that stages can be run alone."""
        return np.random.default_rng([self.seed, *stage.encode()])
