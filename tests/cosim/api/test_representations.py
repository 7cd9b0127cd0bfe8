"""What a REPL prints of a result is one short line, whatever it holds and is named."""

from __future__ import annotations

import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import systolab as sl
from systolab.cosim.terminal.shown import Shown

DIGITS = "examples/digits_cnn.onnx"
LONG = "adaptivfloat:16,5,rounding=stochastic,seed=123456789"
X = np.linspace(-1, 1, 10_000).reshape(10, 1000)


def _array() -> sl.Array:
    return sl.array("4x4", "e4m3fn")


def _product() -> sl.DotResult:
    return sl.dot(sl.quantize(X, "e4m3fn"), sl.quantize(X.T, "e4m3fn"))


RESULTS: dict[str, tuple[Callable[[], object], str]] = {
    "Array": (
        _array,
        "<Array 4x4: e4m3fn x e4m3fn to e4m3fn, accumulator exact, line 4, acc_rows 256, "
        "k_max 65536>",
    ),
    "CacheReport": (sl.cache, "<CacheReport "),
    "CheckReport": (
        lambda: sl.check("int:4", level="quick", stages=["table"]),
        "<Report int:4 on 4x4: EQUAL: exhaustive in table>",
    ),
    "Description": (
        lambda: sl.describe("e4m3fn"),
        "<Description e4m3fn: 254 values, 0.001953125 to 448>",
    ),
    "Design": (
        lambda: sl.hardware(array=_array()),
        "<Design e4m3fn on 4x4: 34 sources, 4 kernels in the testbench>",
    ),
    "DotResult": (_product, "<DotResult [10, 10] int64 in units of 2^-18 by blas64>"),
    "Format": (lambda: sl.format("e4m3fn"), "systolab.format('e4m3fn')"),
    "FormatList": (sl.list_formats, "<FormatList of "),
    "LossReport": (
        lambda: sl.loss(X, "e4m3fn"),
        "<LossReport e4m3fn, shape 10x1000: SQNR ",
    ),
    "MapReport": (
        lambda: sl.map(DIGITS, array=_array()),
        "<MapReport digits_cnn, e4m3fn on 4x4: 6 steps, 7,777 cycles>",
    ),
    "Model": (lambda: sl.Model(_array()), "<Model e4m3fn on 4x4>"),
    "MutationReport": (
        lambda: sl.mutate("int:4", 2, array="2x2", level="quick"),
        "<Campaign 2 mutants of int:4 on 2x2: ",
    ),
    "Network": (lambda: sl.load(DIGITS), "<Network digits_cnn: 10 layers, 8 constants>"),
    "Program": (
        lambda: sl.compile(DIGITS, _array()),
        "<Program digits_cnn, e4m3fn on 4x4: 6 steps, 7,777 cycles>",
    ),
    "QuantizedTensor": (
        lambda: sl.quantize(X, "mxfp4"),
        "<QuantizedTensor [10, 1000] of mxfp4, 320 scales>",
    ),
    "RunReport": (
        lambda: sl.run(DIGITS, array=_array(), images=1),
        "<RunReport digits_cnn.onnx, e4m3fn on 4x4: identical: every output code and every cycle",
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_one_short_line(name: str) -> None:
    make, begin = RESULTS[name]
    said = repr(make())
    assert said.startswith(begin)
    assert len(said) < 200
    assert "\n" not in said


def test_these_are_all_results() -> None:
    """What is small and plain (accumulators, kinds, the error) prints all its fields."""
    plain = {
        "Exact", "Float", "Float32", "Rounding", "Saturate", "Saturation", "ScaleKind", "ScaleRule",
        "Scaling", "SystolabError", "Wrap",
    }  # fmt: skip
    classes = {name for name in sl.__all__ if inspect.isclass(getattr(sl, name))}
    assert classes - plain == set(RESULTS)
    for name in ("Exact", "Float32", "Scaling"):
        assert len(repr(getattr(sl, name)())) < 200


@pytest.mark.parametrize("kind", [Shown])
def test_every_report_has_a_headline_and_does_not_print_its_fields(kind: type) -> None:
    for module in pkgutil.walk_packages(sl.cosim.__path__, "systolab.cosim."):
        import_module(module.name)
    reports: list[type] = kind.__subclasses__()
    for each in reports:
        reports += each.__subclasses__()
        assert not inspect.isabstract(each), each
        assert each.__repr__ is kind.__repr__, each
    assert len(reports) > 8


def test_long_and_hostile_names() -> None:
    network = replace(sl.load(DIGITS), name="\x1b[2J\n" + 500 * "x")
    said = repr(network)
    assert said.startswith(r"<Network \x1b[2J\nxxx")
    assert said.endswith("...>")
    assert len(said) < 200
    machine = sl.array("16x16", LONG, accumulator="float32")
    assert len(repr(machine)) < 200


def test_a_scalar_says_its_scale() -> None:
    assert repr(sl.quantize(3.0, "int:8,scale=pow2")) == (
        "<QuantizedTensor [] of int:8,scale=pow2, scale 0.03125>"
    )


def test_a_design_is_shown_like_other_results() -> None:
    design = sl.hardware("e4m3fn", array="4x4", weight="int:4")
    data = design.as_data()
    assert json.loads(json.dumps(data)) == data
    assert data["weight"] == "int:4"
    assert data["files"] == {name: text.count("\n") for name, text in design.files.items()}
    assert design.text().startswith("e4m3fn on 4x4: 34 sources, 4 kernels in the testbench\n\nfile")
    lines = design.files["systolab_top.v"].count("\n")
    assert f"systolab_top.v {lines:>20}".split() in [x.split() for x in design.text().split("\n")]
    assert "<td" in design._repr_html_()
    assert "systolab_top.v" in design._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sl.hardware(array=_array()).write(None), "folder must be a path, not None"),  # type: ignore[arg-type]
        (lambda: sl.check("int:4", waves=3), "waves must be a path, not 3"),  # type: ignore[arg-type]
        (lambda: sl.run(DIGITS, "int:4", waves=3), "waves must be a path, not 3"),  # type: ignore[arg-type]
        (lambda: sl.map(DIGITS, "int:4", knowledge=3), "knowledge must be a path, not 3"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_is_no_path(call: Callable[[], object], message: str) -> None:
    with pytest.raises(sl.SystolabError) as raised:
        call()
    assert str(raised.value) == message


def test_a_design_is_written(tmp_path: Path) -> None:
    design = sl.hardware("e4m3fn", array="4x4")
    design.write(str(tmp_path / "new"))
    found = (path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert {path.relative_to(tmp_path / "new").as_posix() for path in found} == set(design.files)
