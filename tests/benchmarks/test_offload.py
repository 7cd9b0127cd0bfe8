"""The offload table counts what ONNX says, meets its targets, and notices when one is missed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import offload
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.registry import registry
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.program import KernelStep
from systolab.rtl.kernel.kernel import Array

FORMAT = registry.get("adaptivfloat:8,3")
ARRAY = Array(8, 8, FORMAT, FORMAT, FORMAT, parse_accumulator("exact"))


@pytest.mark.parametrize(
    ("name", "products", "macs"),
    [
        # 3x3 layers of 32x32, 16x16 and 8x8 outputs, two 1x1 projections, one dense layer.
        (
            "resnet20",
            {"convolution": (21, 21), "dense": (1, 1)},
            9 * (3 * 16 + 6 * 16 * 16) * 32 * 32
            + 9 * (16 * 32 + 5 * 32 * 32) * 16 * 16
            + 9 * (32 * 64 + 5 * 64 * 64) * 8 * 8
            + 16 * 32 * 16 * 16
            + 32 * 64 * 8 * 8
            + 64 * 10,
        ),
        ("lstm", {"dense": (20, 20)}, 10 * 2 * 4 * 64 * 64),
        # Per layer: four projections and two dense of 4x width; two products of 64x64xwidth.
        (
            "transformer",
            {"dense": (12, 12), "batched": (4, 4)},
            2 * (64 * 128 * 128 * (4 + 8) + 2 * 64 * 64 * 128),
        ),
    ],
)
def test_targets_are_met(name: str, products: dict[str, tuple[int, int]], macs: int) -> None:
    found = offload.offload(compile_network(offload.network_of(name), ARRAY))
    assert {kind: counts for kind, counts in found.products.items() if counts[1]} == products
    assert found.macs == (macs, macs)
    assert offload.missed(name, found) == []


def test_missed_targets_are_told() -> None:
    program = compile_network(offload.network_of("transformer"), ARRAY)
    kernels = [step for step in program.steps if isinstance(step, KernelStep)]
    batched = next(step for step in kernels if step.op.startswith("matmul"))
    less = replace(program, steps=tuple(step for step in program.steps if step is not batched))
    found = offload.offload(less)
    assert found.products["batched"] == (3, 4)
    assert offload.missed("transformer", found) == [
        "transformer: 15 of 16 products, 16 required",
        "transformer: 98.08% of MACs, 99.9% required",
    ]
    slow = replace(found, cycles=found.best_policy + 1)
    assert offload.missed("transformer", slow)[-1].endswith(f"{found.best_policy:,}")


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert offload.main(["lstm", "--array", "4x4"]) == 0
    text = capsys.readouterr().out
    assert "20/20" in text
    assert "no policy better: met" in text


def test_unknown_network(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        offload.main(["vgg"])
    assert "NAME must be one of resnet50, efficientnet_lite0" in capsys.readouterr().err
