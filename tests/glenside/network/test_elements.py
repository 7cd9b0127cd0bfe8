"""What inputs hold: ids are followed to the table that they select from."""

from __future__ import annotations

import numpy as np
import pytest

from systolab.glenside.network.elements import Elements, elements
from systolab.glenside.network.network import Attribute, Layer, Network

TABLE = np.zeros((7, 3), np.float32)


def network(*layers: tuple[str, list[str], str, dict[str, Attribute]]) -> Network:
    shapes = {"ids": (4,), "t": (7, 3), "s": (5, 3), "x": (4,)}
    made = tuple(
        Layer(output, op, tuple(inputs), (output,), attributes)
        for op, inputs, output, attributes in layers
    )
    shapes |= {layer.outputs[0]: (4,) for layer in made}
    return Network(
        "n", {"ids": (4,), "x": (4,)}, (made[-1].outputs[0],), {"t": TABLE, "s": TABLE[:5]}, made,
        shapes, {"ids": "int64"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "below"),
    [
        ([("gather", ["t", "ids"], "y", {"axis": 0})], 7),
        ([("gather", ["t", "ids"], "y", {"axis": 1})], 3),
        ([("gather_elements", ["t", "ids"], "y", {"axis": 0})], 7),
        ([("reshape", ["ids"], "r", {}), ("gather", ["t", "r"], "y", {"axis": 0})], 7),
        ([("concat", ["ids", "ids"], "c", {}), ("gather", ["t", "c"], "y", {"axis": 0})], 7),
        (
            [
                ("gather", ["t", "ids"], "y", {"axis": 0}),
                ("cast", ["ids"], "c", {}),
                ("gather", ["s", "c"], "z", {"axis": 0}),
            ],
            5,
        ),
        ([("add", ["ids", "ids"], "a", {}), ("gather", ["t", "a"], "y", {"axis": 0})], 2),
        ([("cast", ["ids"], "y", {})], 2),
    ],
)
def test_integers_below(
    layers: list[tuple[str, list[str], str, dict[str, Attribute]]], below: int
) -> None:
    found = elements(network(*layers))
    assert found == {"ids": Elements("int64", below), "x": Elements("float32", 2)}
