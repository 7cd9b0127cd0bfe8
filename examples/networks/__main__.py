"""Write an example network: ``python -m examples.networks NAME FILE.onnx``."""

from __future__ import annotations

import sys

import onnx

from examples.networks.lstm import lstm, unstable_lstm
from examples.networks.mobilenet import efficientnet_lite0, mobilenet_v2
from examples.networks.resmlp import resmlp
from examples.networks.resnet import resnet18, resnet20
from examples.networks.transformer import transformer
from systolab.cosim.exit_status import guarded

NETWORKS = {
    build.__name__: build
    for build in (
        efficientnet_lite0, lstm, mobilenet_v2, resmlp, resnet18, resnet20, transformer,
        unstable_lstm,
    )
}  # fmt: skip


def main() -> int:
    """Command line."""
    if len(sys.argv) != 3 or sys.argv[1] not in NETWORKS:
        names = " | ".join(NETWORKS)
        print(f"usage: python -m examples.networks {names} FILE.onnx", file=sys.stderr)
        return 2
    onnx.save(NETWORKS[sys.argv[1]](), sys.argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
