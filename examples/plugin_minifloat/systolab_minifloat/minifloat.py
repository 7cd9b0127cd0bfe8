"""An 8-bit minifloat without specials, with a hardware decoder and encoder of its own."""

from math import ldexp
from pathlib import Path

from systolab import Format

_HERE = Path(__file__).parent


class Minifloat(Format):
    """Sign, four exponent bits, three mantissa bits; subnormals, both zeros, nothing special.

    Unscaled, the values are the integers 0 .. 15 and (8 + m) * 2^(e - 1). Rounds to the nearest
    value, ties to the even code, saturating: what Systolab does unless told otherwise.
    """

    bits = 8
    hardware = {  # noqa: RUF012 - instances share it, nothing writes to it
        "decoder": _HERE / "minifloat_decoder.v",
        "encoder": _HERE / "minifloat_encoder.v",
    }

    def decode(self, code: int) -> float:
        """``(8 + m) * 2^(e - 1)``, and ``m`` where the exponent field is zero."""
        exponent, mantissa = code >> 3 & 15, code & 7
        magnitude = ldexp(8 + mantissa, exponent - 1) if exponent else float(mantissa)
        return -magnitude if code & 0x80 else magnitude
