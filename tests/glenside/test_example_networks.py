"""The example networks import, have the layers they claim, and compute what ONNX computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from examples.networks.lstm import lstm
from examples.networks.mobilenet import efficientnet_lite0, mobilenet_v2
from examples.networks.resmlp import resmlp
from examples.networks.resnet import resnet18, resnet20
from examples.networks.transformer import transformer
from systolab.glenside.network.folding import fold
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.operators import host


def products(network: Network) -> dict[str, int]:
    """How many layers of each kind the array could run; depthwise convolutions apart."""
    found = {"conv": 0, "depthwise": 0, "gemm": 0, "matmul": 0}
    for layer in network.layers:
        if layer.op == "conv" and layer.integer("group") > 1:
            found["depthwise"] += 1
        elif layer.op in found:
            found[layer.op] += 1
    return found


NETWORKS: dict[str, tuple[Callable[[], onnx.ModelProto], tuple[int, int, int, int]]] = {
    "resnet20": (resnet20, (21, 0, 1, 0)),
    "resnet18": (lambda: resnet18(32), (20, 0, 1, 0)),
    "mobilenet_v2": (lambda: mobilenet_v2(32), (35, 17, 1, 0)),
    "efficientnet_lite0": (lambda: efficientnet_lite0(32), (33, 16, 1, 0)),
    "resmlp": (lambda: resmlp(64, width=48, blocks=12), (1, 0, 1, 36)),
    "lstm": (lambda: lstm(5, 12, 8), (0, 0, 10, 0)),
    "transformer": (lambda: transformer(2, 2, 10, 24, 3), (0, 0, 0, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str) -> None:
    build, counts = NETWORKS[name]
    model = build()
    network = fold(from_model(model))
    assert tuple(products(network).values()) == counts
    assert "batch_normalization" not in {layer.op for layer in network.layers}
    rng = np.random.default_rng(0)
    feeds = {
        input_: rng.standard_normal(shape).astype(np.float32)
        for input_, shape in network.inputs.items()
    }
    expected = ReferenceEvaluator(model).run(None, feeds)
    for result, wanted in zip(host.execute(network, feeds).values(), expected, strict=True):
        scale = np.abs(np.asarray(wanted)).max()
        np.testing.assert_allclose(result / scale, np.asarray(wanted) / scale, atol=2e-5)


def test_builders_are_deterministic() -> None:
    assert resnet20().SerializeToString() == resnet20().SerializeToString()
    assert resnet20(seed=1).SerializeToString() != resnet20().SerializeToString()
