"""A number format for Systolab: replace the table by your own."""

from systolab import Format, ScaleKind, Scaling


class Mine(Format):
    """Five bits: a sign, and a magnitude from a table."""

    bits = 5
    scaling = Scaling(ScaleKind.POW2)  # a power of two, fitted to each tensor
    magnitudes = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128)

    def decode(self, code: int) -> float:
        """The value of a code: a binary32 value, NaN or an infinity; one of them is zero."""
        value = float(self.magnitudes[code & 15])
        return -value if code & 16 else value
