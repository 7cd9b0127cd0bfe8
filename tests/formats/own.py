"""A format as a person writes it in a notebook: a class, and no name for it."""

from systolab import Format


class Thirds(Format):
    """Four bits: a sign, and zero to seven thirds of a binary32."""

    bits = 4

    def decode(self, code: int) -> float:
        """The value of a code."""
        return (code & 7) * 0.328125 * (-1 if code & 8 else 1)
