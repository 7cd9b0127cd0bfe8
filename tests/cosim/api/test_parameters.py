"""What a message is about: callers of a function read the parameter's name, users of the command
the option that they typed.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import systolab as sl
from systolab.cosim import cli
from systolab.formats.errors import Parameter, SystolabError

ROOT = Path(__file__).parents[3]
FOLDERS = ("formats", "rtl", "glenside", "cosim")
OPTION = re.compile(r"--[a-z][a-z-]*")
DIGITS = "examples/digits_cnn.onnx"


def _messages() -> list[tuple[str, str]]:
    """Place and text of every piece of a message of an error, outside the command's own modules."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if place == "cosim/cli.py" or place.startswith("cosim/commands/"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and "Error" in ast.unparse(node.func):
                    texts = [n for arg in node.args for n in ast.walk(arg)]
                    found += [
                        (f"{place}:{node.lineno}", text.value)
                        for text in texts
                        if isinstance(text, ast.Constant) and isinstance(text.value, str)
                    ]
    return found


def _actions(command: str) -> list[argparse.Action]:
    made = cli.parser([command])
    subparsers = next(a for a in made._actions if isinstance(a, argparse._SubParsersAction))
    return list(subparsers.choices[command]._actions)


def test_no_message_below_the_command_speaks_of_an_option() -> None:
    messages = _messages()
    assert len(messages) > 500
    ours = {o for name in cli.COMMANDS for a in _actions(name) for o in a.option_strings}
    assert "--images" in ours
    spoken = [found for found in messages if ours.intersection(OPTION.findall(found[1]))]
    assert spoken == []  # that another program has options may be said


@pytest.mark.parametrize(
    ("call", "words", "python", "command"),
    [
        (
            lambda: sl.run(DIGITS, "e4m3fn", images=0),
            ["run", DIGITS, "--format", "e4m3fn", "--images", "0"],
            "images must be at least 1, not 0",
            "--images must be at least 1, not 0",
        ),
        (
            lambda: sl.run(DIGITS, "e4m3fn", seed=-1),
            ["run", DIGITS, "--format", "e4m3fn", "--seed", "-1"],
            "seed must be at least 0, not -1",
            "--seed must be at least 0, not -1",
        ),
        (
            lambda: sl.run(DIGITS, "e4m3fn", data="no such.npz"),
            ["run", DIGITS, "--format", "e4m3fn", "--data", "no such.npz"],
            "data='no such.npz' must be 'digits' or a readable .npz file: No such file",
            "--data 'no such.npz' must be 'digits' or a readable .npz file: No such file",
        ),
        (
            lambda: sl.run(DIGITS, "e4m3fn", fixed_bias=200),
            ["run", DIGITS, "--format", "e4m3fn", "--fixed-bias", "200"],
            "fixed_bias must be from -100 to 100, not 200",
            "--fixed-bias must be from -100 to 100, not 200",
        ),
        (
            lambda: sl.run(DIGITS, "e4m3fn", trace_error=True, budget="x"),
            ["run", DIGITS, "--format", "e4m3fn", "--trace-error", "--budget", "x"],
            "budget must be a positive number or percentage, not 'x'",
            "--budget must be a positive number or percentage, not 'x'",
        ),
        (
            lambda: sl.check("int:4", stages=["tables"]),
            ["check", "int:4", "--stage", "tables"],
            "stages must be among table, ",
            "--stage must be among table, ",
        ),
        (
            lambda: sl.mutate("int:4", 0),
            ["check", "int:4", "--mutate", "0"],
            "count must be at least 1, not 0",
            "--mutate must be at least 1, not 0",
        ),
    ],
)
def test_both_spellings(
    call: Callable[[], object],
    words: list[str],
    python: str,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystolabError) as raised:
        call()
    assert str(raised.value).startswith(python)
    assert cli.main(words) == 2
    assert capsys.readouterr().err.startswith(f"systolab: error: {command}")


def test_data_in_memory() -> None:
    with pytest.raises(SystolabError, match=r"^data: x must be finite in binary32, not NaN or inf"):
        sl.run(DIGITS, "e4m3fn", data=np.full((40, 1, 8, 8), np.nan))


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        ("run", [sl.run]),
        ("check", [sl.check, sl.mutate]),
        ("map", [sl.map]),
        ("quantize", [sl.loss]),
        ("rtl", [sl.hardware]),
        ("show", [sl.describe]),
    ],
)
def test_an_option_has_the_name_of_its_parameter(
    command: str, functions: list[Callable[..., object]]
) -> None:
    """Else a message could not be spelt in options."""
    parameters = {name for f in functions for name in inspect.signature(f).parameters}
    dests = {action.dest for action in _actions(command)}
    missing = parameters - dests - {"progress"}
    # Chosen with flags, in a folder given otherwise, or what a file holds.
    assert missing <= {"level", "waves", "x"}, command


def test_pieces() -> None:
    error = SystolabError(Parameter("data", "it's"), " must be ", "good")
    assert str(error) == 'data="it\'s" must be good'
    assert error.spelt(lambda p: f"<{p.name}>") == "<data> must be good"
