"""What Python prints of an object: one short line, whatever names it has."""

from __future__ import annotations

__all__ = ["representation"]

_MOST = 150  # characters of what is said


def representation(of: object, said: str) -> str:
    r"""A line for ``__repr__`` of an object whose fields would flood the screen.

    >>> representation(1, "a\nname")
    '<int a\\nname>'

    Args:
        of: the object.
        said: what tells it from others; escaped where no terminal prints it, cut where it is long.
    """
    line = repr(said)[1:-1]
    line = line if len(line) <= _MOST else f"{line[: _MOST - 3]}..."
    return f"<{type(of).__name__} {line}>"
