"""The command line that all benchmarks share, and their one way out."""

from __future__ import annotations

import argparse
import inspect
import math
import sys
from collections.abc import Callable
from typing import NoReturn

import numpy as np

from systolab.cosim.exit_status import guarded
from systolab.formats.codes import Codes
from systolab.formats.format import Format


def start(main: Callable[[], int]) -> NoReturn:
    """Run a benchmark and exit as the ``systolab`` command does: what is wrong is one sentence."""
    sys.exit(guarded(main))


def parser(documentation: str | None, **arguments: float | str) -> argparse.ArgumentParser:
    """A parser that shows a module's docstring, with options ``--NAME DEFAULT``.

    Args:
        documentation: the benchmark's ``__doc__``.
        arguments: defaults by name; a value is read as the type of its default, and a number must
            be at least 1.
    """
    made = argparse.ArgumentParser(
        description=inspect.cleandoc(documentation or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in arguments.items():
        read = str if isinstance(default, str) else _counting(type(default))
        made.add_argument(f"--{name}", type=read, default=default, help=f"default: {default}")
    return made


def random_codes(fmt: Format, shape: int | tuple[int, ...], rng: np.random.Generator) -> Codes:
    """Codes of finite values, each as likely, in the type that the format's codes have."""
    finite = np.flatnonzero(np.isfinite(fmt.values))
    chosen = finite[rng.integers(0, len(finite), shape)]
    return chosen.astype(np.uint8 if fmt.bits <= 8 else np.uint16)


def _counting(kind: type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -math.inf
        if not 1 <= value < math.inf:
            what = "an integer" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {what} of at least 1, not {text!r}")
        return value

    return read
