"""Formats against software that others wrote: every code, and over a million values per format.

    python -m benchmarks.conformance

Prints the number of differing codes of the table (none where the peer has no decoder for it) and of
differing projections, which is zero; the differences that are meant are in docs/numbers.md, "Peers
that differ".
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import gfloat
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import parser, start
from systolab.formats import Format, Rounding, Saturation, get
from tests.formats.conformance import test_gfloat, test_ml_dtypes, test_posit, test_softfloat
from tests.formats.conformance.inputs import hostile, same_values

Values = NDArray[np.float64]
Row = tuple[str, str, int, int, int, int]


def compare(
    peer: str, fmt: Format, table: Values | None, x: NDArray[np.floating], expected: Values
) -> Row:
    """One line of the report."""
    codes = 0 if table is None else len(table)
    wrong = 0 if table is None else int((~same_values(fmt.values, table)).sum())
    differing = ~same_values(fmt.values[fmt.encode(x)], expected)
    return fmt.name, peer, codes, wrong, len(x), int(differing.sum())


def ml_dtypes_rows() -> Iterator[Row]:
    """All narrow floats of ml_dtypes, and NumPy's float16."""
    for name, dtype in test_ml_dtypes.FLOATS.items():
        finite = name in test_ml_dtypes.WITHOUT_SPECIALS
        fmt = get(name).replace(saturation=Saturation.FINITE if finite else Saturation.NONE)
        x = hostile(fmt, 1_010_000)
        x = x[~np.isnan(x)] if finite else x
        codes = np.arange(1 << fmt.bits, dtype=np.uint8 if fmt.bits <= 8 else np.uint16)
        table = codes.view(dtype).astype(np.float64)
        expected = x.astype(dtype).astype(np.float64)
        yield compare("ml_dtypes", fmt, table, x, expected)


def gfloat_rows() -> Iterator[Row]:
    """OCP formats and the 8-bit formats of P3109, with the peer's saturation off."""
    infos = {k: v for k, v in test_gfloat.OCP.items() if v.k <= 8 and k != "fixed:8,6"}
    infos |= {k: v for k, v in test_gfloat.P3109.items() if v.k == 8}
    for name, info in infos.items():
        saturate = info.num_nans == 0
        fmt = get(name).replace(saturation=Saturation.FINITE if saturate else Saturation.NONE)
        x = hostile(fmt, 1_600_000).astype(np.float64)
        x = x[(~np.isnan(x) | (info.num_nans > 0)) & (~np.signbit(x) | info.is_signed)]
        table = np.asarray(gfloat.decode_ndarray(info, np.arange(1 << info.k)), np.float64)
        mode = test_gfloat.MODES[Rounding.NEAREST_EVEN]
        expected = np.asarray(gfloat.round_ndarray(info, x, mode, sat=saturate), np.float64)
        yield compare("gfloat", fmt, table, x, expected)


def softfloat_rows() -> Iterator[Row]:
    """binary16 and bfloat16 in SoftFloat's five rounding modes."""
    for name, symbol in (("binary16", "f32_to_f16"), ("bfloat16", "f32_to_bf16")):
        for rounding, mode in test_softfloat.MODES.items():
            fmt = get(name).replace(rounding=rounding)
            x = hostile(fmt)
            with test_softfloat.rounding_mode(mode):
                bits = x.view(np.uint32).tolist()
                codes = test_softfloat.convert(symbol, bits, ctypes.c_uint32)
            expected = fmt.values[np.array(codes)]
            yield compare("SoftFloat", fmt, None, x, expected)


def softposit_rows() -> Iterator[Row]:
    """posit8, posit16 and four widths with es = 2."""
    for bits, es in ((8, 0), (16, 1), (5, 2), (8, 2), (12, 2), (16, 2)):
        fmt = get(f"posit:{bits},{es}")
        x = hostile(fmt).astype(np.float64)
        codes = test_posit.softposit_codes(x.tolist(), bits, es)
        yield compare("SoftPosit", fmt, None, x, fmt.values[np.array(codes)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print all rows; return 1 where something differs."""
    parser(__doc__).parse_args(arguments)
    heading = ("format", "peer", "codes", "differ", "values", "differ")
    print("{:36}{:12}{:>8}{:>8}{:>10}{:>8}".format(*heading))
    differing = 0
    with np.errstate(all="ignore"):
        for rows in (ml_dtypes_rows(), gfloat_rows(), softfloat_rows(), softposit_rows()):
            for row in rows:
                print("{:36}{:12}{:>8}{:>8}{:>10}{:>8}".format(*row))
                differing += row[3] + row[5]
    return int(differing > 0)


if __name__ == "__main__":
    start(main)
