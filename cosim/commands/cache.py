"""`systolab cache`: what the build cache holds, and freeing it."""

import argparse
import time

from systolab.cosim.simulator.build import cache_directory, cached_builds, prune
from systolab.cosim.terminal.columns import columns
from systolab.formats.errors import SystolabError

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


def run(args: argparse.Namespace) -> int:
    """List or prune."""
    print(f"build cache {cache_directory()}")
    if args.prune is not None:
        if not args.prune >= 0:
            raise SystolabError(f"Option --prune must be at least 0 days, not {args.prune}")
        count, freed = prune(args.prune * 86400)
        print(f"removed {count} builds, {freed / 1e6:.1f} MB")
        return 0
    builds = cached_builds()
    rows = [
        (
            build.key[:12],
            " ".join(f"{name}={value}" for name, value in sorted(build.description.items())),
            f"{build.size / 1e6:.1f}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(build.used)),
        )
        for build in builds
    ]
    if rows:
        print(columns(("build", "of", "MB", "last used"), rows, right=(2,)))
    print(f"{len(builds)} builds, {sum(build.size for build in builds) / 1e6:.1f} MB")
    return 0
