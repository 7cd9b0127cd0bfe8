"""The dispatcher: what it imports, what it prints and its exit status."""

import argparse
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from systolab.cosim import cli
from systolab.formats.dot.product import ENGINES
from systolab.formats.errors import SystolabError


def _command(name: str, outcome: int | BaseException) -> types.SimpleNamespace:
    def run(args: argparse.Namespace) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return types.SimpleNamespace(
        NAME=name, HELP=f"help of {name}", add_arguments=lambda parser: None, run=run
    )


@pytest.fixture
def one_command(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(cli, "COMMANDS", ("run",))
    return monkeypatch


@pytest.mark.parametrize("status", [0, 1, 2])
def test_exit_status_is_that_of_the_command(one_command: pytest.MonkeyPatch, status: int) -> None:
    one_command.setattr(cli, "load", lambda name: _command(name, status))
    assert cli.main(["run"]) == status


def test_user_error_is_one_sentence_and_status_2(
    one_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SystolabError("Thing must be small, not 7")
    one_command.setattr(cli, "load", lambda name: _command(name, error))
    assert cli.main(["run"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "systolab: error: Thing must be small, not 7\n"


def test_an_error_cannot_steer_the_terminal(
    one_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = SystolabError("Layer must be known, not a\r\x1b[2Jb")
    one_command.setattr(cli, "load", lambda name: _command(name, error))
    cli.main(["run"])
    assert capsys.readouterr().err.endswith(r"not a\r\x1b[2Jb" + "\n")


def test_help_names_the_environment_and_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    for word in ("SYSTOLAB_CACHE", "CXX", "70   a defect", "- as FILE is standard output"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_part_cannot_end_the_command(
    one_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one_command.setenv("SYSTOLAB_CACHE", str(tmp_path))
    one_command.setattr(cli, "load", lambda name: _command(name, SystemExit(0)))
    assert cli.main(["run"]) == 70
    assert "RuntimeError: a part of the command asked to exit with 0" in capsys.readouterr().err


def test_wrong_usage_cannot_steer_the_terminal(
    one_command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_command.setattr(cli, "load", lambda name: _command(name, 0))
    with pytest.raises(SystemExit):
        cli.main(["run", "a\r\nverdict identical\x1b"])
    assert r"arguments: a\r\nverdict identical\x1b (" in capsys.readouterr().err


def test_only_the_chosen_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> types.SimpleNamespace:
        assert name == "run", "a broken sibling must not be imported"
        return _command(name, 0)

    monkeypatch.setattr(cli, "COMMANDS", ("broken", "run"))
    monkeypatch.setattr(cli, "load", load)
    assert cli.main(["run"]) == 0


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--no-such-option"]])
def test_wrong_usage_is_status_2(arguments: list[str], one_command: pytest.MonkeyPatch) -> None:
    one_command.setattr(cli, "load", lambda name: _command(name, 0))
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["chek", "int:4"], "did you mean 'check'?"),
        (["check", "int:4", "--arry", "4x4"], "did you mean '--array'?"),
        (["check", "int:4", "--codec", "tabel"], "did you mean 'table'?"),
        (["quantize", "x.npy", "--format", "int:4", "--calibrate", "Max"], "did you mean 'max'?"),
    ],
)
def test_the_word_that_was_meant(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert f"; {hint} (systolab" in capsys.readouterr().err


def test_help_lists_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", ("one", "two"))
    monkeypatch.setattr(cli, "load", lambda name: _command(name, 0))
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "help of one" in out
    assert "help of two" in out


def test_no_command_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    """As peers do: the help, on standard error, since nothing was asked for; wrong usage."""
    with pytest.raises(SystemExit) as exit_:
        cli.main([])
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: systolab ")
    for name in cli.COMMANDS:
        assert re.search(rf"^ +{name} +\w", captured.err, re.MULTILINE), name


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def _help(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    return " ".join(capsys.readouterr().out.split())


def test_help_says_what_there_is_to_choose_from(capsys: pytest.CaptureFixture[str]) -> None:
    text = _help("run", capsys)
    for engine in ENGINES:
        assert re.search(rf"\b{engine.name}\b", text), engine.name
    text = _help("check", capsys)
    assert "(without it and --full: the normal level)" in text
    assert "those in logic that the array is built without are absent" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["check", "int:4", "--mutate", "2", "--waves", "w"],
            "Option --waves must not come with --mutate: a fault that is found is meant to be "
            "there",
        ),
        (
            ["show", "int:4", "--table", "--json", "-"],
            "Option --table must not come with --json -, which prints no text; --json FILE leaves "
            "room for it",
        ),
        (
            ["map", "examples/digits_cnn.onnx", "--explain", "conv1", "--json", "-"],
            "Option --explain must not come with --json -, which prints no text; --json FILE "
            "leaves room for it",
        ),
        (["cache", "--prune", "-1"], "--prune must be at least 0 days, not -1.0"),
        (["cache", "--prune", "nan"], "--prune must be at least 0 days, not nan"),
    ],
)
def test_no_option_is_ignored_in_silence(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == f"systolab: error: {message}\n"


def test_every_listed_command_loads_under_its_name() -> None:
    assert [cli.load(name).NAME for name in cli.COMMANDS] == list(cli.COMMANDS)


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"{Path(sys.executable)} -m systolab --help | head -c 1"
    shell = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=120
    )
    assert "Traceback" not in shell.stderr
