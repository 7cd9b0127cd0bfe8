"""`systolab cache`: what the build cache holds, and freeing it."""

import argparse
import time

from systolab.cosim.simulator.cache import cache_directory, cached_builds, prune
from systolab.cosim.terminal.console import show
from systolab.cosim.terminal.table import Column, Narrow, Table
from systolab.formats.errors import SystolabError

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "cache"
HELP = "show the cache of built models, or prune it"

_COLUMNS = (
    Column("build"),
    Column("MB", right=True),
    Column("last used"),
    Column("of", narrow=Narrow.WRAP),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab cache`."""
    parser.add_argument(
        "--prune",
        metavar="DAYS",
        type=float,
        help="remove models that were not used for so many days (0: all), and what no model needs",
    )


def run(args: argparse.Namespace) -> int:
    """List or prune."""
    where = f"build cache {cache_directory()} (SYSTOLAB_CACHE names another)"
    if args.prune is not None:
        if not args.prune >= 0:
            raise SystolabError(f"Option --prune must be at least 0 days, not {args.prune}")
        count, freed = prune(args.prune * 86400)
        show([where, f"removed {count} builds, {freed / 1e6:.1f} MB"])
        return 0
    builds = cached_builds()
    rows = [
        (
            build.key[:12],
            f"{build.size / 1e6:.1f}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(build.used)),
            " ".join(f"{name}={value}" for name, value in sorted(build.description.items())),
        )
        for build in builds
    ]
    total = f"{len(builds)} builds, {sum(build.size for build in builds) / 1e6:.1f} MB"
    show([where, "", Table(_COLUMNS, rows), "", total] if rows else [where, total])
    return 0
