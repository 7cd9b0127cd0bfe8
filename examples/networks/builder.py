"""A small writer of ONNX graphs with random weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
IR_VERSION = 9


class Builder:
    """Adds one node per call and returns the name of its output."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, shape: Sequence[int]) -> str:
        """A graph input."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, tensor: str, shape: Sequence[int]) -> None:
        """Makes a tensor an output of the graph."""
        self._outputs.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, shape))

    def constant(self, value: NDArray[np.generic], name: str = "constant") -> str:
        """A weight with a given value."""
        self._count += 1
        unique = f"{name}_{self._count}"
        self._weights.append(numpy_helper.from_array(value, unique))
        return unique

    def weight(self, shape: Sequence[int], fan_in: int, name: str = "weight") -> str:
        """A normally distributed weight that keeps the variance of what it multiplies."""
        value = self._rng.standard_normal(shape) * math.sqrt(2.0 / fan_in)
        return self.constant(value.astype(np.float32), name)

    def bias(self, size: int) -> str:
        """A small random bias."""
        value = self._rng.uniform(-0.1, 0.1, size)
        return self.constant(value.astype(np.float32), "bias")

    def node(self, op: str, inputs: Sequence[str], name: str = "", **attributes: object) -> str:
        """Any operator with one output."""
        self._count += 1
        result = f"{op.lower()}_{self._count}"
        node = helper.make_node(op, inputs, [result], name or result)
        node.attribute.extend(helper.make_attribute(*each) for each in sorted(attributes.items()))
        self._nodes.append(node)
        return result

    def conv(
        self, x: str, channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> str:
        """Convolution with a bias; padding keeps the size (divided by the stride)."""
        per_group = channels // groups
        weight = self.weight((filters, per_group, kernel, kernel), per_group * kernel * kernel)
        return self.node(
            "Conv", [x, weight, self.bias(filters)], group=groups, kernel_shape=[kernel] * 2,
            pads=[kernel // 2] * 4, strides=[stride] * 2,
        )  # fmt: skip

    def norm(self, x: str, channels: int) -> str:
        """Batch normalisation with random statistics."""
        parameters = [
            self.constant(self._rng.uniform(low, high, channels).astype(np.float32), name)
            for name, low, high in (
                ("scale", 0.5, 1.5), ("shift", -0.1, 0.1), ("mean", -0.1, 0.1), ("var", 0.5, 1.5),
            )
        ]  # fmt: skip
        return self.node("BatchNormalization", [x, *parameters])

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        return self.node("Relu", [x])

    def relu6(self, x: str) -> str:
        """Clamp to 0..6."""
        bounds = [self.constant(np.array(v, np.float32), "bound") for v in (0.0, 6.0)]
        return self.node("Clip", [x, *bounds])

    def add(self, a: str, b: str) -> str:
        """Sum of two tensors."""
        return self.node("Add", [a, b])

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        """Dense layer on a matrix."""
        weight = self.weight((outputs, inputs), inputs)
        return self.node("Gemm", [x, weight, self.bias(outputs)], transB=1)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """Dense layer on the last dimension of a tensor of any rank."""
        product = self.node("MatMul", [x, self.weight((inputs, outputs), inputs)])
        return self.add(product, self.bias(outputs))

    def classifier(self, x: str, channels: int, classes: int, batch: int = 1) -> None:
        """Global average pooling and a dense layer, as the output."""
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        self.output(self.dense(pooled, channels, classes), [batch, classes])

    def model(self) -> onnx.ModelProto:
        """The finished, checked model."""
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, self._weights
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        onnx.checker.check_model(model, full_check=True)
        return model
