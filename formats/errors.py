"""The one exception that users see."""

from __future__ import annotations

__all__ = ["SystolabError"]


class SystolabError(Exception):
    """A user's input cannot be used; the message is one clear sentence.

    The command line prints the message and exits with status 2.
    """
