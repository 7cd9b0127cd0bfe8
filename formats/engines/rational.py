"""Rational engine: exact integers and fractions, one term at a time; the last word on every other.

Nothing here uses floating-point arithmetic: values are taken from the table as fractions, a
rounding to binary32 or to a format is a comparison of fractions. Infinities and NaN follow IEEE
754's rules, written out.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from systolab.formats.arithmetic.accumulator import Exact, Float, Float32, Saturate, Wrap
from systolab.formats.engines.engine import Engine, Result, nothing
from systolab.formats.engines.spec import Operands, Spec
from systolab.formats.format import Format

__all__ = ["ENGINE", "round_binary32"]

_Extended = Fraction | float
"""A finite value is a Fraction; inf, -inf and NaN are floats. There is one zero."""

_BINARY32_OVERFLOW = Fraction(2**25 - 1, 2) * 2**104  # the tie between max and 2**128


def _run(spec: Spec, operands: Operands) -> Result:
    """The accumulator values [M, N]."""
    m, _, n = operands.shape
    values_a = [[_value(spec.fmt_a, c) for c in row] for row in operands.a.tolist()]
    values_w = [[_value(spec.fmt_w, c) for c in column] for column in operands.w.T.tolist()]
    cells = [[_dot(spec, a, w) for w in values_w] for a in values_a]
    if spec.is_integer:
        unit = Fraction(2) ** spec.lsb
        wide = np.empty((m, n), dtype=np.object_)
        for i, row in enumerate(cells):
            wide[i] = [int(Fraction(cell) / unit) for cell in row]
        return wide.astype(np.int64) if spec.is_int64 else wide
    # Every cell is a binary32 by now, so this conversion rounds nothing.
    return np.array([[float(cell) for cell in row] for row in cells], dtype=np.float32).reshape(
        m, n
    )


def _dot(spec: Spec, a: list[_Extended], w: list[_Extended]) -> _Extended:
    acc: _Extended = Fraction(0)
    for first in range(0, spec.k, spec.group):
        total: _Extended = Fraction(0)
        for x, y in zip(a[first : first + spec.group], w[first : first + spec.group], strict=True):
            total = _register(spec, _add(total, _product(spec, x, y)))
        acc = _register(spec, _add(acc, total))
    return acc


def _product(spec: Spec, x: _Extended, y: _Extended) -> _Extended:
    product = _multiply(x, y)
    match spec.accumulator:
        case Float32() | Float():
            return _register(spec, product)
        case Exact() | Wrap() | Saturate():
            return product


def _register(spec: Spec, x: _Extended) -> _Extended:
    """``x`` as the accumulator's register holds it."""
    match spec.accumulator:
        case Exact():
            return x
        case Wrap(bits=bits):
            unit = Fraction(2) ** spec.lsb
            half = 1 << (bits - 1)
            return ((int(Fraction(x) / unit) + half) % (2 * half) - half) * unit
        case Saturate(bits=bits):
            unit = Fraction(2) ** spec.lsb
            half = 1 << (bits - 1)
            return max(-half, min(half - 1, int(Fraction(x) / unit))) * unit
        case Float32():
            return round_binary32(x)
        case Float(format=fmt):
            return _project(fmt, x)


def _value(fmt: Format, code: int) -> _Extended:
    value = float(fmt.decode(code))
    return Fraction(value) if math.isfinite(value) else value


def _multiply(x: _Extended, y: _Extended) -> _Extended:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    if math.isnan(x) or math.isnan(y) or x == 0 or y == 0:
        return math.nan  # a NaN operand, or infinity times zero
    return math.inf if (x > 0) == (y > 0) else -math.inf


def _add(x: _Extended, y: _Extended) -> _Extended:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x + y
    if isinstance(x, Fraction):
        return y
    if isinstance(y, Fraction) or x == y:
        return x
    return math.nan  # a NaN operand, or infinities of opposite signs


def round_binary32(x: _Extended) -> _Extended:
    """``x`` rounded once to binary32, to nearest even.

    NaN and infinities stay, overflow gives an infinity, subnormals are kept.
    """
    if not isinstance(x, Fraction):
        return x
    if abs(x) >= _BINARY32_OVERFLOW:
        return math.inf if x > 0 else -math.inf
    return _round_to_precision(x, 24, -149)


def _round_to_precision(x: Fraction, precision: int, lowest: int) -> Fraction:
    """``x`` rounded to nearest even, to ``precision`` bits or a multiple of ``2**lowest``."""
    if x == 0:
        return x
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    if abs(x) < Fraction(2) ** exponent:
        exponent -= 1  # now 2**exponent <= |x| < 2**(exponent + 1)
    unit = Fraction(2) ** max(exponent - precision + 1, lowest)
    return round(x / unit) * unit  # round() of a Fraction takes ties to even


def _project(fmt: Format, x: _Extended) -> _Extended:
    """The format's projection; its argument travels as a round-to-odd binary64."""
    odd = _round_odd(x) if isinstance(x, Fraction) else x
    code = int(fmt.encode(np.array([odd], dtype=np.float64))[0])
    return _value(fmt, code)


def _round_odd(x: Fraction) -> float:
    """``x`` if it is a binary64, else the neighbouring binary64 whose last bit is one."""
    nearest = float(x)
    error = x - Fraction(nearest)
    if error == 0:
        return nearest
    if math.frexp(nearest)[0] * 2**53 % 2 == 1:
        return nearest
    return math.nextafter(nearest, math.inf if error > 0 else -math.inf)


ENGINE = Engine("rational", nothing, _run)
