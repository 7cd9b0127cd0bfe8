"""Residual networks: ResNet-20 for 32x32 images (He et al. 2016, option B) and ResNet-18."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from examples.networks.builder import Builder


def _block(b: Builder, x: str, channels: int, filters: int, stride: int) -> str:
    y = b.relu(b.norm(b.conv(x, channels, filters, 3, stride), filters))
    y = b.norm(b.conv(y, filters, filters, 3), filters)
    if stride != 1 or channels != filters:
        x = b.norm(b.conv(x, channels, filters, 1, stride), filters)
    return b.relu(b.add(y, x))


def _stages(b: Builder, x: str, channels: int, widths: Sequence[int], blocks: int) -> str:
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _block(b, x, channels, width, stride)
            channels = width
    return x


def resnet20(classes: int = 10, seed: int = 0) -> onnx.ModelProto:
    """19 convolutions of 3x3, 2 of 1x1 in the shortcuts, one dense layer."""
    b = Builder("resnet20", seed)
    x = b.input("image", [1, 3, 32, 32])
    x = b.relu(b.norm(b.conv(x, 3, 16, 3), 16))
    b.classifier(_stages(b, x, 16, (16, 32, 64), 3), 64, classes)
    return b.model()


def resnet18(size: int = 224, classes: int = 1000, seed: int = 0) -> onnx.ModelProto:
    """A 7x7 stem, 16 convolutions of 3x3, 3 of 1x1, one dense layer."""
    b = Builder("resnet18", seed)
    x = b.input("image", [1, 3, size, size])
    x = b.relu(b.norm(b.conv(x, 3, 64, 7, 2), 64))
    x = b.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    b.classifier(_stages(b, x, 64, (64, 128, 256, 512), 2), 512, classes)
    return b.model()
