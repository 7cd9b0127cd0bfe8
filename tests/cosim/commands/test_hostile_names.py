"""Names from a model or the command line are shown as they are spelt, and forge nothing."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import systolab as sl
from systolab.cosim import cli
from systolab.cosim.check.report import Coverage, Finding, Report, StageResult
from systolab.cosim.terminal.console import steps
from systolab.formats.outside.escape import printable
from systolab.glenside.dot import to_dot

NAMES = ("a\r\nverdict identical", "\x1b[31m", "</script>", "\x01", 'b" -> "c', "\\N\\l", "\u202e")
LONE = "\udcff"  # no model can hold it: protobuf is UTF-8; names of files can


def network(path: Path) -> str:
    """A chain of products whose nodes and tensors have the names."""
    nodes, weights = [], []
    tensor = "x" + NAMES[0]
    for number, name in enumerate(NAMES):
        weights.append(numpy_helper.from_array(np.eye(4, dtype=np.float32), f"w{number}{name}"))
        nodes.append(
            helper.make_node("MatMul", [tensor, weights[-1].name], [f"t{number}{name}"], name=name)
        )
        tensor = nodes[-1].output[0]
    first, last = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4])
        for name in (nodes[0].input[0], tensor)
    )
    graph = helper.make_graph(nodes, "g\x1b\r\n", [first], [last], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return str(path)


def spelt(text: str) -> bool:
    """Whether every line is printable, and none is one that a name forged."""
    lines = text.removesuffix("\n").split("\n")
    return all(map(str.isprintable, lines)) and not any(
        line.startswith("verdict identical") for line in lines
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return network(tmp_path_factory.mktemp("model") / f"m{NAMES[0]}{NAMES[3]}.onnx")


@pytest.fixture(scope="module")
def mapped(model: str) -> sl.MapReport:
    return sl.map(model, "int:4", array="2x2")


def test_map(model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["map", model, "--format", "int:4", "--array", "2x2"]
    data, drawing = tmp_path / "m.json", tmp_path / "m.dot"
    assert cli.main([*arguments, "--json", str(data), "--dot", str(drawing)]) == 0
    shown = capsys.readouterr().out
    assert spelt(shown)
    for name in NAMES:
        assert printable(name) in shown
    names = [step["name"] for step in json.loads(data.read_text())["steps"]]
    assert set(NAMES) <= set(names)
    assert drawing.read_text(encoding="utf-8").startswith("digraph")


def test_explain(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["map", model, "--format", "int:4", "--array", "2x2", "--explain"]
    for name in NAMES:
        assert cli.main([*arguments, name]) == 0
        assert spelt(capsys.readouterr().out)
    assert cli.main([*arguments, "no\nsuch"]) == 2
    assert spelt(capsys.readouterr().err)


def test_run(model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--format", "int:4", "--array", "2x2", "--images", "1", "--out", str(out)]
    assert cli.main(["run", model, *arguments]) == 0
    shown = capsys.readouterr().out
    assert spelt(shown)
    assert sum(line.startswith("verdict") for line in shown.split("\n")) == 1
    assert (out / "report.txt").read_text(encoding="utf-8") == shown
    layers = json.loads((out / "report.json").read_text())["layers"]
    assert set(NAMES) <= {layer["name"] for layer in layers}


def test_a_model_that_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in (*NAMES, LONE):
        path = str(tmp_path / name.replace("/", "") / "m.onnx")
        assert cli.main(["run", path, "--format", "int:4"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert spelt(err)


def test_dot(mapped: sl.MapReport, tmp_path: Path) -> None:
    text = to_dot(mapped.program)
    assert spelt(text)
    quoted = r'"(?:[^"\\]|\\.)*"'
    statement = rf"  {quoted}( -> {quoted})? \[(shape=ellipse, )?label={quoted}\];"
    for line in text.split("\n")[2:-2]:
        assert re.fullmatch(statement, line), line
    ids = set(re.findall(rf"^  ({quoted}) \[(?!shape)", text, re.MULTILINE))
    assert len(ids) == len(mapped.program.steps)
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=text.encode(), check=True, capture_output=True)


class Tags(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


def test_html(mapped: sl.MapReport) -> None:
    page = mapped._repr_html_()
    assert spelt(page)
    found = Tags(page)
    assert found.tags == {"div", "table", "thead", "tbody", "tr", "th", "td"}
    for name in NAMES:
        assert printable(name) in found.said


def test_junit_and_json_hold_every_name() -> None:
    stages = [
        StageResult(name, 2, 1, Coverage.SAMPLED, name, finding=Finding(name, ((name, name),)))
        for name in (*NAMES, LONE)
    ]
    stages.append(StageResult(LONE, 0, 0, Coverage.SKIPPED, "\x01"))
    report = Report({"format": "\x01\ufffe" + LONE}, stages)
    document = report.to_junit()
    assert document.isascii()
    suite = ElementTree.fromstring(document)
    assert suite.get("name") == r"systolab check \x01\ufffe\udcff"
    cases = [case.get("name") for case in suite.iter("testcase")]
    assert cases == [NAMES[0], r"\x1b[31m", "</script>", r"\x01", *NAMES[4:], *2 * [r"\udcff"]]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert "\nverdict identical" not in failure.text
    assert spelt(report.text())
    page = Tags(report._repr_html_())
    assert "script" not in page.tags


def test_junit_of_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a\x01\n\udcffb.py"
    path.write_text(
        "from systolab import Format\nclass F(Format):\n    bits = 2\n"
        "    def decode(self, code): return float(code)\n"
    )
    arguments = ["check", f"{path}:F", "--array", "2x2", "--quick", "--stage", "table"]
    assert cli.main([*arguments, "--junit", "-"]) == 0
    name = ElementTree.fromstring(capsys.readouterr().out).get("name")
    assert name is not None
    assert "a\\x01\n\\udcffb.py:F" in name
    assert cli.main([*arguments, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["subject"]["format"].encode()
    assert cli.main(arguments) == 0
    assert spelt(capsys.readouterr().out)


def test_sources_do_not_hold_a_line_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a\nendmodule\x1b.py"
    path.write_text(
        "from systolab import Format\nclass F(Format):\n    bits = 2\n"
        "    def decode(self, code): return float(code)\n"
    )
    design = sl.hardware(f"{path}:F", array="2x2")
    named = [name for name, text in design.files.items() if "endmodule\\x1b.py" in text]
    assert {"systolab_top.v", "systolab_tb.sv", "README.md"} <= set(named)
    for name, text in design.files.items():
        assert "\nendmodule\x1b" not in text, name
        assert "\x1b" not in text, name


def test_progress_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Line:
        def update(self, text: object) -> None:
            said.append(str(text))

        def __enter__(self) -> Line:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console.status", lambda self, text: Line())
    with steps("check") as step:
        step("a\r\x1b[2J")
    assert said == [r"check: a\r\x1b[2J"]


def test_choices_are_named_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    found = 0
    (commands,) = (
        action
        for action in cli.parser(cli.COMMANDS)._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for name, parser in commands.choices.items():
        for action in parser._actions:
            if action.choices is None:
                continue
            found += 1
            assert {type(choice) for choice in action.choices} == {str}
            needed = {"show": ["f"], "check": ["f"], "rtl": ["f", "-o", "x"]}
            needed |= {"run": ["m", "--format", "f"], "quantize": ["x", "--format", "f"]}
            with pytest.raises(SystemExit):
                cli.main([name, *needed[name], action.option_strings[-1], "bogus"])
            err = capsys.readouterr().err
            assert re.search(r"\(choose from '[a-z]+'(, '[a-z]+')*\)", err), err
    assert found >= 4
