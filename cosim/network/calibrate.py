"""Scales of tensors, fitted to what the binary32 network computes on calibration data."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from systolab.formats.format import Format
from systolab.formats.scaling.calibration import Calibration
from systolab.glenside.network.network import Network, Tensor
from systolab.glenside.operators import host

__all__ = ["Scales", "Use", "WeightScales"]

Use = tuple[str, Format]


class WeightScales(StrEnum):
    """What shares one scale in a constant weight."""

    TENSOR = "tensor"  #: the whole tensor
    CHANNEL = "channel"  #: each output channel


class Scales:
    """The scale of every (tensor, format) pair that an array reads or writes.

    Raises:
        SystolabError: a format has block scales, which the array has not.
    """

    def __init__(self, network: Network, calls: Iterable[Mapping[str, Tensor]], uses: set[Use]):
        """Fit a scale to each use; constants are their own data, others come from `calls`."""
        # The order of a set of objects differs from run to run; which error comes first must not.
        ordered = sorted(uses, key=lambda use: (use[0], use[1].name))
        fits = {(tensor, fmt.name): Calibration(fmt) for tensor, fmt in ordered}

        def observe(name: str, value: Tensor) -> None:
            for (tensor, _), fit in fits.items():
                if tensor == name:
                    fit.observe(value)

        for name, value in network.constants.items():
            observe(name, value)
        for call in calls:
            host.execute(network, call, observe)
        self._constants = network.constants
        self._scales = {use: np.float32(fit.scale()) for use, fit in fits.items()}

    def __call__(self, tensor: str, fmt: Format) -> np.float32:
        """Return the scale with which a tensor is held in a format."""
        return self._scales[tensor, fmt.name]

    def channels(self, constant: str, fmt: Format, axis: int) -> NDArray[np.float32]:
        """Return a constant's scales, one for each index of an axis and broadcastable along it."""
        return fmt.fit_scale(self._constants[constant], axis)
