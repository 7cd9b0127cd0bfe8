"""Scales come from the binary32 network on calibration data, and from nothing else."""

from typing import cast

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from systolab import formats
from systolab.cosim.network.calibrate import Scales
from systolab.cosim.network.data import load
from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Tensor
from systolab.glenside.onnx import importer as onnx_import

MODEL = "examples/digits_cnn.onnx"


def test_scales_are_those_of_the_tensors_onnx_computes() -> None:
    network = onnx_import.load(MODEL)
    calls = load("digits", network.inputs, 1, 0).calibration[:16]
    fmt = formats.get("adaptivfloat:8,3")
    names = ["image", "conv1", "pool2", "dense2"]
    scales = Scales(network, calls, {(name, fmt) for name in names})
    evaluator = ReferenceEvaluator(MODEL)
    for name in names[1:]:
        every = [evaluator.run([name], dict(call), intermediate=True) for call in calls]
        expected = [cast(dict[str, Tensor], tensors)[name] for tensors in every]
        assert scales(name, fmt) == fmt.fit_scale(np.concatenate(expected))
    images = np.concatenate([call["image"] for call in calls])
    assert scales("image", fmt) == fmt.fit_scale(images)


def test_constants_are_their_own_calibration() -> None:
    network = onnx_import.load(MODEL)
    fmt = formats.get("adaptivfloat:4,2")
    scales = Scales(network, [], {("conv1.weight", fmt)})
    assert scales("conv1.weight", fmt) == fmt.fit_scale(network.constants["conv1.weight"])


def test_each_format_has_its_own_scale() -> None:
    network = onnx_import.load(MODEL)
    wide, narrow = formats.get("adaptivfloat:8,3"), formats.get("adaptivfloat:4,2")
    scales = Scales(network, [], {("conv1.weight", wide), ("conv1.weight", narrow)})
    assert scales("conv1.weight", wide) < scales("conv1.weight", narrow)


def test_a_block_format_is_refused() -> None:
    network = onnx_import.load(MODEL)
    fmt = formats.get("adaptivfloat:8,3").replace(block=16)
    with pytest.raises(SystolabError, match=r"must be of a format with one scale per tensor"):
        Scales(network, [], {("conv1.weight", fmt)})
