"""Formats given by a list of values: NF4 and the user's own codebooks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.outside.arrays import read_array
from systolab.formats.outside.choices import shown
from systolab.formats.outside.files import read_regular
from systolab.formats.scaling.scaling import ScaleKind, Scaling

__all__ = ["NF4_VALUES", "TableFormat", "load_codebook"]

_MAX_TEXT = 1 << 24  # bytes of a CSV file
_SHOWN = 20  # characters of what is no number

#: Quantiles of the normal distribution, scaled to [-1, 1] (Dettmers et al., QLoRA, 2023), as the
#: binary32 values that bitsandbytes uses.
NF4_VALUES = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


class TableFormat(Format):
    """Code i means value i; nearest value, scaled by largest magnitude over largest value.

    Values are rounded to binary32, which makes them what they are by definition.
    """

    scaling = Scaling(ScaleKind.BINARY32)

    def __init__(self, table: ArrayLike, name: str) -> None:
        """Make a format from 2^n values.

        Raises:
            SystolabError: values are no numbers, their number is not a power of two from 2 to
                65536, or zero is missing.
        """
        try:
            given = np.asarray(table)
        except ValueError:  # ragged
            given = np.array(None)
        if given.dtype.kind not in "fiub" or (given.dtype.kind == "f" and given.itemsize > 8):
            raise SystolabError(
                f"Codebook {name} must be a list of real numbers, not {shown(table)}"
            )
        with np.errstate(over="ignore"):
            values = given.astype(np.float64).astype(np.float32)
        count = values.size
        if values.ndim != 1 or not 2 <= count <= 65536 or count & (count - 1):
            raise SystolabError(
                f"Codebook {name} must be a list of 2, 4, 8, ... 65536 values, "
                f"not of shape {values.shape}"
            )
        self.bits = count.bit_length() - 1
        self.name = name
        self._table = values
        _ = self.codebook

    def decode(self, code: int) -> float:
        """Value number ``code``: NaN, infinities and -0 as the table has them."""
        return float(self._table[code])


def load_codebook(path: str) -> TableFormat:
    """A format from a CSV (values separated by commas or lines, ``#`` comments) or NumPy file.

    Raises:
        SystolabError: the file cannot be read or is no such list.
    """
    what = f"Codebook file {path!r}"
    if path.endswith(".npy"):
        values = read_array(path, what)
        if values.dtype.kind not in "fiu":
            raise SystolabError(f"{what} must hold real numbers, not {values.dtype}")
    else:
        values = np.array(_numbers(read_regular(path, what, _MAX_TEXT), what))
    if values.size == 0:
        raise SystolabError(f"{what} must hold 2, 4, 8, ... 65536 values, not none")
    return TableFormat(values, f"codebook:{path}")


def _numbers(content: bytes, what: str) -> list[float]:
    """Numbers of a CSV file."""
    try:
        lines = [line.partition("#")[0] for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise SystolabError(f"{what} must be text in UTF-8: {error}") from error
    numbers = []
    for item in (item.strip() for line in lines for item in line.split(",")):
        try:
            numbers += [float(item)] if item else []
        except ValueError as error:
            shown = item if len(item) <= _SHOWN else f"{item[:_SHOWN]}..."
            raise SystolabError(f"{what} must hold numbers, not {shown!r}") from error
    return numbers
