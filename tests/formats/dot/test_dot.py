"""Dot products: the order of operations, special values, bounds and errors."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from systolab.formats import get, native
from systolab.formats.arithmetic.accumulator import Exact, Float, Float32, Saturate, Wrap
from systolab.formats.dot.product import ENGINES, accumulator_bits, choose_engine, dot, exact_k
from systolab.formats.engines.spec import Spec
from systolab.formats.errors import SystolabError

INT8 = get("int:8")


def built(*engines: str) -> list[str]:
    """The engines of these that do not lack the native library."""
    return [name for name in engines if native.available() or not name.startswith("ordered")]


def row(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.int8).view(np.uint8)


def test_order_of_float32_sums() -> None:
    """((a + b) + (c + d)) in groups of two, (((a + b) + c) + d) in groups of one or four."""
    fmt = get("bfloat16")
    values = np.array([2.0**24, 1.0, 1.0, 1.0], dtype=ml_dtypes.bfloat16)
    a = values.view(np.uint16).reshape(1, 4)
    w = np.ones((4, 1), dtype=ml_dtypes.bfloat16).view(np.uint16)
    sums = {g: dot(a, w, fmt, fmt, Float32(), g).acc[0, 0] for g in (1, 2, 3, 4, 9)}
    assert sums == {1: 2.0**24, 2: 2.0**24 + 2, 3: 2.0**24, 4: 2.0**24, 9: 2.0**24}


def test_order_of_saturating_sums() -> None:
    a, w = row(127, 127, -127, -127), row(127, 1, 127, 1).T
    wide = Spec(INT8, INT8, Exact(), 1, 1).product_bound.bit_length() + 1
    limit = 2 ** (wide - 1) - 1
    assert wide == 16
    for engine in built("ordered-saturate", "numpy", "rational"):

        def run(a: np.ndarray, w: np.ndarray, group: int, engine: str = engine) -> int:
            return int(dot(a, w, INT8, INT8, Saturate(wide), group, engine).acc[0, 0])

        # 16129 three times exceeds 32767: clamped, then 16129 comes off again.
        a, w = row(127, 127, 127, -127), row(127, 127, 127, 127).T
        assert run(a, w, 1) == limit - 16129
        assert run(a, w, 2) == 2 * 16129
        assert run(a, w, 4) == limit - 16129


def test_wrap_is_modular() -> None:
    a, w = row(*[127] * 200), row(*[127] * 200).T
    total = 200 * 127 * 127
    assert dot(a, w, INT8, INT8, Wrap(16), 7).acc[0, 0] == (total + 2**15) % 2**16 - 2**15
    shifted = dot(a, w, INT8, INT8, Wrap(16, -3), 7)
    assert shifted.lsb == -3
    assert shifted.acc[0, 0] == (8 * total + 2**15) % 2**16 - 2**15
    assert dot(a, w, INT8, INT8, Wrap(16, -16), 7).acc[0, 0] == 0


def test_float32_specials_follow_ieee() -> None:
    fmt = get("e5m2")
    inf, nan, one, zero = 0x7C, 0x7E, 0x3C, 0x00
    a = np.array([[inf, one], [inf, inf], [nan, one], [inf, zero], [one, one]], dtype=np.uint8)
    w = np.array([[one, zero, 0xBC], [one, one, one]], dtype=np.uint8)
    for engine in built("ordered-float32", "numpy", "softfloat", "rational"):
        acc = dot(a, w, fmt, fmt, Float32(), 1, engine).acc
        expected = [[np.inf, np.nan, -np.inf], [np.inf, np.nan, np.nan], [np.nan] * 3]
        expected += [[np.inf, np.nan, -np.inf], [2.0, 1.0, 0.0]]
        assert np.array_equal(acc, np.array(expected, np.float32), equal_nan=True)
        assert set(acc[np.isnan(acc)].view(np.uint32).tolist()) == {0x7FC00000}


def test_overflow_to_nan_without_special_operands() -> None:
    fmt = get("float:8,3,specials=finite,bias=130")
    assert np.isfinite(fmt.values).all()
    top = int(np.argmax(fmt.values))
    bottom = int(np.argmin(fmt.values))
    a = np.array([[top, bottom]], dtype=np.uint16)
    w = np.full((2, 40), top, dtype=np.uint16)
    for engine in built("ordered-float32", "numpy", "softfloat"):
        acc = dot(a, w, fmt, fmt, Float32(), 1, engine).acc
        assert set(acc.view(np.uint32).reshape(-1).tolist()) == {0x7FC00000}


@pytest.mark.parametrize("accumulator", [Exact(), Wrap(32), Saturate(60)])
def test_specials_in_an_integer_accumulator_are_refused(
    accumulator: Exact | Wrap | Saturate,
) -> None:
    fmt = get("e4m3fn")
    a = np.zeros((2, 3), dtype=np.uint8)
    w = np.zeros((3, 4), dtype=np.uint8)
    a[1, 2] = 0xFF
    with pytest.raises(
        SystolabError,
        match=rf"^Operand a must be finite for accumulator {accumulator}, "
        r"not code 0xff \(nan\) at \[1, 2\]$",
    ):
        dot(a, w, fmt, fmt, accumulator, 1)
    w[2, 3] = 0x7F
    with pytest.raises(SystolabError, match=r"^Operand w must be finite .* \(nan\) at \[2, 3\]$"):
        dot(w[:, :3] * 0, w, fmt, fmt, accumulator, 1)


def test_sequential_narrow_sums_are_those_of_ml_dtypes() -> None:
    for name, kind in (("e4m3fn", ml_dtypes.float8_e4m3fn), ("bfloat16", ml_dtypes.bfloat16)):
        fmt = get(f"{name}:saturation=none") if name == "e4m3fn" else get(name)
        rng = np.random.default_rng(3)
        a = (rng.standard_normal((6, 50)) * 2).astype(kind)
        w = (rng.standard_normal((50, 7)) * 2).astype(kind)
        total = np.zeros((6, 7), dtype=kind)
        for k in range(50):
            total = total + a[:, k : k + 1] * w[k]
        code = np.uint8 if fmt.bits == 8 else np.uint16
        acc = dot(a.view(code), w.view(code), fmt, fmt, Float(fmt), 1).acc
        assert np.array_equal(acc, total.astype(np.float32), equal_nan=True)


def test_strided_and_narrow_operands() -> None:
    fmt = get("int:4")
    rng = np.random.default_rng(0)
    big = rng.integers(0, 16, (40, 60), dtype=np.uint8)
    a, w = big[::3, 5:25], big.T[10:30, ::2]
    for accumulator in (Exact(), Float32(), Saturate(8), Float(get("e4m3fn"))):
        expected = dot(a.copy(), w.copy(), fmt, fmt, accumulator, 4, "numpy").acc
        for engine in ENGINES:
            if (
                engine.lacks(Spec(fmt, fmt, accumulator, 20, 4)) is None
                and engine.name != "rational"
            ):
                assert np.array_equal(
                    dot(a, w, fmt, fmt, accumulator, 4, engine.name).acc, expected
                )
                wide = dot(a.astype(np.uint16), w, fmt, fmt, accumulator, 4, engine.name)
                assert np.array_equal(wide.acc, expected)


def test_empty_operands() -> None:
    none = np.zeros((0, 3), np.uint8), np.zeros((3, 2), np.uint8)
    no_terms = np.zeros((2, 0), np.uint8), np.zeros((0, 2), np.uint8)
    for accumulator in (Exact(), Wrap(8), Saturate(30), Float32(), Float(INT8)):
        assert dot(*none, INT8, INT8, accumulator, 1).acc.shape == (0, 2)
        assert dot(*no_terms, INT8, INT8, accumulator, 1).acc.tolist() == [[0, 0], [0, 0]]


def test_bounds_of_the_reference_table() -> None:
    """K up to which binary64 is exact, as enumerated independently in the project's notes."""
    for name, k in (
        ("int:8", 2**39),
        ("e4m3fn", 171_196),
        ("adaptivfloat:8,3", 572_066_403),
        ("adaptivfloat:8,4", 37_282),
        ("posit:8,1", 32),
        ("e5m2", 0),
    ):
        assert exact_k(get(name), get(name)) == k
    assert accumulator_bits(INT8, INT8, 1) == 16
    assert accumulator_bits(INT8, INT8, 1024) == 26
    assert choose_engine(INT8, INT8, Exact(), 1024) == "blas32"
    assert choose_engine(INT8, INT8, Exact(), 1025) == "blas64"


def test_wrong_operands_are_refused() -> None:
    good = np.zeros((2, 3), np.uint8)
    with pytest.raises(
        SystolabError,
        match="^Operand a must be a matrix of uint8 or uint16 codes, not 1-dimensional float64$",
    ):
        dot(np.zeros(3), good, INT8, INT8, Exact(), 1)  # type: ignore[arg-type]
    with pytest.raises(SystolabError, match="^Operand w must have as many rows .*, 3, not 2$"):
        dot(good, good, INT8, INT8, Exact(), 1)
    int4 = get("int:4")
    with pytest.raises(
        SystolabError, match="^Operand w must hold codes of int:4, below 16, not 16$"
    ):
        dot(good, good.T + np.uint8(16), INT8, int4, Exact(), 1)
    with pytest.raises(SystolabError, match="^Group must be at least 1, not 0$"):
        dot(good, good.T, INT8, INT8, Exact(), 0)
    with pytest.raises(
        SystolabError,
        match="^Accumulator saturate:15 must be at least 16 bits wide to hold one product "
        "of int:8 and int:8, not 15$",
    ):
        dot(good, good.T, INT8, INT8, Saturate(15), 1)
    with pytest.raises(
        SystolabError, match="^Accumulator wrap:32,1 must have an lsb of at most 0 .*, not 1$"
    ):
        dot(good, good.T, INT8, INT8, Wrap(32, 1), 1)
    with pytest.raises(SystolabError, match="must round in one way, not stochastically as e4m3fn"):
        dot(good, good.T, INT8, INT8, Float(get("e4m3fn:rounding=stochastic")), 1)
