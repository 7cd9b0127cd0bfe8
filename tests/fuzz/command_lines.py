"""Command lines of known words in a wrong order, and of values that nobody should type."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from systolab.cosim.cli import COMMANDS
from tests.fuzz.runner import Outcome
from tests.fuzz.work import command

__all__ = ["command_line"]

_DIGITS = Path(__file__).parents[2] / "examples" / "digits_cnn.onnx"
_VALUES = (
    "", " ", "-", "--", "-1", "0", "1", "1e999", "nan", "9" * 400, "0x10", "\u0663", "x", "\udcff",
    "a\r\nverdict identical", "\x1b[2J", "/dev/null", "/dev/zero", "/proc/self/mem", ".", "..",
    "/", "~", "absent/file", "f" * 300, "{}", "%s", "None", "True", "*",
)  # fmt: skip
_FORMATS = (
    "int:8", "adaptivfloat:8,3", "mxfp8", "int:0", "int:99", "posit:8,9", "fixed:8,99999999999",
    "lns:8,3", "adaptivfloat:", "codebook:", "codebook:/dev/zero", "codebook:absent.csv",
    "absent.py:F", ":", ",", "int:8:8", "int:8,scale=bogus", "e4m3fn:block=0", "mxfp8:block=-1",
    "int:8,axis", "float:8,3,rounding=stochastic", "uint:1", "nf4", "int:8,block=1e9",
)  # fmt: skip
_ARRAYS = ("4x4", "0x0", "65x65", "4", "4x4x4", "-4x4", "1x1", "4X4", "x", "\u0664x4", "1e1x4")
_SUMS = ("exact", "float32", "wrap:32", "wrap:1", "saturate:-1", "wrap:32,99", "float:int:8", ":")
_OPTIONS = {
    "--format": _FORMATS, "--weight": _FORMATS, "--out-format": _FORMATS, "--array": _ARRAYS,
    "--accumulator": _SUMS, "--images": _VALUES, "--seed": _VALUES, "--engine": _VALUES,
    "--data": _VALUES, "--json": _VALUES, "--out": _VALUES, "-o": _VALUES, "--explain": _VALUES,
    "--dot": _VALUES, "--knowledge": _VALUES, "--dims": _VALUES, "--budget": _VALUES,
    "--fixed-bias": _VALUES, "--weight-scales": _VALUES, "--axis": _VALUES, "--percent": _VALUES,
    "--calibrate": _VALUES, "--plot": _VALUES, "--codec": _VALUES, "--stage": _VALUES,
    "--mutate": ("-1", "x", "1e9", ""), "--junit": _VALUES, "--waves": _VALUES, "--bogus": _VALUES,
}  # fmt: skip
# Words after which a command does nothing that takes long, whatever else it is told.
_STOPS = {"run": ("--images", "0"), "check": ("--stage", "bogus")}


def command_line(rng: random.Random, place: Path) -> Callable[[], Outcome]:
    """A subcommand with some options, most of them wrong."""
    name = rng.choice((*COMMANDS, *COMMANDS, "bogus", "", "-h", "--version"))
    words: list[str] = []
    match name:
        case "run" | "map":
            words.append(rng.choice((str(_DIGITS), str(_DIGITS), *_VALUES)))
        case "check" | "show" | "rtl":
            words.append(rng.choice((*_FORMATS, *_VALUES)))
        case "quantize":
            words.append(rng.choice(_VALUES))
    for option in rng.sample(sorted(_OPTIONS), rng.randint(0, 4)):
        words.append(option)
        if rng.random() < 0.95:
            words.append(rng.choice(_OPTIONS[option]))
    if rng.random() < 0.1:
        rng.shuffle(words)
    words += _STOPS.get(name, ())
    return lambda: command(name, *words)
