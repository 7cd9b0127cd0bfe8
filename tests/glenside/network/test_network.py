"""Networks, their evaluation, and the sentences for what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from systolab.formats.errors import SystolabError
from systolab.glenside.language.layout import Layout
from systolab.glenside.lowering.kernels import lower
from systolab.glenside.lowering.stream_layout import StreamLayout
from systolab.glenside.network.network import Layer, Network
from systolab.glenside.operators import host
from tests.glenside.lowering.lowered import machine
from tests.glenside.shapes import convolution

RELU = Layer("r", "relu", ("x",), ("y",), {})
NEG = Layer("n", "neg", ("y",), ("z",), {})
SHAPES = {"x": (2,), "y": (2,), "z": (2,)}
NETWORK = Network("net", {"x": (2,)}, ("z",), {}, (RELU, NEG), SHAPES)


def test_execution_shows_every_tensor() -> None:
    seen = {}
    x = np.array([-1.0, 2.0], np.float32)
    result = host.execute(NETWORK, {"x": x}, lambda name, value: seen.update({name: value}))
    assert list(result) == ["z"]
    assert result["z"].tolist() == [0.0, -2.0]
    assert {name: value.tolist() for name, value in seen.items()} == {
        "x": [-1.0, 2.0], "y": [0.0, 2.0], "z": [0.0, -2.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": (RELU, replace(NEG, name="r"))}, "Layer names must be unique, not 'r' twice"),
        ({"layers": (NEG, RELU)}, "Input 'y' of layer 'n' must be computed before it"),
        (
            {"layers": (RELU, replace(NEG, outputs=("y",)))},
            "Tensor 'y' must be computed once, not twice",
        ),
        ({"outputs": ("w",)}, "Output 'w' of the network must be computed by a layer"),
        ({"shapes": {"x": (2,), "y": (2,)}}, "Tensor 'z' must have a known shape"),
    ],
)
def test_inconsistent_networks(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        replace(NETWORK, **changes)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_inputs_must_fit() -> None:
    with pytest.raises(SystolabError, match=r"^Input 'x' must be given$"):
        host.execute(NETWORK, {})
    with pytest.raises(SystolabError, match=r"^Input 'x' must have shape \(2,\), not \(3,\)$"):
        host.execute(NETWORK, {"x": np.zeros(3)})


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (lambda layer: layer.ints("a"), "'a' of layer 'l' (op) must be a list of integers, not 1"),
        (lambda layer: layer.integer("b"), "'b' of layer 'l' (op) must be an integer, not 'text'"),
        (lambda layer: layer.number("c"), "'c' of layer 'l' (op) must be a number, not None"),
        (lambda layer: layer.text("a"), "'a' of layer 'l' (op) must be text, not 1"),
    ],
)
def test_attributes_of_another_kind(read: Callable[[Layer], object], complaint: str) -> None:
    layer = Layer("l", "op", (), (), {"a": 1, "b": "text"})
    with pytest.raises(SystolabError) as caught:
        read(layer)
    assert str(caught.value) == f"Attribute {complaint}"


def test_unknown_operators_and_missing_inputs() -> None:
    with pytest.raises(SystolabError) as caught:
        host.evaluate(replace(RELU, op="warp"), [])
    assert str(caught.value) == "Operator 'warp' (layer 'r') is not supported"
    with pytest.raises(SystolabError) as caught:
        host.evaluate(RELU, [None])
    assert str(caught.value) == "Layer 'r' (relu) must have an input 0"


def stream() -> StreamLayout:
    layout = Layout.parse("NHWC")
    nest = convolution((1, 5, 4, 4), (6, 5, 3, 3), (1, 1), (0,) * 4, (1, 1)).nest(
        layout, None, layout
    )
    found = lower(nest, machine(4, 4), True)[0].w_layout
    assert found is not None
    return found


def test_stream_layout_holds_every_weight_once() -> None:
    weights = np.arange(1, 6 * 5 * 3 * 3 + 1).reshape(6, 5, 3, 3)
    layout = stream()
    packed = layout.pack(weights)
    assert packed.shape == (layout.size(weights.shape),)
    assert sorted(packed[packed != 0].tolist()) == list(range(1, weights.size + 1))
    assert (layout.unpack(packed, weights.shape) == weights).all()
    assert set(layout.pack(weights, -1)[packed == 0].tolist()) == {-1}
    with pytest.raises(SystolabError, match=r"must hold every element of a \(7, 5, 3, 3\) tensor$"):
        layout.unpack(packed, (7, 5, 3, 3))
