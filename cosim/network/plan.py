"""What of a run does not depend on its input: scales, parameters, packed constants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.network.block_operands import in_blocks
from systolab.cosim.network.calibrate import Scales, Use, WeightScales
from systolab.cosim.network.channels import Channels, channels
from systolab.formats.codes import Codes
from systolab.formats.format import Format, QuantizedTensor
from systolab.formats.scaling.scaling import ScaleKind
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.stream_layout import StreamLayout
from systolab.glenside.network.network import Tensor
from systolab.glenside.program import CopyStep, KernelStep, Operand, Program, Step

__all__ = ["Parameters", "Plan", "Stored"]

_F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Parameters:
    """Post-processing of a kernel: scale and bias by index of stream P, and the clamp."""

    scale: _F32
    bias: _F32
    lo: float
    hi: float


@dataclass(frozen=True)
class Stored:
    """A tensor in the array's memory."""

    memory: Codes
    layout: Layout | StreamLayout
    shape: tuple[int, ...]
    format: Format
    scale: _F32  # of the tensor, or broadcastable to it
    block_scales: _F32 | None = None  # by address, where blocks share a scale

    def codes(self) -> Codes:
        """Codes of the tensor, in its logical shape."""
        return self.layout.unpack(self.memory, self.shape)

    def real(self) -> _F32:
        """Values of the tensor in binary32, in its logical shape."""
        return QuantizedTensor(self.codes(), self.scale, self.format).dequantize()


class Plan:
    """A program and what does not depend on its input: scales, parameters, packed constants."""

    def __init__(
        self,
        program: Program,
        calibration: Iterable[Mapping[str, Tensor]],
        weight_scales: WeightScales = WeightScales.TENSOR,
    ) -> None:
        """Fit the scales to `calibration` and quantise the constants.

        Args:
            program: what runs.
            calibration: inputs of the network that scales are fitted to.
            weight_scales: what shares one scale in a constant weight. A kernel keeps the scale of
                the tensor where `kept_tensor_scale` says why.
        """
        network, array = program.network, program.array
        self.program = program
        self.network = network
        self.array = array
        self.layers = {layer.name: layer for layer in network.layers}
        self.weight_scales = weight_scales
        self.scales = Scales(network, calibration, self._uses())
        self.kept_tensor_scale: dict[str, str] = {}
        self._channels: dict[str, Channels] = {}
        if weight_scales is WeightScales.CHANNEL:
            self._find_channels()
        self.parameters = {step.name: self._parameters(step) for step in program.kernels}
        self.constants: dict[tuple[Operand, str, int | None], Stored] = {}
        for step in program.kernels:
            for operand, fmt, axis in (
                (step.a, array.act, None),
                (step.w, array.weight, self.channel_axis(step)),
            ):
                key = operand, fmt.name, axis
                if operand.tensor in network.constants and key not in self.constants:
                    tensor = network.constants[operand.tensor]
                    self.constants[key] = self.store(operand, fmt, tensor, axis)

    def _find_channels(self) -> None:
        for step in self.program.kernels:
            if self.array.block_scaled:
                self.kept_tensor_scale[step.name] = "operands are scaled in blocks"
            elif step.w.tensor not in self.network.constants:
                self.kept_tensor_scale[step.name] = "weights computed at run time"
            elif self.array.weight.scaling.kind is ScaleKind.NONE:
                self.kept_tensor_scale[step.name] = f"{self.array.weight.name} is never scaled"
            elif (found := channels(step)) is None:
                self.kept_tensor_scale[step.name] = "no axis of the weights follows the columns"
            else:
                self._channels[step.name] = found

    @property
    def channels_differ(self) -> bool:
        """Whether any kernel's weights have scales that differ between output channels."""
        return any(len(np.unique(self.weight_scale(step))) > 1 for step in self.program.kernels)

    def channel_axis(self, step: KernelStep) -> int | None:
        """Return the axis of a kernel's weights along which scales differ; None for one scale."""
        found = self._channels.get(step.name)
        return None if found is None else found.axis

    def weight_scale(self, step: KernelStep) -> _F32:
        """Return the scale of a kernel's weights: shape (), or along `channel_axis`.

        In a block-scaled array it is 1: what the weights have more is in their blocks.
        """
        if self.array.block_scaled:
            return np.asarray(np.float32(1))
        return self._scale(step.w.tensor, self.array.weight, self.channel_axis(step))

    def _scale(self, tensor: str, fmt: Format, axis: int | None) -> _F32:
        if axis is not None:
            return self.scales.channels(tensor, fmt, axis)
        return np.asarray(self.scales(tensor, fmt))

    def _uses(self) -> set[Use]:
        array = self.array
        return {
            use
            for step in self.program.kernels
            for use in (
                (step.a.tensor, array.act),
                (step.w.tensor, array.weight),
                (step.o.tensor, array.out),
            )
            # Block scales are those of the data, and the array applies them.
            if not array.block_scaled or use == (step.o.tensor, array.out)
        }

    def _parameters(self, step: KernelStep) -> Parameters:
        """In units of the output's scale: y / s_o = x * (s_a * s_w / s_o) + b / s_o."""
        array = self.array
        out = np.float64(self.scales(step.o.tensor, array.out))
        weight = self.weight_scale(step).astype(np.float64).reshape(-1)
        found = self._channels.get(step.name)
        if found is not None:
            weight = weight[found.index]
        act = 1 if array.block_scaled else self.scales(step.a.tensor, array.act)
        product = np.float64(act) * weight
        # Idle lanes of the last tile read parameters too, beyond the last channel.
        indices = int(step.kernel.p.addresses().max()) + 1
        bias = np.zeros(indices)
        if step.bias is not None and step.bias_index is not None:
            given = self.network.constants[step.bias].reshape(-1)[step.bias_index]
            bias[: len(given)] = given
        with np.errstate(over="ignore", under="ignore"):
            return Parameters(
                np.broadcast_to(product / out, indices).astype(np.float32),
                (bias / out).astype(np.float32),
                float(np.float32(step.lo / out)),
                float(np.float32(step.hi / out)),
            )

    def store(
        self, operand: Operand, fmt: Format, tensor: Tensor, axis: int | None = None
    ) -> Stored:
        """Quantise a tensor and lay it out as an operand wants it.

        Args:
            operand: which tensor, and its layout.
            fmt: of the codes.
            tensor: values.
            axis: of a constant, along which scales differ; None for one scale.
        """
        if operand.block_axis is not None:
            memory, scales = in_blocks(operand, fmt, tensor)
            one = np.asarray(np.float32(1))
            return Stored(memory, operand.layout, tensor.shape, fmt, one, block_scales=scales)
        scale = self._scale(operand.tensor, fmt, axis)
        codes = fmt.quantize(tensor, scale=scale).codes
        memory = operand.layout.pack(codes, fmt.zero_code)
        return Stored(memory, operand.layout, tensor.shape, fmt, scale)

    def output(self, step: Step) -> str:
        """Return the tensor that a step computes (of a host step, the last)."""
        if isinstance(step, KernelStep):
            return step.o.tensor
        if isinstance(step, CopyStep):
            return step.tensor
        return self.layers[step.layers[-1]].outputs[0]
