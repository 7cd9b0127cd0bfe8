"""Powers of two, multiplied by processing elements of their own that add logarithms."""

from pathlib import Path

from systolab import Format, ScaleKind, Scaling

_HERE = Path(__file__).parent


class Log2(Format):
    """Five bits: a sign and the logarithm of the magnitude. 0, +-1, +-2, +-4, ... +-16384.

    D. Miyashita, E. H. Lee, B. Murmann, "Convolutional Neural Networks using Logarithmic Data
    Representation", 2016. Rounds to the nearest value.
    """

    bits = 5
    scaling = Scaling(ScaleKind.POW2)
    hardware = {  # noqa: RUF012 - instances share it, nothing writes to it
        "pe": _HERE / "log2_pe.v",
        "pe_float32": _HERE / "log2_pe_float32.v",
    }

    def decode(self, code: int) -> float:
        """``2^(field - 1)``, and zero where the field is."""
        field = code & 15
        magnitude = 2.0 ** (field - 1) if field else 0.0
        return -magnitude if code & 16 else magnitude
