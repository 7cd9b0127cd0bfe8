"""Reading ONNX files: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from examples.networks.transformer import transformer
from systolab.formats.errors import SystolabError
from systolab.glenside.network.folding import fold
from systolab.glenside.network.network import Tensor
from systolab.glenside.onnx import importer
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
    refused(
        proto,
        "Input 'x' must have a fixed size in dimension 1 ('seq'), not a dynamic one: give it one, "
        "for example dims='seq=8'",
    )
    refused(
        model([node("Relu", ["x"])], shape=[2, None]),
        "Input 'x' must have a fixed size in dimension 1, not a dynamic one: give it one, "
        "for example dims='x[1]=8'",
    )
    network = from_model(proto, batch=5, dims={"seq": 7})
    assert network.inputs == {"x": (5, 7, 3)}
    assert network.shapes["y"] == (5, 7, 3)
    assert network.assumed == ()
    network = from_model(proto, dims="seq=7")
    assert network.inputs == {"x": (1, 7, 3)}
    assert network.assumed == ("N of input x",)
    network = from_model(proto, dims={"N": 2, "x[1]": 3})
    assert network.inputs == {"x": (2, 3, 3)}
    assert network.assumed == ()
    refused(proto, "batch must be at least 1, not 0", batch=0)


@pytest.mark.parametrize("name", ["N", "batch", "batch_size", "Batch-Axis", "unk__12", None])
def test_a_leading_dimension_that_is_a_batch(name: str | None) -> None:
    network = from_model(model([node("Relu", ["x"])], shape=[name, 3]))
    assert network.inputs == {"x": (1, 3)}
    assert network.assumed == (f"{name} of input x" if name else "x[0]",)


@pytest.mark.parametrize("name", ["T", "seq", "sequence_length", "s0", "time"])
def test_a_leading_dimension_in_doubt_is_asked_for(name: str) -> None:
    proto = model([node("Relu", ["x"])], shape=[name, 3])
    refused(
        proto,
        f"Input 'x' must have a fixed size in dimension 0 ('{name}'), not a dynamic one that may "
        f"be no batch: give it one, for example dims='{name}=8'",
    )
    assert from_model(proto, dims={name: 4}).inputs == {"x": (4, 3)}
    assert from_model(proto, batch=4).inputs == {"x": (4, 3)}


@pytest.mark.parametrize("name", ["batch", None])
def test_a_sequence_is_asked_for_whatever_its_name(name: str | None) -> None:
    """The leading dimension of what an LSTM reads is time, also behind other operators."""
    proto = recurrent(4)
    dim = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dim.ClearField("dim_value")
    dim.dim_param = name or ""
    proto.graph.node[0].input[0] = "r_of_x"
    proto.graph.node.insert(0, helper.make_node("Relu", ["x"], ["r_of_x"]))
    with pytest.raises(SystolabError, match="not a dynamic one that may be no batch"):
        from_model(proto)
    assert from_model(proto, dims={"x[0]": 4}).inputs == {"x": (4, 1, 3)}


def test_a_vector_of_unknown_length_is_asked_for() -> None:
    with pytest.raises(SystolabError, match=r"for example dims='x\[0\]=8'$"):
        from_model(model([node("Relu", ["x"])], shape=[None]))


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ({"M": 2}, "dims must be one of N, x[0], not 'M'"),
        ("N", "dims must be NAME=SIZE,.., not 'N'"),
        ("N=", "dims must be NAME=SIZE,.., not 'N='"),
        ("N=-1", "dims must be NAME=SIZE,.., not 'N=-1'"),
        ("N=0", "dims must have sizes of at least 1, not N=0"),
        ({"N": 1.5}, "dims must have sizes of at least 1, not N=1.5"),
        (7, "dims must be sizes by name, such as {'N': 8}, not 7"),
        ({"N": 1 << 40}, f"Input 'x' must have at most 268435456 elements, not {3 << 40}"),
    ],
)
def test_sizes_that_are_none(dims: object, message: str) -> None:
    refused(model([node("Relu", ["x"])], shape=["N", 3]), message, dims=dims)


def test_sizes_where_nothing_is_dynamic() -> None:
    proto = model([node("Relu", ["x"])])
    refused(proto, "dims must be left out: none is dynamic, not 'N'", dims={"N": 2})
    with pytest.raises(SystolabError, match="dims must be given where the model is loaded"):
        load(from_model(proto), dims={"N": 2})


def test_a_batch_without_end() -> None:
    proto = model([node("Relu", ["x"])], shape=["N", 64])
    refused(
        proto,
        "Input 'x' must have at most 268435456 elements, not 1280000000",
        batch=20_000_000,
    )


@pytest.mark.parametrize("kind", ["int64", "int32", "bool"])
def test_element_types_are_kept(kind: str) -> None:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Transpose", ["i"], ["t"]),
        helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT),
    ]
    network = from_model(model(nodes, kind=element))
    assert network.types == {"x": kind, "t": kind}
    with pytest.raises(SystolabError, match=f"Input 'x' must be of type {kind}, not float32"):
        host.execute(network, {"x": np.ones((2, 3), np.float32)})


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


def external(proto: onnx.ModelProto, location: str, **entries: int | str) -> onnx.ModelProto:
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
        f"Operator ConstantOfShape (node 'n') must give a tensor of at most 268435456 elements, "
        f"not ({size},)",
    )
    if size > 0:
        refused(
            model([node("Expand", ["x", "s"])], {"s": np.array([size, 2, 3])}),
            "Operator Expand (node 'n') must give a tensor of at most 268435456 elements, "
            f"not ({size}, 2, 3)",
        )
        bounds = {"a": np.array(0), "b": np.array(size), "c": np.array(1)}
        refused(
            model([node("Range", ["a", "b", "c"])], bounds),
            "Operator Range (node 'n') must give a tensor of at most 268435456 elements, "
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
        "External data of tensor 'w' at 'w.bin' must be a readable file: No such file or directory"
    )
    (tmp_path / "w.bin").write_bytes(b"1234")
    with pytest.raises(SystolabError) as caught:
        load(path)
    assert str(caught.value) == ("External data of tensor 'w' at 'w.bin' must have 48 bytes, not 4")


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("w.bin", {"offset": "x"}, "must have its offset as a number of bytes, not 'x'"),
        ("w.bin", {"offset": "-1"}, "must have its offset as a number of bytes, not '-1'"),
        ("w.bin", {"offset": "\u0661"}, "must have its offset as a number of bytes, not '\u0661'"),
        ("w.bin", {"offset": "9" * 30}, "must have its offset as a number of bytes, not '999999"),
        ("w.bin", {"offset": str(1 << 40)}, "at 'w.bin' must have 48 bytes, not 0"),
        ("w.bin", {"length": "1.5"}, "must have its length as a number of bytes, not '1.5'"),
        (
            "w.bin",
            {"length": str(1 << 40)},
            "must have a length of 48 bytes, as its shape, not 1099511627776",
        ),
        ("w\0bin", {}, "must lie in the model's folder, not at 'w\0bin'"),
        ("circle", {}, "at 'circle' must be a readable file: Too many levels of symbolic links"),
        ("x" * 5000, {}, "External data of tensor 'w'"),
        ("fifo", {}, "at 'fifo' must be a regular file, not a FIFO"),
        (".", {}, "at '.' must be a regular file, not a directory"),
    ],
)
def test_external_data_that_is_none(
    tmp_path: Path, location: str, entries: dict[str, str], message: str
) -> None:
    (tmp_path / "w.bin").write_bytes(ONES.tobytes())
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "fifo")
    proto = external(model([node("MatMul", ["x", "w"])], {"w": ONES}), location, **entries)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(SystolabError, match=re.escape(message)):
        load(tmp_path / "m.onnx")


@pytest.mark.parametrize("dims", [[1 << 40], [-1], [1 << 31, 1 << 31, 0, 1 << 62]])
def test_external_data_of_impossible_shapes(tmp_path: Path, dims: list[int]) -> None:
    (tmp_path / "w.bin").write_bytes(ONES.tobytes())
    proto = external(model([node("MatMul", ["x", "w"])], {"w": ONES}), "w.bin")
    proto.graph.initializer[0].dims[:] = dims
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(SystolabError, match=r"^Tensor 'w' must have .* not (\[-1\]|\d{13,})$"):
        load(tmp_path / "m.onnx")


def test_external_data_is_never_read_for_a_function(tmp_path: Path) -> None:
    """What lies in a function is not looked for in the working directory either."""
    function = helper.make_function(
        "own", "F", ["a"], ["b"],
        [
            helper.make_node("Constant", [], ["c"], value=external(
                model([], {"w": ONES}), "w.bin").graph.initializer[0]),
            helper.make_node("MatMul", ["a", "c"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    proto = model([node("F", ["x"], domain="own")])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(function)
    (tmp_path / "w.bin").write_bytes(ONES.tobytes())
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    with contextlib.chdir(tmp_path), pytest.raises(SystolabError, match="must hold its data in"):
        load(path)


@pytest.mark.parametrize("kind", ["/dev/zero", "fifo"])
def test_models_that_are_no_regular_files(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SystolabError, match="must be a regular file, not a"):
        load(tmp_path / kind)


@pytest.mark.parametrize("opset", [-1, 0, 1, 5, 6, 29, 99, (1 << 63) - 1])
def test_operator_sets_that_are_not_known(opset: int) -> None:
    refused(
        model([node("Relu", ["x"])], opset=opset),
        f"Operator set of the model must be from 7 to 28, not {opset}",
    )


@pytest.mark.parametrize("opset", [7, 28])
def test_oldest_and_newest_operator_set(opset: int) -> None:
    assert from_model(model([node("Relu", ["x"])], opset=opset)).outputs == ("y",)


def test_layers_that_lead_nowhere_are_left_out() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["dead"]),
        helper.make_node("Gemm", ["dead", "d", "b"], ["deader"], alpha=0.5),
        helper.make_node("Split", ["x"], ["left", "right"], axis=1),
        node("Relu", ["right"]),
    ]
    weights = {
        "w": np.ones((4, 4), np.float32),
        "d": np.ones((4, 4), np.float32),
        "b": np.ones(4, np.float32),
    }
    network = fold(from_model(model(nodes, weights, shape=[2, 4], opset=13)))
    assert [(layer.op, layer.outputs) for layer in network.layers] == [
        ("split", ("", "right")),
        ("relu", ("y",)),
    ]
    assert network.constants == {}


def test_a_graph_without_outputs() -> None:
    proto = model([node("Relu", ["x"])])
    del proto.graph.output[:]
    refused(proto, "Graph must have an output, not none")


@pytest.mark.parametrize("name", [b"node_n", b"dim_of_x"])
def test_names_that_are_no_text(tmp_path: Path, name: bytes) -> None:
    proto = model([node("Relu", ["x"], "node_n")], shape=["dim_of_x", 3])
    content = proto.SerializeToString().replace(name, name[:-1] + b"\xff")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(SystolabError, match=re.escape("Names in the model must be UTF-8, not b'")):
        load(tmp_path / "m.onnx")


def test_an_output_that_is_constant() -> None:
    for nodes in ([node("Identity", ["w"])], [node("Transpose", ["w"])], [node("Relu", ["w"])]):
        network = from_model(model(nodes, {"w": ONES}))
        (found,) = host.execute(network, {"x": np.zeros((2, 3))}).values()
        assert (found.reshape(3, 4) == ONES).all()


def test_newest_operator_set_is_that_of_the_tests() -> None:
    assert importer._OPSETS[-1] == onnx.defs.onnx_opset_version()


def test_a_model_without_operators_of_onnx() -> None:
    proto = model([node("Relu", ["x"])])
    proto.opset_import[0].domain = "own"
    refused(proto, "Model must import a set of ONNX's own operators, not none")


@pytest.mark.parametrize(
    ("outputs", "attributes"),
    [(3, {"num_outputs": 2}), (1, {"num_outputs": 2}), (2, {"num_outputs": 0}), (2, {"axis": 9}),
     (2, {"num_outputs": -1}), (2, {"num_outputs": 1 << 40})],
)  # fmt: skip
def test_split_that_would_end_the_process(outputs: int, attributes: dict[str, Any]) -> None:
    names = [f"y{i}" if i else "y" for i in range(outputs)]
    split = helper.make_node("Split", ["x"], names, name="n", **attributes)
    with pytest.raises(SystolabError, match=r"^Operator Split \(node 'n'\) must"):
        from_model(model([split], opset=18))


def test_expansion_that_would_not_end() -> None:
    inputs = [helper.make_tensor_value_info("s", TensorProto.INT64, [1 << 28])]
    proto = model([node("Expand", ["x", "s"])])
    proto.graph.input.extend(inputs)
    refused(
        proto, "Operator Expand (node 'n') must have a constant input 1 ('s'), not a computed one"
    )


@pytest.mark.parametrize("axis", [1 << 31, (1 << 63) - 1, -3, 2])
def test_normalisation_that_would_end_the_process(axis: int) -> None:
    proto = model([node("LayerNormalization", ["x", "w"], axis=axis)], {"w": ONES})
    with pytest.raises(SystolabError, match=rf"must have an axis from -2 to 1, not {axis}$"):
        from_model(proto)


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_a_kernel_shape_is_that_of_the_filters(operator: str) -> None:
    filters = {"w": np.ones((2, 2, 3, 3), np.float32)}
    for kernel in ([3, 3], None):
        given: dict[str, Any] = {} if kernel is None else {"kernel_shape": kernel}
        from_model(model([node(operator, ["x", "w"], **given)], filters, shape=[1, 2, 8, 8]))
    refused(
        model([node(operator, ["x", "w"], kernel_shape=[2, 3])], filters, shape=[1, 2, 8, 8]),
        f"Operator {operator} (node 'n') must have a kernel_shape of (3, 3), as its filters, "
        "not (2, 3)",
    )


def recurrent(steps: int) -> onnx.ModelProto:
    weights = {"w": np.ones((1, 8, 3), np.float32), "r": np.ones((1, 8, 2), np.float32)}
    lstm = node("LSTM", ["x", "w", "r"], hidden_size=2)
    return model([lstm], weights, shape=[steps, 1, 3])


def test_long_sequences_are_refused() -> None:
    refused(
        recurrent(100_000),
        "Operator LSTM (node 'n') must unroll to at most 512 steps in all directions, not 100000",
    )


def test_many_layers_are_refused() -> None:
    names = ["x", *(f"t{i}" for i in range(8192)), "y"]
    nodes = [helper.make_node("Relu", pair[:1], pair[1:]) for pair in itertools.pairwise(names)]
    refused(model(nodes), "Graph must have at most 8192 nodes, not 8193")


def calls(count: int, circle: bool = False) -> onnx.ModelProto:
    """Functions that each call the next one twice: 2^count nodes."""
    proto = model([node("F0", ["x"], domain="own")])
    proto.opset_import.append(helper.make_opsetid("own", 1))
    for i in range(count):
        last = i + 1 == count
        kind, domain = ("Relu", "") if last and not circle else (f"F{(i + 1) % count}", "own")
        nodes = [
            helper.make_node(kind, ["a"], ["t"], domain=domain),
            helper.make_node(kind, ["t"], ["b"], domain=domain),
        ]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        proto.functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], nodes, opsets))
    return proto


def test_functions_that_multiply() -> None:
    assert len(from_model(calls(5)).layers) == 32
    refused(calls(40), f"Graph must have at most 8192 nodes, not {1 << 40}")
    message = "Functions of the model must be nested at most 64 deep, and not in a circle"
    refused(calls(3, circle=True), message)
    refused(calls(70), message)


def test_folding_of_constants_is_limited() -> None:
    """No node is beyond the limit of a tensor; together they are."""
    side = 1 << 13
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["a"])]
    nodes.append(helper.make_node("MatMul", ["a", "a"], ["y"], name="n"))
    refused(
        model(nodes, {"s": np.array([side, side])}),
        f"Layers of constants up to 'n' must have at most 17179869184 multiplications, "
        f"not {side**3}",
    )


def test_padding_beyond_the_limit() -> None:
    proto = model(
        [node("MaxPool", ["x"], kernel_shape=[1], strides=[1 << 30], pads=[1 << 30, 1 << 30])],
        shape=[1, 1, 4],
    )
    with pytest.raises(SystolabError, match="must give a tensor of at most 268435456 elements"):
        from_model(proto)


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
