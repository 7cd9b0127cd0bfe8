"""What a person may write where an array, an axis, a scale or a name is expected."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import systolab as sl
from systolab.cosim.accuracy.report import chosen_format
from systolab.formats import Float32, SystolabError, get
from systolab.formats.dot.product import choose_engine, dot
from systolab.formats.families.floating import Float as BinaryFloat
from systolab.formats.families.floating import Layout, Specials
from systolab.formats.families.tables import TableFormat
from systolab.formats.projection.projection import default_bounds
from systolab.formats.scaling.calibration import Calibration, CalibrationMethod

INT8 = get("int:8")
CODES = np.arange(6, dtype=np.uint8).reshape(2, 3)
RAGGED: Any = [[1, 2], [3]]


class Nothing(sl.Format):
    """A format without a table."""


class Unbounded(sl.Format):
    bits = 20

    def decode(self, code: int) -> float:
        return float(code)


class Tenths(sl.Format):
    bits = 3

    def decode(self, code: int) -> float:
        return code * 0.1


class Raising(sl.Format):
    bits = 3

    def decode(self, code: int) -> float:
        raise OSError("no such table")


SENTENCES: list[tuple[Any, str]] = [
    (lambda: sl.quantize(RAGGED, "int:8"), "Data must be an array of real numbers: "),
    (lambda: sl.quantize([1j], "int:8"), "Data must be real numbers, not complex128"),
    (lambda: sl.quantize(CODES, "int:8", axis="a"), "Axis must be an integer, not 'a'"),  # type: ignore[arg-type]
    (lambda: sl.quantize(CODES, "int:8", axis=(0, 1)), "Axis must be an integer, not (0, 1)"),  # type: ignore[arg-type]
    (lambda: sl.quantize(CODES, "mxfp8", axis=(0,)), "Axis must be an integer, not (0,)"),  # type: ignore[arg-type]
    (lambda: sl.quantize(CODES, "int:8", axis=1.0), "Axis must be an integer, not 1.0"),  # type: ignore[arg-type]
    (
        lambda: sl.quantize(CODES, "int:8", axis=2),
        "Axis must be within the tensor's 2 dimensions, not 2",
    ),
    (
        lambda: sl.quantize(CODES, "int:8", scale="a"),
        "Scale must be a positive binary32 number, not 'a'",
    ),
    (
        lambda: sl.quantize(CODES, "int:8", scale=RAGGED),
        "Scale must be a positive binary32 number, not [[1, 2], [3]]",
    ),
    (lambda: sl.quantize(CODES, "int:8", scale=1e300), "Scale must be a positive binary32 number"),
    (lambda: sl.quantize(CODES, "int:8", scale=1e-60), "Scale must be a positive binary32 number"),
    (
        lambda: sl.quantize(CODES, "int:8", scale=np.nan),
        "Scale must be a positive binary32 number, not nan",
    ),
    (
        lambda: sl.quantize(CODES, "int:8", scale=-1),
        "Scale must be a positive binary32 number, not -1",
    ),
    (lambda: sl.loss(CODES, "int:8", axis="a", calibrate="max"), "Axis must be an integer, not"),  # type: ignore[arg-type]
    (
        lambda: Calibration(INT8, "entropy"),
        "Calibration must be one of max, percentile, mse, not 'entropy'",
    ),
    (
        lambda: Calibration(INT8, "percentile", percent="x"),  # type: ignore[arg-type]
        "percent must be above 0 and up to 100, not 'x'",
    ),
    (lambda: Calibration(INT8).observe(RAGGED), "Data must be an array of real numbers: "),
    (
        lambda: sl.dot(RAGGED, RAGGED, "int:8"),
        "Operand a must be a matrix of uint8 or uint16 codes, not [[1, 2], [3]]",
    ),
    (
        lambda: sl.dot([[1]], [[2]], "int:8"),  # type: ignore[arg-type]
        "Operand a must be a matrix of uint8 or uint16 codes, not 2-dimensional int64",
    ),
    (
        lambda: dot([[1]], [[2]], INT8, INT8, "exact", 1),  # type: ignore[arg-type]
        "Operand a must be a matrix of uint8 or uint16 codes, not 2-dimensional int64",
    ),
    (
        lambda: dot(CODES, CODES.T, INT8, INT8, "exact", 1.5),  # type: ignore[arg-type]
        "Group must be an integer, not 1.5",
    ),
    (
        lambda: dot(CODES, CODES.T, INT8, INT8, "precise", 1),
        "Accumulator must be exact, float32, wrap:BITS[,LSB], saturate:BITS[,LSB] or "
        "float:FORMAT, not 'precise'",
    ),
    (
        lambda: dot(CODES, CODES.T, INT8, INT8, "exact", 1, ["blas"]),  # type: ignore[arg-type]
        "Engine must be auto or one of ",
    ),
    (
        lambda: sl.array("4x4", INT8, accumulator="floaty"),
        "Accumulator must be exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB], not 'floaty'; "
        "did you mean 'float32'?",
    ),
    (
        lambda: sl.array("4x4", INT8, accumulator="float:e5m2"),
        "Accumulator must be exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB], "
        "not 'float:e5m2'",
    ),
    (
        lambda: sl.array("4x4", INT8, accumulator=sl.Float(get("e5m2"))),
        "Accumulator must be exact, float32, wrap:BITS[,LSB] or saturate:BITS[,LSB], "
        "not float:e5m2",
    ),
    (
        lambda: sl.accumulator("float:mxfp4"),
        "Format of a float accumulator must have one value for each code, not mxfp4, whose blocks "
        "share a scale: take the format of its elements",
    ),
    (
        lambda: sl.accumulator("float:e5m2:rounding=stochastic"),
        "Format of a float accumulator must round in one way, not stochastically as "
        "e5m2:rounding=stochastic does",
    ),
    (lambda: sl.Float("e5m2x"), "Format family must be one of the known ones, not 'e5m2x'; did"),  # type: ignore[arg-type]
    (lambda: sl.Wrap("32"), "Accumulator width must be an integer, not '32'"),  # type: ignore[arg-type]
    (lambda: sl.Saturate(24.0), "Accumulator width must be an integer, not 24.0"),  # type: ignore[arg-type]
    (lambda: sl.Wrap(24, "x"), "Accumulator lsb must be an integer, not 'x'"),  # type: ignore[arg-type]
    (
        lambda: sl.Array(4, 4, INT8, INT8, INT8, "precise"),  # type: ignore[arg-type]
        "Accumulator must be exact, float32, ",
    ),
    (
        lambda: sl.Array("4", 4, INT8, INT8, INT8, sl.Exact()),  # type: ignore[arg-type]
        "Size rows of an array must be an integer, not '4'",
    ),
    (lambda: sl.describe(INT8, encode=["a"]), "Data must be real numbers, not <U1"),  # type: ignore[list-item]
    (lambda: INT8.scale_for("x"), "Data must be real numbers, not <U1"),
    (
        lambda: sl.format(type("Odd", (Tenths,), {"__new__": lambda cls: 3})),
        "Format Odd must be made by what returns a systolab.Format, not 3",
    ),
    (
        lambda: Layout(4, 3, 7, "fnn"),  # type: ignore[arg-type]
        "Specials must be one of ieee, fn, fnuz, p3109, finite, not 'fnn'; did you mean 'fn",
    ),
    (
        lambda: default_bounds(INT8.codebook.neighbours, "banana"),  # type: ignore[arg-type]
        "Rounding must be one of nearest-even, ",
    ),
    (lambda: chosen_format(INT8, "x"), "fixed_bias must be an integer, not 'x'"),  # type: ignore[arg-type]
    (lambda: chosen_format(INT8, 101), "fixed_bias must be from -100 to 100, not 101"),
    (lambda: TableFormat([], "t"), "Codebook t must be a list of 2, 4, 8, ... 65536 values, not "),
    (
        lambda: TableFormat(RAGGED, "t"),
        "Codebook t must be a list of real numbers, not [[1, 2], [3]]",
    ),
    (lambda: TableFormat(["a"], "t"), "Codebook t must be a list of real numbers, not ['a']"),
    (lambda: TableFormat([0, 0], "t"), "Codebook of t must contain a finite value that is not z"),
    *(
        (use, message)
        for kind, message in (
            (Nothing, "Format Nothing must define the method decode, it does not"),
            (Unbounded, "Width of Unbounded must be 1 to 16 bits, not 20"),
            (Tenths, "Value of code 0x1 of Tenths must be a binary32 value, not 0.1: "),
            (
                Raising,
                "decode(0x0) of Raising must return a number, not raise OSError: no such table "
                "(line ",
            ),
        )
        for use in (
            lambda kind=kind: sl.format(kind()),
            lambda kind=kind: sl.format(kind),
            lambda kind=kind: sl.check(kind()),
            lambda kind=kind: sl.run("x.onnx", kind()),
            lambda kind=kind: sl.quantize([1.0], kind()),
            lambda kind=kind: sl.array("4x4", "int:8", weight=kind),
            lambda kind=kind: sl.Array(4, 4, kind(), INT8, INT8, sl.Exact()),
            lambda kind=kind: sl.dot(CODES, CODES.T, kind()),
            lambda kind=kind: dot(CODES, CODES.T, INT8, kind(), Float32(), 1),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), SENTENCES)
def test_one_sentence(call: Any, message: str) -> None:
    with pytest.raises(SystolabError) as error:
        call()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_names_stand_for_objects() -> None:
    named = dot(CODES, CODES.T, "int:8", "int:8", "exact", 1)
    meant = dot(CODES, CODES.T, INT8, INT8, sl.Exact(), 1)
    assert named.acc.tolist() == meant.acc.tolist() == [[5, 14], [14, 50]]
    assert choose_engine("int:8", "int:8", "exact", 3) == choose_engine(INT8, INT8, sl.Exact(), 3)
    array = sl.Array(4, 4, "int:8", "int:8", "int:8", "exact")  # type: ignore[arg-type]
    assert array == sl.Array(4, 4, INT8, INT8, INT8, sl.Exact())
    assert sl.Float("e5m2") == sl.accumulator("float:e5m2")  # type: ignore[arg-type]
    layout = Layout(4, 3, 7, "fn")  # type: ignore[arg-type]
    assert layout.specials is Specials.FN
    assert BinaryFloat(layout).max == 448.0


@pytest.mark.parametrize("method", CalibrationMethod)
def test_methods_of_calibration_may_be_spelt(method: CalibrationMethod) -> None:
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    scales = []
    for given in (method, method.value):
        calibration = Calibration(INT8, given, percent=99)
        calibration.observe(x)
        scales.append(float(calibration.scale()))
    assert scales[0] == scales[1]
    largest = Calibration(INT8)
    largest.observe(x)
    assert (scales[0] == float(largest.scale())) is (method is CalibrationMethod.MAX)


def test_what_is_made_of_a_format_cannot_be_made_writable() -> None:
    fmt = get("e4m3fn")
    tables = (fmt.values, fmt.codebook.points, fmt.projection.bounds, fmt.projection.codes)
    for table in tables:
        with pytest.raises(ValueError, match="WRITEABLE"):
            table.flags.writeable = True
    with pytest.raises(SystolabError, match="must not be changed"):
        fmt.__setstate__({"bits": 4})


def test_integers_among_floats_are_rounded_once() -> None:
    fmt = get("bfloat16:rounding=up")
    alone = int(fmt.encode(np.array([2**53 + 1]))[0])
    assert fmt.encode([2**53 + 1, 0.5]).tolist()[0] == alone == 23041


def test_nothing_is_printed_about_numbers_beyond_binary64() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get("lns:8,3").encode([10**400])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Calibration("int:8", "mse"), "Calibration must be of a Format, not 'int:8': sys"),  # type: ignore[arg-type]
        (lambda: Calibration(INT8, "percentile", True), "percent must be above 0 and up to 100"),
        (lambda: get("int:8,block=65537"), "Block size must be from 1 to 65536, not 65537"),
        (lambda: sl.check(INT8, stages=5), "stages must be a list of names, not 5"),  # type: ignore[arg-type]
        (lambda: sl.cache(prune="x"), "prune must be at least 0 days, not 'x'"),  # type: ignore[arg-type]
    ],
)
def test_neighbours_of_wrong_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(SystolabError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_what_a_mask_hides_is_not_quantised() -> None:
    data = np.ma.masked_array([1.0, 2.0], [False, True])
    with pytest.raises(SystolabError, match="^Data must not be masked: "):
        INT8.quantize(data)
    INT8.quantize(np.ma.masked_array([1.0, 2.0]))


def test_a_percentage_may_be_a_number_of_numpy() -> None:
    Calibration(INT8, "percentile", percent=np.float32(99))  # type: ignore[arg-type]
