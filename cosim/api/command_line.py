"""The command line that does what a call of a function did, for reports that name one."""

from __future__ import annotations

import shlex
from pathlib import Path

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.registry.registry import get
from systolab.rtl.kernel.configuration import array as make_array
from systolab.rtl.kernel.kernel import Array

__all__ = ["command_line", "spelt_in_full"]


def command_line(*words: object, **options: object) -> str:
    """The command line of a subcommand; empty where an argument is one that no text stands for.

    Args:
        words: the subcommand and its positional arguments.
        options: by name, with ``_`` for ``-``; those that are None or False are left out, True is
            a flag.
    """
    line: list[str | None] = ["systolab", *map(_word, words)]
    for name, value in options.items():
        if value is not None and value is not False:
            line.append(f"--{name.replace('_', '-')}")
            line += [] if value is True else [_word(value)]
    spelt = [word for word in line if word is not None]
    return shlex.join(spelt) if len(spelt) == len(line) else ""


def spelt_in_full(array: Array) -> bool:
    """Whether its formats, shape and accumulator are all that there is to say of an array."""
    return array == make_array(
        array.name,
        array.act,
        weight=array.weight,
        out_format=array.out,
        accumulator=array.accumulator,
    )


def _word(value: object) -> str | None:
    if isinstance(value, Format):
        return _spelling(value)
    return str(value) if isinstance(value, str | int | Path) else None


def _spelling(fmt: Format) -> str | None:
    try:
        return fmt.name if get(fmt.name) == fmt else None
    except SystolabError:
        return None
