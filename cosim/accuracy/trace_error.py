"""Where a network loses its accuracy: measured, layer by layer and in time.

The emulated network (which the RTL equals, code by code) is compared with the binary32 network on
the same inputs. Error feeds on error, as it does in the hardware: nothing is corrected on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.network.execute import Chain, Emulator
from systolab.cosim.network.plan import Plan
from systolab.formats.format import Format
from systolab.glenside.network.network import Tensor
from systolab.glenside.operators import host
from systolab.glenside.program import CopyStep, KernelStep

__all__ = ["Calls", "LayerError", "Trace", "trace"]

Calls = Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class LayerError:
    """The error of one tensor over all inputs.

    Attributes:
        name: the step that computed it.
        time: how often its network's weights were used before: the time step of a recurrent
            network, 0 elsewhere.
        error: Frobenius norm of the difference over that of the binary32 tensor.
        sqnr_db: the same as signal to noise, infinite where there is no noise.
        clipped: fraction of binary32 values beyond the format's range; None where nothing is
            quantised.
        flushed: fraction of nonzero binary32 values that the format rounds to zero.
    """

    name: str
    time: int
    error: float
    sqnr_db: float
    clipped: float | None
    flushed: float | None


@dataclass(frozen=True)
class Trace:
    """Errors of all floating-point tensors of a network, by time step and order of execution."""

    format: str
    accumulator: str
    layers: tuple[LayerError, ...]

    @property
    def last(self) -> float:
        """Error of the last tensor."""
        return self.layers[-1].error

    @property
    def worst(self) -> float:
        """Largest error at the end of any time step."""
        return max(self.by_time())

    def by_time(self) -> list[float]:
        """Error of the last tensor of every time step."""
        ends = {layer.time: layer.error for layer in self.layers}
        return [ends[time] for time in sorted(ends)]

    def first_over(self, budget: float) -> LayerError | None:
        """The first tensor whose error exceeds a budget (a fraction)."""
        return next((layer for layer in self.layers if not layer.error <= budget), None)


def trace(plan: Plan, calls: Calls) -> Trace:
    """Measure the error of every floating-point tensor.

    Args:
        plan: the program, calibrated.
        calls: inputs of the network.
    """
    emulator = Emulator(plan.array)
    times = dict(_times(plan))
    sums: dict[str, NDArray[np.float64]] = {}
    for call in calls:
        reference: dict[str, Tensor] = dict(plan.network.constants)
        host.execute(plan.network, call, reference.__setitem__)
        chain = Chain(plan, emulator, call)
        for step in plan.program.steps:
            if isinstance(step, KernelStep):
                chain.kernel(step)
            else:
                chain.other(step)
            tensor = plan.output(step)
            exact = reference[tensor]
            if not np.issubdtype(exact.dtype, np.floating):
                continue
            scale = None
            if isinstance(step, KernelStep):
                scale = float(plan.scales(tensor, plan.array.out))
            counted = _count(exact, chain.real(tensor), plan.array.out, scale)
            sums[step.name] = sums.get(step.name, np.zeros(len(counted))) + counted
    layers = [
        _layer(step.name, times[step.name], sums[step.name], isinstance(step, KernelStep))
        for step in plan.program.steps
        if step.name in sums
    ]
    layers.sort(key=lambda layer: layer.time)  # stable: within a time step as executed
    return Trace(plan.array.out.name, str(plan.array.accumulator), tuple(layers))


def _times(plan: Plan) -> Iterator[tuple[str, int]]:
    """Time step of every step: how often some weights were used before on the way to it."""
    uses: dict[str, dict[str, int]] = {}  # of every tensor: weights on the longest way to it
    for step in plan.program.steps:
        if isinstance(step, CopyStep):
            yield step.name, _time(uses.get(step.tensor, {}))
            continue
        if isinstance(step, KernelStep):
            sources, results = [step.a.tensor, step.w.tensor], [step.o.tensor]
        else:
            layers = [plan.layers[name] for name in step.layers]
            sources = [tensor for layer in layers for tensor in layer.inputs]
            results = [tensor for layer in layers for tensor in layer.outputs]
        merged: dict[str, int] = {}
        for source in sources:
            for weight, count in uses.get(source, {}).items():
                merged[weight] = max(merged.get(weight, 0), count)
        if isinstance(step, KernelStep):
            for source in sources:
                if source in plan.network.constants:
                    merged[source] = merged.get(source, 0) + 1
        uses |= dict.fromkeys(results, merged)
        yield step.name, _time(merged)


def _time(uses: Mapping[str, int]) -> int:
    return max(uses.values(), default=1) - 1


def _count(exact: Tensor, value: Tensor, fmt: Format, scale: float | None) -> NDArray[np.float64]:
    """Power of signal and noise, elements, clipped ones, nonzero ones, flushed ones."""
    reference, real = np.asarray(exact, np.float64), np.asarray(value, np.float64)
    with np.errstate(all="ignore"):
        noise = float(np.square(real - reference).sum())
    counts = [float(np.square(reference).sum()), noise, float(reference.size), 0.0, 0.0, 0.0]
    if scale is not None:
        unscaled = reference / scale
        points = fmt.codebook.points
        counts[3] = float(np.count_nonzero((unscaled < points[0]) | (unscaled > points[-1])))
        counts[4] = float(np.count_nonzero(reference))
        zero = fmt.values[fmt.encode(unscaled)] == 0
        counts[5] = float(np.count_nonzero(zero & (reference != 0)))
    return np.array(counts)


def _layer(name: str, time: int, sums: NDArray[np.float64], quantised: bool) -> LayerError:
    signal, noise, elements, clipped, nonzero, flushed = sums.tolist()
    error = np.sqrt(noise / signal) if signal else (0.0 if noise == 0 else np.inf)
    with np.errstate(divide="ignore"):
        sqnr = float(-20 * np.log10(error)) if error else np.inf
    if not quantised:
        return LayerError(name, time, float(error), sqnr, None, None)
    return LayerError(
        name, time, float(error), sqnr, clipped / elements, flushed / max(nonzero, 1.0)
    )
