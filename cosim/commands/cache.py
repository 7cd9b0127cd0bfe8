"""`systolab cache`: what the build cache holds, and freeing it."""

import argparse

from systolab.cosim.api.cache import cache
from systolab.cosim.commands import options

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "cache"
HELP = "show the cache of built models, or prune it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab cache`."""
    parser.add_argument(
        "--prune",
        metavar="DAYS",
        type=float,
        help="remove models that were not used for so many days (0: all), and what no model needs",
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List or prune."""
    options.answer(cache(prune=args.prune), args.json)
    return 0
