"""The `systolab` command: finds the subcommand's module, parses its arguments, runs it.

What its exit status means is in `systolab.cosim.exit_status`.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from systolab.cosim.exit_status import guarded
from systolab.cosim.terminal.output import put
from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.formats.outside.escape import printable

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ["COMMANDS", "Command", "load", "main", "parser"]

COMMANDS = ("cache", "check", "formats", "map", "quantize", "rtl", "run", "show")


_EPILOG = """\
files:
  A file as FILE is written whole or not at all, and folders on the way are
  made. - as FILE is standard output, where that makes sense.

environment:
  SYSTOLAB_CACHE  folder of built models; else systolab in XDG_CACHE_HOME, or
                  in ~/.cache. "systolab cache" shows and prunes it.
  CXX             C++ compiler that builds the models (g++)
  NO_COLOR, COLUMNS  no colours; another width than the terminal's

exit status:
  0    good
  1    software and hardware differ, or a planted fault survives
  2    wrong usage or input, or the system lacks something
  70   a defect of systolab; a report is written and named
  130  interrupted (143: terminated)
"""


class Command(Protocol):
    """What a module of `systolab.cosim.commands` provides."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the subcommand's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


def load(name: str) -> Command:
    """Import the module of one subcommand."""
    return cast(Command, importlib.import_module(f"systolab.cosim.commands.{name}"))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, with the word that was probably meant."""

    def __init__(self, **arguments: Any) -> None:
        # A shortened option would change its meaning with every option that is added.
        super().__init__(**arguments, allow_abbrev=False)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse's own says nothing where help or version cannot be written.
        if file is sys.stdout:
            put(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is; status 2."""
        if option := re.search(r"unrecognized arguments: (-[\w-]+)", message):
            message += meant(option[1], self._option_string_actions)
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            message += meant(choice[1], re.findall(r"[\w-]+", choice[2]))
        told = printable(f"{self.prog}: error: {message} ({self.prog} --help tells more)")
        self.exit(2, f"{told}\n")


def parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows these subcommands; only their modules are imported."""
    top = _Parser(
        prog="systolab",
        description="Co-simulation of systolic accelerators with custom number formats.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"systolab {version('systolab')}")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        command = load(name)
        subparser = subparsers.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(function=command.run, parser=subparser)
    return top


def _spelling(command: argparse.ArgumentParser) -> Callable[[Parameter], str]:
    """How users of a subcommand spell the parameters of the function behind it."""
    options = {a.dest: a.option_strings[-1] for a in command._actions if a.option_strings}

    def spelt(parameter: Parameter) -> str:
        name = options.get(parameter.name, parameter.name)
        return name if parameter.value is None else f"{name} {shlex.quote(parameter.value)}"

    return spelt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    # A known subcommand imports its own module and nothing else: quick to start, and a defect in
    # one subcommand leaves the others usable.
    chosen = [arguments[0]] if arguments and arguments[0] in COMMANDS else COMMANDS
    if not arguments:
        top = parser(chosen)
        top.exit(2, top.format_help())
    parsed, unknown = parser(chosen).parse_known_args(arguments)
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(parsed.function(parsed))
    except SystolabError as error:
        raise SystolabError(error.spelt(_spelling(parsed.parser))) from error
    except SystemExit as error:
        raise RuntimeError(f"a part of the command asked to exit with {error.code}") from error
