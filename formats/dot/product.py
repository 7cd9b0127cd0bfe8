"""Dot products of codes, in the order of operations that the hardware keeps.

For ``y[m, n]`` and each group of ``group`` consecutive ``k``::

    s = +0;  for k in the group:  s = s + a[m, k] * w[k, n]
    acc = acc + s                                            (acc starts at +0)

The accumulator says what ``*`` and ``+`` are. A weight-stationary kernel sums groups of as many as
it has lanes, at most the rows of its array; ``group=1`` is ``acc = acc + p``, the output-stationary
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from systolab.formats.arithmetic.accumulator import (
    Accumulator,
    AccumulatorLike,
    parse_accumulator,
)
from systolab.formats.codes import Codes
from systolab.formats.engines import (
    blas,
    ordered,
    pure_numpy,
    rational,
    rounded,
    softfloat_loop,
    table,
)
from systolab.formats.engines.decode import has_special
from systolab.formats.engines.engine import Engine, Result
from systolab.formats.engines.spec import BINARY64_INTEGERS, Operands, Spec
from systolab.formats.errors import SystolabError, meant
from systolab.formats.format import Format
from systolab.formats.outside.choices import integer, shown
from systolab.formats.outside.short import representation
from systolab.formats.registry.registry import FormatLike, get
from systolab.formats.selfcheck import require_ieee

__all__ = ["ENGINES", "DotResult", "accumulator_bits", "choose_engine", "dot", "exact_k"]

# Fastest first: "auto" takes the first whose precondition is proved. NumPy computes everything,
# so the two behind it run only when they are named.
ENGINES: tuple[Engine, ...] = (
    blas.BLAS32,
    blas.BLAS64,
    blas.LIMBS,
    ordered.FLOAT32,
    ordered.SATURATE,
    rounded.ROUNDED,
    table.TABLE,
    pure_numpy.ENGINE,
    softfloat_loop.ENGINE,
    rational.ENGINE,
)


@dataclass(frozen=True, repr=False)
class DotResult:
    """Accumulators of a matrix product.

    Attributes:
        acc: shape [M, N]; int64 in units of ``2**lsb`` (Python integers, dtype object, for an Exact
            accumulator that may need more than 64 bits), or float32 for floating-point ones.
        lsb: log2 of the unit; 0 for floating-point accumulators.
        engine: what computed them.
    """

    acc: Result
    lsb: int
    engine: str

    def __repr__(self) -> str:
        """Shape, type, unit and engine: the accumulators themselves are in ``acc``."""
        shape = list(self.acc.shape)
        unit = f" in units of 2^{self.lsb}" if self.lsb else ""
        return representation(self, f"{shape} {self.acc.dtype}{unit} by {self.engine}")


def dot(
    a: Codes,
    w: Codes,
    fmt_a: FormatLike,
    fmt_w: FormatLike,
    accumulator: AccumulatorLike,
    group: int,
    engine: str = "auto",
) -> DotResult:
    """The matrix product of codes, accumulated as described above.

    NaN and infinities propagate by IEEE 754's rules in floating-point accumulators, where a NaN
    comes out canonical, and are refused by integer ones. A sum of zeros is +0: -0 never comes out.
    Every engine gives the same bytes.

    Args:
        a: codes [M, K].
        w: codes [K, N].
        fmt_a: format of ``a``.
        fmt_w: format of ``w``.
        accumulator: what products are and how they are added.
        group: how many products are summed before they are added to the accumulator.
        engine: ``"auto"``: the fastest that is proved to apply; or the name of one.

    Raises:
        SystolabError: an operand is not a matrix of its format's codes, the inner sizes differ, a
            NaN or infinity meets an integer accumulator, the accumulator does not fit the formats,
            or ``engine`` is unknown or not proved to apply.
    """
    require_ieee()
    fmt_a, fmt_w, accumulator = get(fmt_a), get(fmt_w), parse_accumulator(accumulator)
    codes_a, codes_w = _codes(a, fmt_a, "a"), _codes(w, fmt_w, "w")
    if codes_a.shape[1] != codes_w.shape[0]:
        raise SystolabError(
            f"Operand w must have as many rows as a has columns, {codes_a.shape[1]}, "
            f"not {codes_w.shape[0]}"
        )
    groups = integer("Group", group, 1)
    spec, chosen = _plan(fmt_a, fmt_w, accumulator, codes_a.shape[1], groups, str(engine))
    if spec.is_integer:
        _require_finite(codes_a, fmt_a, "a", accumulator)
        _require_finite(codes_w, fmt_w, "w", accumulator)
    acc = chosen.run(spec, Operands(codes_a, codes_w))
    return DotResult(acc, spec.lsb, chosen.name)


def choose_engine(
    fmt_a: FormatLike, fmt_w: FormatLike, accumulator: AccumulatorLike, k: int, group: int = 1
) -> str:
    """The engine that ``dot`` will run for a reduction of length ``k``."""
    return _plan(get(fmt_a), get(fmt_w), parse_accumulator(accumulator), k, group, "auto")[1].name


def exact_k(fmt_a: Format, fmt_w: Format) -> int:
    """The longest reduction whose every partial sum is a binary64: ``2**53 // (R_a * R_w)``."""
    return BINARY64_INTEGERS // (fmt_a.ratio * fmt_w.ratio)


def accumulator_bits(fmt_a: Format, fmt_w: Format, k: int) -> int:
    """The two's complement width that an Exact accumulator needs for reductions up to ``k``."""
    return (max(k, 1) * fmt_a.ratio * fmt_w.ratio).bit_length() + 1


@lru_cache(maxsize=1024)  # networks repeat their shapes, and a small product costs no more
def _plan(
    fmt_a: Format, fmt_w: Format, accumulator: Accumulator, k: int, group: int, engine: str
) -> tuple[Spec, Engine]:
    spec = Spec(fmt_a, fmt_w, accumulator, k, group)
    return spec, _choose(spec, engine)


def _choose(spec: Spec, name: str) -> Engine:
    if name == "auto":
        return next(engine for engine in ENGINES if engine.lacks(spec) is None)
    for engine in ENGINES:
        if engine.name == name:
            lacks = engine.lacks(spec)
            if lacks is not None:
                raise SystolabError(f"Engine {name} must have {lacks}")
            return engine
    names = ", ".join(engine.name for engine in ENGINES)
    hint = meant(name, ["auto", *names.split(", ")])
    raise SystolabError(f"Engine must be auto or one of {names}, not {name!r}{hint}")


def _codes(codes: Codes, fmt: Format, operand: str) -> Codes:
    """``codes`` checked, as the format's own dtype."""
    try:
        codes = np.asarray(codes)
    except (ValueError, TypeError):  # rows that differ in length
        raise SystolabError(
            f"Operand {operand} must be a matrix of uint8 or uint16 codes, not {shown(codes)}"
        ) from None
    if codes.ndim != 2 or codes.dtype not in (np.uint8, np.uint16):
        raise SystolabError(
            f"Operand {operand} must be a matrix of uint8 or uint16 codes, "
            f"not {codes.ndim}-dimensional {codes.dtype}"
        )
    limit = 2**fmt.bits
    if 8 * codes.itemsize > fmt.bits and codes.size and int(codes.max()) >= limit:
        raise SystolabError(
            f"Operand {operand} must hold codes of {fmt.name}, below {limit}, "
            f"not {int(codes.max())}"
        )
    if fmt.bits <= 8:
        return codes.astype(np.uint8, copy=False)
    return codes.astype(np.uint16, copy=False)


def _require_finite(codes: Codes, fmt: Format, operand: str, accumulator: Accumulator) -> None:
    if has_special(codes, fmt):
        row, column = (int(i) for i in np.argwhere(~np.isfinite(fmt.values[codes]))[0])
        code = int(codes[row, column])
        raise SystolabError(
            f"Operand {operand} must be finite for accumulator {accumulator}, not code {code:#x} "
            f"({fmt.values[code]}) at [{row}, {column}]"
        )
