"""The command line that all benchmarks share."""

from __future__ import annotations

import argparse
import inspect


def parser(documentation: str | None, **arguments: object) -> argparse.ArgumentParser:
    """A parser that shows a module's docstring, with options ``--NAME DEFAULT``.

    Args:
        documentation: the benchmark's ``__doc__``.
        arguments: defaults by name; a value is read as the type of its default.
    """
    made = argparse.ArgumentParser(
        description=inspect.cleandoc(documentation or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in arguments.items():
        made.add_argument(
            f"--{name}", type=type(default), default=default, help=f"default: {default}"
        )
    return made
