"""Linear takums (L. Hunhold, "Beating Posits at Their Own Game: Takum Arithmetic", 2024)."""

from math import ldexp, nan

from systolab import Format, SystolabError


class Takum(Format):
    """An n-bit linear takum: sign, direction, three regime bits, characteristic, mantissa.

    Takums span 2^-255 to 2^255. Systolab's values are binary32, so the outermost codes repeat the
    values of exponents -126 and 127. Rounds to the nearest value.
    """

    def __init__(self, bits: int = 8) -> None:
        if not 5 <= bits <= 16:
            raise SystolabError(f"Takum's width must be 5 to 16 bits, not {bits}")
        self.bits = bits

    def decode(self, code: int) -> float:
        """The value: two's complement order, ``(1 + mantissa) * 2^characteristic``."""
        sign_bit = 1 << (self.bits - 1)
        if code in (0, sign_bit):
            return nan if code else 0.0
        if code & sign_bit:
            return -self.decode(2 * sign_bit - code)
        padded = code << (16 - self.bits)  # missing bits are zeros
        upward, regime = padded >> 14 & 1, padded >> 11 & 7
        length = regime if upward else 7 - regime
        mantissa_bits = 11 - length
        offset = padded >> mantissa_bits & ((1 << length) - 1)
        characteristic = offset + ((1 << length) - 1 if upward else 1 - (2 << length))
        mantissa = 1 + ldexp(padded & ((1 << mantissa_bits) - 1), -mantissa_bits)
        if not -126 <= characteristic <= 127:
            characteristic, mantissa = (127 if upward else -126), 1.0
        return ldexp(mantissa, characteristic)
