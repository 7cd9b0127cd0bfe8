"""Aligned columns of text."""

from collections.abc import Sequence

__all__ = ["columns"]


def columns(
    heading: Sequence[str], body: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> str:
    """A table; columns are as wide as their widest cell, those in ``right`` flush right."""
    widths = [max(len(line[i]) for line in (heading, *body)) for i in range(len(heading))]

    def render(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join(
        [render(heading), render(["-" * width for width in widths]), *map(render, body)]
    )
