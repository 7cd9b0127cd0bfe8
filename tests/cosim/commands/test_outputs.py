"""Files of the commands: checked before the work, ``-`` is standard output, all before the text."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from systolab.cosim import cli
from systolab.cosim.commands import check, formats, map, quantize, rtl, run, show

MODEL = str(Path("examples/digits_cnn.onnx").absolute())
CHECK = ["check", "e2m1", "--array", "2x2", "--stage", "table"]
MAP = ["map", MODEL, "--array", "4x4"]
RUN = ["run", MODEL, "--format", "e2m1", "--array", "2x2", "--images", "1"]
QUANTIZE = ["quantize", "x.npy", "--format", "int:8"]
RTL = ["rtl", "int:4", "--array", "2x2"]
SHOW = ["show", "int:4"]
OUTPUTS = (  # option, whether standard output takes it, command
    ("--json", True, ["formats"]),
    ("--json", True, SHOW),
    ("--plot", False, SHOW),
    ("--json", True, CHECK),
    ("--junit", True, CHECK),
    ("--waves", False, CHECK),
    ("--json", True, [*CHECK[:4], "--mutate", "1"]),
    ("--json", True, MAP),
    ("--dot", True, MAP),
    ("--knowledge", False, MAP),
    ("--json", True, RUN),
    ("--out", False, RUN),
    ("--json", True, QUANTIZE),
    ("--out", False, QUANTIZE),
    ("--out", False, RTL),
)
IDS = [f"{command[0]} {option}" for option, _, command in OUTPUTS]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, but for an array."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(4.0))
    return tmp_path


def test_no_output_is_missing() -> None:
    """Every option that names a file to write is in the list above."""
    known = {(command[0], option) for option, _, command in OUTPUTS}
    for name, module in {
        "check": check, "formats": formats, "map": map, "quantize": quantize, "rtl": rtl,
        "run": run, "show": show,
    }.items():  # fmt: skip
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        found = {
            action.option_strings[-1]
            for action in parser._actions
            if action.type is Path and action.option_strings
        }
        assert found == {option for command, option in known if command == name}


@pytest.mark.parametrize(("option", "_takes", "command"), OUTPUTS, ids=IDS)
def test_a_bad_path_is_refused_before_the_work(
    option: str,
    _takes: bool,
    command: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def worked(*_: object, **__: object) -> None:
        raise AssertionError("the work has started")

    for module, names in (
        (check, ("check", "mutate")), (formats, ("list_formats",)), (map, ("map_network",)),
        (quantize, ("_load",)), (rtl, ("hardware",)), (run, ("run_network",)),
        (show, ("describe",)),
    ):  # fmt: skip
        for name in names:
            monkeypatch.setattr(module, name, worked)
    (folder / "file").write_text("")
    assert cli.main([*command, option, "file/new.svg"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("file/new.svg must be writable: Not a directory\n")
    assert (folder / "file").read_text() == ""


@pytest.mark.parametrize(("option", "takes", "command"), OUTPUTS, ids=IDS)
def test_a_dash_is_standard_output(
    option: str, takes: bool, command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if takes and (command is RUN or "--mutate" in command):
        pytest.skip("takes long; one function writes JSON for all")
    status = cli.main([*command, option, "-"])
    out, err = capsys.readouterr()
    assert [path.name for path in folder.iterdir()] == ["x.npy"]
    if not takes:
        kind = "folder" if option == "--waves" or command in (RUN, RTL) else "file"
        assert status == 2
        said = f"Option {option} must name a {kind}, not - (standard output)"
        assert (out, err) == ("", f"systolab: error: {said}\n")
    elif option == "--json":
        assert status in (0, 1)
        json.loads(out)
    elif option == "--junit":
        assert ElementTree.fromstring(out).tag == "testsuite"
    else:
        assert out.startswith("digraph program {\n")
        assert out.endswith("}\n")


def test_missing_folders_are_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*QUANTIZE, "--out", "a/b/x.npz", "--json", "c/d.json"]) == 0
    assert np.load(folder / "a" / "b" / "x.npz")["codes"].shape == (4,)
    assert json.loads((folder / "c" / "d.json").read_text())["format"] == "int:8"
    assert cli.main([*MAP, "--dot", "e/f.dot", "--knowledge", "g/h.json"]) == 0
    assert (folder / "e" / "f.dot").exists()
    assert (folder / "g" / "h.json").exists()
    assert cli.main([*RTL, "-o", "i/j"]) == 0
    assert (folder / "i" / "j" / "systolab_top.v").exists()


@pytest.mark.parametrize("command", [RTL, RUN], ids=["rtl", "run"])
def test_a_folder_of_results_is_new_or_empty(
    command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, "--out", "."]) == 2
    error = "systolab: error: Output folder must be new or empty, not .\n"
    assert capsys.readouterr() == ("", error)


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400)); "


@pytest.mark.parametrize(
    ("command", "option"),
    [(["show", "int:8", "--table"], "--json"), (QUANTIZE, "--out"), (RTL, "--out"), (MAP, "--dot")],
    ids=["json", "npz", "rtl", "dot"],
)
def test_a_full_disk_is_told_and_leaves_nothing(
    command: list[str], option: str, folder: Path
) -> None:
    np.save("x.npy", np.arange(4000.0))
    program = f"{LIMITED}import sys; from systolab.cosim.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *command, option, "full"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith(" full must be writable: File too large\n")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["x.npy"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_of_a_run_are_written_before_a_pipe_breaks(unbuffered: str, folder: Path) -> None:
    words = " ".join([sys.executable, "-m", "systolab", *RUN])
    done = subprocess.run(
        ["bash", "-c", f"{words} --json p.json --out o | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads((folder / "p.json").read_text())["identical"] is True
    assert json.loads((folder / "o" / "report.json").read_text())["identical"] is True


@pytest.mark.parametrize(
    "command", ["map {} --json {}", "run {} --format int:8 --json {}", "map {} --dot {}"]
)
def test_an_output_does_not_replace_an_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"mine")
    link = tmp_path / "link.json"
    link.symlink_to(model)
    assert cli.main(command.format(model, link).split()) == 2
    assert "must not name what is read" in capsys.readouterr().err
    assert model.read_bytes() == b"mine"
