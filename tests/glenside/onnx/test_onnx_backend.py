"""ONNX's own node tests as a conformance suite: import plus host evaluation, in binary32.

Every name in onnx_backend_names.txt must pass; the list may only grow. Inputs that ONNX passes as
tensors but that this project needs at import (shapes, axes, ...) are bound before import.
"""

from __future__ import annotations

import functools
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Network, Tensor
from systolab.glenside.onnx.importer import from_model
from systolab.glenside.operators import host

NAMES = Path(__file__).with_name("onnx_backend_names.txt")


@functools.cache
def node_tests() -> dict[str, TestCase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the cases' own overflow examples
        return {case.name: case for case in load_model_tests(kind="node")}


def run(model: onnx.ModelProto, inputs: list[Tensor]) -> tuple[list[Tensor], Network]:
    """Outputs for positional inputs; integer inputs are bound when the import asks for them."""
    names = [value.name for value in model.graph.input]
    feeds = dict(zip(names, inputs, strict=False))
    try:
        network = from_model(model)
    except SystolabError:
        static = {k: v for k, v in feeds.items() if v.size <= 64 and k != names[0]}
        network = from_model(model, bound=static)
    return list(host.execute(network, feeds).values()), network


def passes(case: TestCase) -> None:
    assert case.model is not None
    for item in case.model.opset_import:
        if item.domain == "" and item.version < 7:
            # Written under the set that an operator first stood in: it has not changed up to 7.
            (node,) = case.model.graph.node
            assert onnx.defs.get_schema(node.op_type, 7, "").since_version == item.version
            item.version = 7
    assert case.data_sets is not None
    for inputs, expected in case.data_sets:
        results, network = run(case.model, [np.asarray(item) for item in inputs])
        assert len(results) == len(expected)
        for name, result, wanted in zip(network.outputs, results, expected, strict=True):
            assert result.dtype == wanted.dtype
            assert network.shapes[name] == result.shape == wanted.shape
            np.testing.assert_allclose(result, wanted, rtol=case.rtol, atol=case.atol)


@pytest.mark.parametrize("name", NAMES.read_text().split())
def test_onnx_node(name: str) -> None:
    passes(node_tests()[name])


def test_list_is_long_enough() -> None:
    names = NAMES.read_text().split()
    assert len(names) >= 1000
    assert names == sorted(set(names))


TYPES = frozenset({"float32", "int64", "int32", "bool"})


def within_types(case: TestCase) -> bool:
    """Whether all data is of the types that a network may hold."""
    items: list[object] = [item for pair in case.data_sets or [] for part in pair for item in part]
    return all(isinstance(x, np.ndarray | np.generic) and x.dtype.name in TYPES for x in items)


def test_nothing_is_silently_wrong() -> None:
    """What is not on the list is refused with a sentence, not computed wrongly."""
    listed = set(NAMES.read_text().split())
    refused = 0
    for name, case in sorted(node_tests().items()):
        if name not in listed and within_types(case):
            with pytest.raises(SystolabError):
                passes(case)
            refused += 1
    assert refused > 100


def regenerate() -> None:
    """Print every name that passes: ``python tests/glenside/onnx/test_onnx_backend.py > LIST``."""
    for name, case in sorted(node_tests().items()):
        try:
            passes(case)
        except Exception as problem:
            print(f"{name}: {type(problem).__name__} {str(problem)[:150]!r}", file=sys.stderr)
            continue
        print(name)


if __name__ == "__main__":
    regenerate()
