"""What the tests of `systolab run` share: its result, small arguments, a small network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = "examples/digits_cnn.onnx"
SMALL = [MODEL, "--data", "digits", "--images", "2", "--format", "adaptivfloat:6,3"]
TINY = [*SMALL, "--array", "4x4"]


class Ran(NamedTuple):
    """Exit status, both outputs, and what `--json` wrote, or None."""

    status: int
    out: str
    err: str
    result: Any


Systolab = Callable[..., Ran]


def matmul(path: Path, weight: np.ndarray[Any, Any], *following: str) -> str:
    """An ONNX file of one matrix product, [1, K] by [K, N], and operators of one input after it."""
    k, n = weight.shape
    names = [*(f"t{i}" for i in range(len(following))), "y"]
    nodes = [helper.make_node("MatMul", ["x", "w"], names[:1], "product")]
    for i, operator in enumerate(following):
        nodes.append(helper.make_node(operator, [names[i]], [names[i + 1]], f"after{i}"))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, n])],
        [numpy_helper.from_array(weight.astype(np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return str(path)
