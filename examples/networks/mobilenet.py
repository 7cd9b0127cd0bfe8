"""Inverted residuals: MobileNetV2 (Sandler et al. 2018) and an EfficientNet-Lite0-like network."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from examples.networks.builder import Builder

# expansion, filters, blocks, stride, kernel
Stage = tuple[int, int, int, int, int]

MOBILENET_V2: Sequence[Stage] = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3), (6, 320, 1, 1, 3),
)  # fmt: skip
EFFICIENTNET_LITE0: Sequence[Stage] = (
    (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
)  # fmt: skip


def _block(
    b: Builder, x: str, channels: int, filters: int, stride: int, expansion: int, kernel: int
) -> str:
    wide, y = channels * expansion, x
    if expansion != 1:
        y = b.relu6(b.norm(b.conv(y, channels, wide, 1), wide))
    y = b.relu6(b.norm(b.conv(y, wide, wide, kernel, stride, groups=wide), wide))
    y = b.norm(b.conv(y, wide, filters, 1), filters)
    return b.add(x, y) if stride == 1 and channels == filters else y


def _network(
    name: str, stages: Sequence[Stage], size: int, classes: int, seed: int
) -> onnx.ModelProto:
    b = Builder(name, seed)
    x = b.input("image", [1, 3, size, size])
    x = b.relu6(b.norm(b.conv(x, 3, 32, 3, 2), 32))
    channels = 32
    for expansion, filters, blocks, stride, kernel in stages:
        for block in range(blocks):
            step = stride if block == 0 else 1
            x = _block(b, x, channels, filters, step, expansion, kernel)
            channels = filters
    x = b.relu6(b.norm(b.conv(x, channels, 1280, 1), 1280))
    b.classifier(x, 1280, classes)
    return b.model()


def mobilenet_v2(size: int = 224, classes: int = 1000, seed: int = 0) -> onnx.ModelProto:
    """52 convolutions, 17 of them depthwise, one dense layer."""
    return _network("mobilenet_v2", MOBILENET_V2, size, classes, seed)


def efficientnet_lite0(size: int = 224, classes: int = 1000, seed: int = 0) -> onnx.ModelProto:
    """49 convolutions, 16 of them depthwise (some 5x5), one dense layer."""
    return _network("efficientnet_lite0", EFFICIENTNET_LITE0, size, classes, seed)
