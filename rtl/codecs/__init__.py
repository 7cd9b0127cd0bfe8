"""Decoders and encoders in closed form (shifts, adders, comparators), and when they are used."""

from __future__ import annotations

from enum import StrEnum

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.rtl.codecs.decoder import closed_decoder
from systolab.rtl.codecs.encoder import closed_encoder
from systolab.rtl.codecs.shape import Shape, shape

__all__ = [
    "CODEC_HELP",
    "MAX_TABLE_BITS",
    "Codec",
    "NoCodecError",
    "Shape",
    "choose",
    "closed_decoder",
    "closed_encoder",
]

MAX_TABLE_BITS = 10  # widest code whose decoder and encoder may be tables


CODEC_HELP = (
    f"decoders and encoder: tables (up to {MAX_TABLE_BITS} bits), closed forms, or auto: "
    "tables where they fit (auto)"
)


class Codec(StrEnum):
    """How decoders and encoders are built."""

    AUTO = "auto"  #: tables up to 10 bits, closed forms beyond
    TABLE = "table"  #: constants, generated from the table of values
    CLOSED = "closed"  #: from the fields of the code


class NoCodecError(SystolabError):
    """The format has no decoder or encoder of the kind that is asked for."""


def choose(role: str, fmt: Format, codec: Codec) -> Shape | None:
    """The fields that a closed form of the format is made from; None for a table.

    Args:
        role: what the format is for, as it begins an error: ``"Activation"``.
        fmt: the format.
        codec: what is asked for.

    Raises:
        NoCodecError: the format is too wide for a table, or has no closed form.
    """
    narrow = fmt.bits <= MAX_TABLE_BITS
    if codec is Codec.TABLE and not narrow:
        raise NoCodecError(
            f"{role} format of an array with table codecs must have at most {MAX_TABLE_BITS} bits, "
            f"not {fmt.bits} ({fmt.name})"
        )
    if narrow and codec is not Codec.CLOSED:
        return None
    form = shape(fmt)
    if form is None and narrow:
        raise NoCodecError(
            f"{role} format of an array with closed-form codecs must be one that has a closed "
            f"form, not {fmt.name}"
        )
    if form is None:
        raise NoCodecError(
            f"{role} format of an array must have at most {MAX_TABLE_BITS} bits or a closed form, "
            f"not {fmt.bits} bits without one ({fmt.name})"
        )
    return form
