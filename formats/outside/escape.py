"""Text from outside, spelt so that it says what it is and does nothing else.

Names come from models, plug-ins and command lines. Printed raw, a line break in one forges a line
of a report, an escape steers the terminal, and a lone surrogate, which stands for a byte of a file
name that is no text, cannot be written at all.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping

__all__ = ["json_text", "markup", "printable", "writable", "xml_text"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""Text in which what would steer a terminal (newlines, escapes) is spelt out.

    >>> printable("a\r\nb\x1b[31m")
    'a\\r\\nb\\x1b[31m'
    """
    return "".join(c if c.isprintable() else _spelt(c) for c in text)


def writable(text: str) -> str:
    """Text in which lone surrogates are spelt out: all else can be written as UTF-8."""
    return _SURROGATE.sub(lambda found: _spelt(found[0]), text)


def markup(text: str) -> str:
    """Text as HTML: ``printable``, and nothing in it is a tag."""
    return html.escape(printable(text))


def xml_text(text: str) -> str:
    """Text in which the characters that XML 1.0 cannot hold, not even escaped, are spelt out."""
    return _NOT_XML.sub(lambda found: _spelt(found[0]), text)


def json_text(data: object, indent: int | None = 2) -> str:
    """Plain data as a JSON document of ASCII characters that every reader takes.

    JSON has no NaN and no infinities: they are the texts "nan", "inf" and "-inf".
    """
    return json.dumps(_whole(data), indent=indent, allow_nan=False) + "\n"


def _whole(data: object) -> object:
    """Data whose texts and keys are ``writable``, for many readers refuse a lone surrogate, and
    whose numbers are finite.
    """
    if isinstance(data, float) and not math.isfinite(data):
        return str(float(data))
    if isinstance(data, str):
        return writable(data)
    if isinstance(data, Mapping):
        return {_whole(key): _whole(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_whole(value) for value in data]
    return data


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
