"""The `systolab` command: finds the subcommand's module, parses its arguments, runs it.

Exit status: 0 good, 1 a mismatch was found, 2 wrong usage or input.
"""

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NoReturn, Protocol, cast

from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.formats.escape import printable

__all__ = ["COMMANDS", "Command", "load", "main", "parser"]

COMMANDS = ("cache", "check", "formats", "map", "quantize", "rtl", "run", "show")


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

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is; status 2."""
        if option := re.search(r"unrecognized arguments: (-[\w-]+)", message):
            message += meant(option[1], self._option_string_actions)
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            message += meant(choice[1], re.findall(r"[\w-]+", choice[2]))
        self.exit(2, f"{self.prog}: error: {message} ({self.prog} --help tells more)\n")


def parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser that knows these subcommands; only their modules are imported."""
    top = _Parser(
        prog="systolab",
        description="Co-simulation of systolic accelerators with custom number formats.",
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
    # A known subcommand imports its own module and nothing else: quick to start, and a defect in
    # one subcommand leaves the others usable.
    chosen = [arguments[0]] if arguments and arguments[0] in COMMANDS else COMMANDS
    spelling: Callable[[Parameter], str] = str
    try:
        if not arguments:
            top = parser(chosen)
            top.exit(2, top.format_help())
        parsed, unknown = parser(chosen).parse_known_args(arguments)
        if unknown:
            parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        spelling = _spelling(parsed.parser)
        return int(parsed.function(parsed))
    except SystolabError as error:
        lines = map(printable, f"systolab: error: {error.spelt(spelling)}".split("\n"))
        print("\n".join(lines), file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output went away (`systolab ... | head`): nobody is left to tell.
        sys.stderr.close()
        return 2
    except KeyboardInterrupt:
        print("systolab: interrupted", file=sys.stderr)
        return 130
