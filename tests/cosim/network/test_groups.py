"""The order of a run's sums: what the reports call its group gives the same sums elsewhere."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import systolab as sl
from systolab.cosim.case import hardware_model
from systolab.cosim.network.execute import Chain, Emulator
from systolab.cosim.network.plan import Plan
from systolab.cosim.simulator.model import Model
from systolab.formats.codes import Codes
from systolab.formats.dot.postprocess import postprocess

M, K, N = 9, 33, 5


def network(tmp_path: Path, last: float) -> tuple[str, NDArray[np.float32]]:
    """A network of one matrix product, and an input whose products cancel but for the last.

    Args:
        tmp_path: folder of the model.
        last: factor of either operand of the last product.
    """
    rng = np.random.default_rng(0)
    x, w = (rng.uniform(0.5, 1, shape) * rng.choice([-1, 1], shape) for shape in ((M, K), (K, N)))
    x[:, -1], w[-1] = x[:, -1] * last, w[-1] * last
    order = rng.permutation(K - 1)
    first, second = order[: K // 2], order[K // 2 :]
    x[:, second], w[second] = x[:, first], -w[first]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [M, K])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [M, N])],
        [numpy_helper.from_array(w.astype(np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return str(path), x.astype(np.float32)


@pytest.mark.parametrize(
    ("name", "accumulator", "last"),
    [("int:8", "saturate:17", 1.0), ("binary16", "float32", 2.0**-7)],
)
def test_dot_with_the_group_of_a_run_gives_its_codes(
    name: str, accumulator: str, last: float, tmp_path: Path
) -> None:
    path, x = network(tmp_path, last)
    array = sl.array("16x5", name, accumulator=accumulator)
    mapped = sl.map(path, array=array).as_data()["steps"]
    assert isinstance(mapped, list)
    group = next(step["group"] for step in mapped if step["kind"] == "kernel")
    assert group == 11  # even tiles, not the 16 rows of the array
    program = sl.compile(path, array)
    plan = Plan(program, [{"x": x}])
    (step,) = program.kernels
    a = array.act.quantize(x, scale=plan.scales("x", array.act))
    w = array.weight.quantize(program.network.constants["w"], scale=plan.weight_scale(step))
    parameters = plan.parameters[step.name]

    def codes(group: int) -> Codes:
        sums = sl.dot(a, w, accumulator=accumulator, group=group)
        scale, bias = parameters.scale[:N], parameters.bias[:N]
        return array.out.encode(postprocess(sums, scale, bias, parameters.lo, parameters.hi))

    with Model(array) as model:
        for device in (Emulator(array), hardware_model(array, model)):
            _, outcome = Chain(plan, device, {"x": x}).kernel(step)
            found = step.o.layout.unpack(outcome.o, (M, N))
            np.testing.assert_array_equal(found, codes(group))
    for other in (1, 16, 33):
        assert (found != codes(other)).any()


def test_run_reports_the_group_where_the_order_shows(tmp_path: Path) -> None:
    path, _ = network(tmp_path, 1.0)
    for accumulator, shown in (("saturate:17", True), ("exact", False)):
        report = sl.run(path, "int:8", array="16x5", accumulator=accumulator, images=1)
        assert report.identical
        kernels = [row for row in report.as_data()["layers"] if row["dataflow"] != "host"]
        assert [row["group"] for row in kernels] == [11]
        assert ("  group\n" in report.text()) == shown
