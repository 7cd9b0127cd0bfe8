"""Trains the digit classifier that `make demo` runs and writes it as `digits_cnn.onnx`.

Needs PyTorch besides the `examples` extra (`pip install torch`). Everything is seeded and single
threaded, so one version of PyTorch on one kind of machine gives the same file every time:

    python examples/train_digits.py examples/digits_cnn.onnx
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from systolab.cosim.exit_status import guarded
from systolab.cosim.network.data import digits_split

EPOCHS = 60
BATCH = 64


def network() -> nn.Sequential:
    """Two convolutions and two dense layers over images of 1x8x8; the indices name the weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train(x: torch.Tensor, y: torch.Tensor) -> nn.Sequential:
    """Adam with a falling step."""
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def export(model: nn.Sequential, path: Path) -> None:
    """Write the network as ONNX, node by node, so that the file depends on no exporter."""
    parameters = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    names = {"0": "conv1", "3": "conv2", "7": "dense1", "9": "dense2"}
    initializers = [
        numpy_helper.from_array(value, f"{names[key.split('.')[0]]}.{key.split('.')[1]}")
        for key, value in parameters.items()
    ]

    def conv(name: str, source: str) -> onnx.NodeProto:
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return helper.make_node("Conv", inputs, [name], name, pads=[1] * 4, kernel_shape=[3, 3])

    def pool(name: str, source: str) -> onnx.NodeProto:
        return helper.make_node(
            "MaxPool", [source], [name], name, kernel_shape=[2, 2], strides=[2, 2]
        )

    def relu(name: str, source: str) -> onnx.NodeProto:
        return helper.make_node("Relu", [source], [name], name)

    def dense(name: str, source: str) -> onnx.NodeProto:
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return helper.make_node("Gemm", inputs, [name], name, transB=1)

    nodes = [
        conv("conv1", "image"),
        relu("relu1", "conv1"),
        pool("pool1", "relu1"),
        conv("conv2", "pool1"),
        relu("relu2", "conv2"),
        pool("pool2", "relu2"),
        helper.make_node("Flatten", ["pool2"], ["flat"], "flatten"),
        dense("dense1", "flat"),
        relu("relu3", "dense1"),
        dense("dense2", "relu3"),
    ]
    graph = helper.make_graph(
        nodes,
        "digits_cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("dense2", TensorProto.FLOAT, [1, 10])],
        initializers,
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="systolab"
    )
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def main() -> int:
    """Train, report the accuracy on the test split, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    split = digits_split()
    images = torch.from_numpy(np.concatenate([split.calibration_x, split.train_x]))
    labels = torch.from_numpy(np.concatenate([split.calibration_y, split.train_y]))
    model = train(images, labels)
    with torch.no_grad():
        predicted = model(torch.from_numpy(split.test_x)).argmax(1).numpy()
    correct = int((predicted == split.test_y).sum())
    print(f"{correct} of {len(split.test_y)} test images correct")
    export(model, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
