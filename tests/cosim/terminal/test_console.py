"""On a terminal reports fit and have colours; piped they are plain and the same everywhere."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

COMMANDS = (
    ["formats"],
    ["formats", "--compare-adaptivfloat"],
    ["show", "e4m3fn"],
    ["map", "examples/digits_cnn.onnx", "--array", "4x4"],
    ["map", "examples/digits_cnn.onnx", "--array", "4x4", "--explain", "conv1"],
    ["check", "e2m1", "--array", "2x2", "--quick"],
    ["run", "examples/digits_cnn.onnx", "--format", "e2m1", "--array", "2x2", "--images", "1"],
    ["cache"],
)
VOLATILE = re.compile(
    r"[\d,.]+( s\b| cycles/s)|(compile|build|run) \d+\.\d|\d+\.\d\d(?= |$)", re.MULTILINE
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(arguments: list[str], columns: int, **variables: str) -> str:
    """Standard output of a command on a terminal; standard error is a pipe."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "systolab", *arguments],
        stdout=theirs,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm-256color", **variables},
    )
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 1 << 16):
            output += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() == 0
    return output.decode().replace("\r\n", "\n")


def piped(arguments: list[str], **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "systolab", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(
    arguments: list[str], columns: int
) -> None:
    shown = COLOUR.sub("", on_terminal(arguments, columns))
    path = re.compile(r"/\S+")  # a folder's name may be longer than a line: it is cut, not lost
    wide = [line for line in shown.splitlines() if len(line) > columns]
    assert [line for line in wide if not path.search(line)] == []
    if arguments != ["cache"]:  # other tests may build meanwhile
        words = set(VOLATILE.sub("#", piped(arguments)).split())
        words = {word for word in words if not set(word) <= {"-"} and "#" not in word}
        assert words <= set(shown.split())


def test_colours_where_there_may_be_some() -> None:
    command = ["check", "e2m1", "--array", "2x2", "--stage", "table"]
    assert "\x1b[1;32mEQUAL" in on_terminal(command, 100)
    assert "\x1b[1;32m" not in on_terminal(command, 100, NO_COLOR="1")


def test_columns_of_the_environment() -> None:
    narrow = on_terminal(["formats"], 200, COLUMNS="70")
    assert max(len(COLOUR.sub("", line)) for line in narrow.splitlines()) <= 70


@pytest.mark.parametrize("arguments", COMMANDS[:5], ids=" ".join)
def test_piped_text_does_not_depend_on_the_environment(arguments: list[str]) -> None:
    plain = piped(arguments)
    assert "\x1b" not in plain
    assert plain == piped(arguments, COLUMNS="40", TERM="xterm-256color", FORCE_COLOR="1")
