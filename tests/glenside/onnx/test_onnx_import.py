"""Reading ONNX files: what is accepted, and the sentence for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from examples.networks.transformer import transformer
from systolab.formats.errors import SystolabError
from systolab.glenside.network.network import Tensor
from systolab.glenside.onnx.importer import from_model, load
from systolab.glenside.operators import host

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"

# Layers of each real graph that ships with onnx: convolutions, dense layers.
LIGHT_MODELS = {
    "bvlc_alexnet": (5, 3), "densenet121": (121, 0), "inception_v1": (57, 1),
    "inception_v2": (69, 1), "resnet50": (53, 1), "shufflenet": (49, 1), "squeezenet": (26, 0),
    "vgg19": (16, 3), "zfnet512": (5, 3),
}  # fmt: skip


def model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, Tensor] | None = None,
    shape: list[int | str | None] | None = None,
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    dims = [2, 3] if shape is None else shape
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(dims))],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, inputs: list[str], name: str = "n", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, ["y"], name=name, **attributes)


ONES = np.ones((3, 4), np.float32)


def refused(proto: onnx.ModelProto, message: str, **options: object) -> None:
    with pytest.raises(SystolabError) as caught:
        from_model(proto, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize("name", LIGHT_MODELS)
def test_real_graphs_import(name: str) -> None:
    network = load(LIGHT / f"light_{name}.onnx")
    ops = [layer.op for layer in network.layers]
    assert (ops.count("conv"), ops.count("gemm")) == LIGHT_MODELS[name]
    assert list(network.inputs.values()) == [(1, 3, 224, 224)]
    assert [network.shapes[output][:2] for output in network.outputs] == [(1, 1000)]


@pytest.mark.parametrize("name", ["densenet121", "squeezenet", "shufflenet"])
def test_real_graphs_give_the_published_output(name: str) -> None:
    network = load(LIGHT / f"light_{name}.onnx")
    (feed,) = network.inputs
    count = 3 * 224 * 224
    x = (np.arange(count).reshape(1, 3, 224, 224) / count).astype(np.float32)
    expected = numpy_helper.to_array(onnx.load_tensor(str(LIGHT / f"light_{name}_output_0.pb")))
    (result,) = host.execute(network, {feed: x}).values()
    np.testing.assert_allclose(result, expected, rtol=1e-4)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    with pytest.raises(SystolabError) as caught:
        load(path)
    assert str(caught.value) == (
        f"Model '{path}' must be a readable file: No such file or directory"
    )


@pytest.mark.parametrize("content", [b"", b"hello, world\n", b"\x08\x07", b"\xff" * 100])
def test_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(SystolabError) as caught:
        load(path)
    assert str(caught.value) == f"File '{path}' must be an ONNX model"


def test_invalid_graph() -> None:
    proto = model([node("Relu", ["missing"])])
    with pytest.raises(SystolabError, match=r"^Model must be valid ONNX: .*missing"):
        from_model(proto)


def test_unsupported_operator() -> None:
    refused(
        model([node("NonZero", ["x"], "where")]),
        "Operator NonZero (node 'where') is not supported",
    )


def test_unsupported_domain() -> None:
    proto = model([node("Relu", ["x"], "act", domain="com.example")])
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(proto, "Operator Relu of domain 'com.example' (node 'act') is not supported")


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_weights_that_are_not_finite(value: float, kind: str) -> None:
    weight = ONES.copy()
    weight[1, 2] = value
    refused(
        model([node("MatMul", ["x", "w"])], {"w": weight}),
        f"Weight 'w' must be finite, not {kind} at [1, 2]",
    )


def test_infinite_masks_are_allowed() -> None:
    mask = np.array([0, -np.inf, 0], np.float32)
    network = from_model(model([node("Add", ["x", "m"])], {"m": mask}))
    assert np.isneginf(network.constants["m"]).sum() == 1


def test_dynamic_dimensions() -> None:
    proto = model([node("Relu", ["x"])], shape=["N", "seq", 3])
    refused(proto, "Input 'x' must have a fixed size in dimension 1 ('seq'), not a dynamic one")
    refused(
        model([node("Relu", ["x"])], shape=[2, None]),
        "Input 'x' must have a fixed size in dimension 1, not a dynamic one",
    )
    network = from_model(proto, batch=5, sizes={"seq": 7})
    assert network.inputs == {"x": (5, 7, 3)}
    assert network.shapes["y"] == (5, 7, 3)
    assert from_model(proto, sizes={"seq": 7}).inputs == {"x": (1, 7, 3)}
    refused(proto, "Batch must be at least 1, not 0", batch=0)


def test_output_that_depends_on_data() -> None:
    proto = model([node("Reshape", ["w", "x"])], {"w": ONES}, shape=[2], kind=TensorProto.INT64)
    with pytest.raises(SystolabError) as caught:
        from_model(proto)
    assert str(caught.value) == (
        "Operator Reshape (node 'n') must have an output 0 whose shape does not depend on data"
    )


def test_parameter_that_must_be_constant() -> None:
    proto = model([node("Clip", ["x", "", "x"])])
    refused(
        proto, "Operator Clip (node 'n') must have a constant input 2 ('x'), not a computed one"
    )


def test_shapes_that_do_not_fit() -> None:
    proto = model([node("MatMul", ["x", "w"])], {"w": np.ones((5, 4), np.float32)})
    with pytest.raises(SystolabError, match=r"^Operator MatMul \(node 'n'\) must fit its inputs: "):
        from_model(proto)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_floats_become_binary32(dtype: type) -> None:
    kind = TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT16
    weights = {"w": ONES.astype(dtype) / 3}
    network = from_model(model([node("MatMul", ["x", "w"])], weights, kind=kind))
    assert network.constants["w"].dtype == np.float32
    (result,) = host.execute(network, {"x": np.ones((2, 3))}).values()
    assert result.dtype == np.float32


def test_float64_weight_beyond_binary32_is_refused() -> None:
    refused(
        model([node("MatMul", ["x", "w"])], {"w": np.full((3, 4), 1e300)}, kind=TensorProto.DOUBLE),
        "Weight 'w' must be finite, not infinite at [0, 0]",
    )


def test_narrow_integers_are_refused() -> None:
    refused(
        model([node("Cast", ["w"], to=1)], {"w": np.ones(3, np.int8)}),
        "Tensor 'w' must be of a floating-point type, int32, int64 or bool, not int8",
    )
    refused(
        model([node("Cast", ["x"], to=1)], kind=TensorProto.STRING),
        "Input 'x' must be a tensor of a floating-point type, int32, int64 or bool",
    )


def external(proto: onnx.ModelProto, location: str, **entries: int) -> onnx.ModelProto:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return proto


@pytest.mark.parametrize("size", [-1, 1 << 40])
def test_impossible_sizes_are_refused(size: int) -> None:
    refused(
        model([node("ConstantOfShape", ["s"])], {"s": np.array([size])}),
        f"Operator ConstantOfShape (node 'n') must give a tensor of at most 2147483648 elements, "
        f"not ({size},)",
    )
    if size > 0:
        refused(
            model([node("Expand", ["x", "s"])], {"s": np.array([size, 2, 3])}),
            "Operator Expand (node 'n') must give a tensor of at most 2147483648 elements, "
            f"not ({size}, 2, 3)",
        )
        bounds = {"a": np.array(0), "b": np.array(size), "c": np.array(1)}
        refused(
            model([node("Range", ["a", "b", "c"])], bounds),
            "Operator Range (node 'n') must give a tensor of at most 2147483648 elements, "
            f"not ({size},)",
        )


def test_damaged_files_are_refused_or_load(tmp_path: Path) -> None:
    """Flipped bytes give a model or a sentence, never another exception."""
    content = transformer(1, 1, 4, 8, 2).SerializeToString()
    rng = np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), int(rng.integers(1, 4))):
            damaged[position] = int(rng.integers(0, 256))
        path.write_bytes(bytes(damaged))
        try:
            load(path)
            outcomes.add("loaded")
        except SystolabError:
            outcomes.add("refused")
    assert outcomes == {"loaded", "refused"}


def test_unknown_element_type() -> None:
    proto = model([node("MatMul", ["x", "w"])], {"w": ONES})
    proto.graph.initializer[0].data_type = 99
    refused(proto, "Tensor 'w' must hold valid data: unknown element type")


def test_external_data(tmp_path: Path) -> None:
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"skip" + weight.tobytes())
    proto = external(model([node("MatMul", ["x", "w"])], {"w": weight}), "data/w.bin", offset=4)
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    assert (load(path).constants["w"] == weight).all()


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/hostname", "", "link/../../secret.bin"]
)
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(ONES.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(folder)
    proto = external(model([node("MatMul", ["x", "w"])], {"w": ONES}), location)
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(SystolabError) as caught:
        load(folder / "m.onnx")
    assert str(caught.value) == (
        f"External data of tensor 'w' must lie in the model's folder, not at '{location}'"
    )


def test_external_data_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(ONES.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").symlink_to(tmp_path / "secret.bin")
    proto = external(model([node("MatMul", ["x", "w"])], {"w": ONES}), "w.bin")
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(SystolabError, match=r"must lie in the model's folder, not at 'w.bin'$"):
        load(folder / "m.onnx")


def test_external_data_missing_or_short(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    proto = external(model([node("MatMul", ["x", "w"])], {"w": ONES}), "w.bin")
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(SystolabError) as caught:
        load(path)
    assert str(caught.value) == (
        "External data of tensor 'w' must be readable at 'w.bin': No such file or directory"
    )
    (tmp_path / "w.bin").write_bytes(b"1234")
    with pytest.raises(
        SystolabError, match=r"^Model must be valid ONNX: .* w\) raw_data size \(4 bytes\)"
    ):
        load(path)


def test_old_models_list_weights_as_inputs() -> None:
    proto = model([node("MatMul", ["x", "w"])], {"w": ONES})
    proto.ir_version = 3
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 4]))
    network = from_model(proto)
    assert list(network.inputs) == ["x"]
    assert list(network.constants) == ["w"]


def test_names_are_made_unique() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="same"),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    assert [layer.name for layer in from_model(model(nodes)).layers] == ["same", "same_2", "relu_2"]
