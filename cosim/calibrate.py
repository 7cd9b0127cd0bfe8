"""Scales of tensors, fitted to what the binary32 network computes on calibration data."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from formats.errors import SystolabError
from formats.format import Format
from glenside import host
from glenside.network import Network, Tensor

Use = tuple[str, Format]


class Scales:
    """The scale of every (tensor, format) pair that an array reads or writes.

    Raises:
        SystolabError: a format has more than one scale for a tensor, which the array has not.
    """

    def __init__(self, network: Network, calls: Iterable[Mapping[str, Tensor]], uses: set[Use]):
        """Fit a scale to each use; constants are their own data, others come from `calls`."""
        seen = _observe(network, calls, {tensor for tensor, _ in uses})
        self._scales = {
            (tensor, fmt.name): _scale(fmt, np.concatenate(seen[tensor])) for tensor, fmt in uses
        }

    def __call__(self, tensor: str, fmt: Format) -> np.float32:
        """Return the scale with which a tensor is held in a format."""
        return self._scales[tensor, fmt.name]


def _observe(
    network: Network, calls: Iterable[Mapping[str, Tensor]], wanted: set[str]
) -> dict[str, list[NDArray[np.float32]]]:
    """Values of the wanted tensors, flattened, one array for each call."""
    seen: dict[str, list[NDArray[np.float32]]] = {tensor: [] for tensor in wanted}

    def observe(name: str, value: Tensor) -> None:
        if name in seen:
            seen[name].append(np.ravel(value))

    for name in wanted & network.constants.keys():
        observe(name, network.constants[name])
    for call in calls:
        host.execute(network, call, observe)
    return seen


def _scale(fmt: Format, values: NDArray[np.float32]) -> np.float32:
    scale = fmt.fit_scale(values)
    if scale.size != 1:
        raise SystolabError(
            f"Format of an array must have one scale for a tensor, not the blocks of {fmt.name}"
        )
    return np.float32(scale.reshape(-1)[0])
