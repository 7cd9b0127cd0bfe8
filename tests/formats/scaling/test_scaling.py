"""Scales: rules, granularity, blocks, calibration."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from systolab.formats import ScaleKind, ScaleRule, Scaling, SystolabError, get
from systolab.formats.scaling.calibration import Calibration, CalibrationMethod


def test_int8_scale_is_largest_over_127() -> None:
    x = np.array([-2.54, 1.0], np.float32)
    tensor = get("int:8").quantize(x)
    assert tensor.scale == np.float32(np.float32(2.54) / 127)
    assert tensor.codes.view(np.int8).tolist() == [-127, 50]


def test_per_channel() -> None:
    x = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)
    fmt = get("int:8")
    for axis in range(3):
        scale = fmt.fit_scale(x, axis)
        others = tuple(i for i in range(3) if i != axis)
        np.testing.assert_array_equal(
            scale, (x.max(axis=others, keepdims=True).astype(np.float64) / 127).astype(np.float32)
        )
        tensor = fmt.quantize(x, axis)
        assert tensor.codes.max() == 127
        assert np.abs(tensor.dequantize() - x).max() <= scale.max() / 2 * 1.001
    with pytest.raises(SystolabError, match="within the tensor's 3 dimensions, not 3"):
        fmt.quantize(x, 3)


@pytest.mark.parametrize(
    ("rule", "amax", "exponent"),
    [  # e2m1: largest value 6, two significand bits, floor(log2 6) = 2
        (ScaleRule.FLOOR, 4.0, 0),
        (ScaleRule.FLOOR, 7.9, 0),
        (ScaleRule.CEIL, 4.0, 0),
        (ScaleRule.CEIL, 4.1, 1),
        (ScaleRule.EVEN, 6.9, 0),
        (ScaleRule.EVEN, 7.0, 1),
        (ScaleRule.RCEIL, 6.0, 0),
        (ScaleRule.RCEIL, 6.1, 1),
    ],
)
def test_power_of_two_rules(rule: ScaleRule, amax: float, exponent: int) -> None:
    fmt = get(f"e2m1:scale=pow2,rule={rule}")
    for shift in (-20, 0, 9):
        scale = fmt.fit_scale(np.array([np.ldexp(amax, shift), 0.1 * 2.0**shift], np.float32))
        assert scale == 2.0 ** (exponent + shift)


def test_rceil_never_clips_and_floor_does() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 32)).astype(np.float32)
    amax = np.abs(x).max(axis=1)
    for rule, clips in (("floor", True), ("ceil", True), ("rceil", False)):
        scale = get(f"mxfp4:rule={rule}").fit_scale(x)[:, 0]
        assert bool((amax / scale > 6).any()) == (clips and rule == "floor")


def test_degenerate_tensors() -> None:
    fmt = get("int:8")
    for x in ([0.0, -0.0], [np.nan, np.nan], [np.inf, -np.inf], []):
        assert fmt.fit_scale(np.array(x, np.float32)) == 1.0
    mixed = np.array([np.inf, 2.0, np.nan, -1.0], np.float32)
    assert fmt.fit_scale(mixed) == np.float32(2 / 127)
    assert fmt.quantize(mixed).codes.view(np.int8).tolist() == [127, 127, 0, -64]
    assert fmt.fit_scale(np.array([1e-45], np.float32)) == 2.0**-126
    assert get("e2m1:scale=pow2").fit_scale(np.array([3e38], np.float32)) == 2.0**125


LARGEST = float(np.finfo(np.float32).max)
SCALED = ["int:8", "int:8,symmetric=yes", "e3m4", "e4m3fn", "nf4", "nvfp4", "mxfp4", "mxint8"]
SCALED += ["adaptivfloat:8,3", "lns:8,3", "int:8,scale=pow2,rule=ceil", "mxfp6:rule=even"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("largest", [LARGEST, 0.99 * LARGEST, 1e300])
def test_finite_data_stay_finite(name: str, largest: float) -> None:
    """The last value times the scale is a finite binary32, and no smaller than need be."""
    fmt = get(name)
    x = np.array([largest, -largest, 1.0] * 12)
    tensor = fmt.quantize(x if largest > LARGEST else x.astype(np.float32))
    values = tensor.dequantize()
    assert np.isfinite(values).all()
    if fmt.scaling.kind is ScaleKind.BINARY32:
        assert values[0] >= 0.98 * LARGEST
        scale = float(tensor.scale.flat[0])
        above = scale + 2.0 ** (int(np.frexp(scale)[1]) - 24)
        ends = Fraction(2) ** 128 - Fraction(2) ** 103
        if largest == 1e300 and name not in ("int:8", "int:8,symmetric=yes"):
            top = Fraction(scale) * Fraction(fmt.max)
            assert top < ends <= Fraction(above) * Fraction(fmt.max)
    else:
        assert values[0] >= 0.49 * LARGEST
    if largest < 1e300:
        loss_of = np.abs(values[:2].astype(np.float64) - x[:2]).max()
        assert loss_of <= 0.26 * largest


def test_only_infinities_of_the_format_dequantise_to_infinities() -> None:
    tensor = get("int:8").quantize([300.0, -300.0, 1.0], scale=2.0**127)
    assert tensor.dequantize().tolist() == [0.0, 0.0, 0.0]
    tensor = get("int:8").quantize([1e300, -1e300, 2.0**127], scale=2.0**127)
    assert tensor.dequantize().tolist() == [LARGEST, -LARGEST, 2.0**127]
    ieee = get("e5m2:saturation=none").quantize([1e300, -np.inf, np.nan, 4.0], scale=2.0**126)
    assert ieee.dequantize()[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(ieee.dequantize()[2])


def test_powers_of_two_reach_the_least_of_e8m0() -> None:
    """OCP MX: E8M0 is 2^-127 to 2^127."""
    x = np.zeros(32, np.float32)
    x[:2] = 2.0**-127, 2.0**-128
    tensor = get("mxfp4").quantize(x)
    assert tensor.scale.tolist() == [2.0**-127]
    assert tensor.dequantize()[:2].tolist() == [2.0**-127, 2.0**-128]
    for name in ("mxfp8", "mxfp6", "mxint8", "bfp:4,8", "e2m1:scale=pow2", "adaptivfloat:8,3"):
        fmt = get(name)
        for data in (x, x.astype(np.float64)):
            tensor = fmt.quantize(data)
            assert tensor.scale.flat[0] == 2.0**-127
            exact = x.astype(np.float64) * 2.0**127
            assert tensor.codes.tolist() == fmt.encode(exact).tolist()


@pytest.mark.filterwarnings("error")
def test_calibration_with_data_beyond_binary32() -> None:
    for method in CalibrationMethod:
        calibration = Calibration(get("int:8"), method)
        calibration.observe(np.array([1e300, -1e300, 1.0, np.inf, np.nan]))
        found = calibration.scale()
        assert found == get("int:8").fit_scale(np.float32(LARGEST))
        assert np.isfinite(get("int:8").quantize(-1e300, scale=found).dequantize())


def test_scalars_and_empty_tensors() -> None:
    for name in ("int:8", "lns:8,3", "e4m3fn", "int:8,rounding=stochastic"):
        fmt = get(name)
        tensor = fmt.quantize(np.float32(3.0))
        assert tensor.codes.shape == tensor.scale.shape == ()
        assert float(tensor.dequantize()) == pytest.approx(3, rel=0.05)
        assert fmt.quantize(np.zeros((0, 4), np.float32)).codes.shape == (0, 4)


@pytest.mark.parametrize(
    "name",
    [
        "lns:8,3",
        "mxfp8",
        "mxfp4",
        "adaptivfloat:8,3",
        "e2m1:scale=pow2",
        "posit:8,1,scale=pow2",  # nothing underflows to zero
        "e5m2:saturation=propagate,scale=pow2",  # finite overflow is not infinity
        "bfloat16:scale=pow2",  # values as small as a quotient's underflow
    ],
)
def test_power_of_two_quotients_at_the_ends_of_binary32(name: str) -> None:
    """Quotients that underflow or overflow binary32 give the same codes as binary64 ones."""
    fmt = get(name)
    rng = np.random.default_rng(3)
    for spread in (1, 40, 120):
        x = np.ldexp(rng.standard_normal((40, 64)), rng.integers(-spread, spread, (40, 64)))
        x = np.concatenate([x, [[0.0, -0.0, 1e-45, -1e-45] * 16]]).astype(np.float32)
        for axis in (0, 1):
            tensor = fmt.quantize(x, axis)
            quotients = x.astype(np.float64) / tensor.full_scale()
            np.testing.assert_array_equal(tensor.codes, fmt.encode(quotients))
        for scale in (2.0**-126, 2.0**100):
            one_each = (1, 1) if fmt.scaling.block else (64,)
            tensor = fmt.quantize(x, scale=np.full(one_each, scale))
            codes = fmt.encode(x.astype(np.float64) / scale)
            np.testing.assert_array_equal(tensor.codes, codes)
            expected = (fmt.values[codes] * scale).astype(np.float32)
            np.testing.assert_array_equal(tensor.dequantize(), expected)


@pytest.mark.parametrize("run", [1, 5, 64, 200])
@pytest.mark.parametrize("name", ["int:8", "nf4", "e4m3fn"])
def test_quotients_are_exact(name: str, run: int) -> None:
    """Codes are the projection of the exact quotient, also beside ties, for runs of any length."""
    rng = np.random.default_rng(2)
    fmt = get(name)
    scale = rng.uniform(0.05, 0.2, (6, 1)).astype(np.float32)
    points = [Fraction(float(point)) for point in fmt.codebook.points]
    ties = [(a + b) / 2 for a, b in pairwise(points)]
    chosen = rng.choice(len(ties), (6, run))
    x = (np.array([float(tie) for tie in ties])[chosen] * scale).astype(np.float32)
    toward = rng.choice(np.array([-np.inf, np.inf], np.float32), x.shape)
    x = np.where(rng.integers(0, 2, x.shape) == 0, x, np.nextafter(x, toward))
    codes = fmt.quantize(x, scale=scale).codes
    for (row, column), index in np.ndenumerate(chosen):
        quotient = Fraction(float(x[row, column])) / Fraction(float(scale[row, 0]))
        if quotient != ties[index]:
            nearer = points[index] if quotient < ties[index] else points[index + 1]
            assert Fraction(float(fmt.values[codes[row, column]])) == nearer


def test_given_scales_are_checked() -> None:
    fmt = get("int:8")
    x = np.ones((2, 3), np.float32)
    for bad in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(SystolabError, match="Scale must be a positive binary32 number, not"):
            fmt.quantize(x, scale=bad)
    with pytest.raises(SystolabError, match=r"broadcast to the shape \(2, 3\), not have"):
        fmt.quantize(x, scale=np.ones(2, np.float32))


def test_given_block_scales() -> None:
    x = np.arange(80, dtype=np.float32).reshape(2, 40)
    tensor = get("mxfp8").quantize(x, scale=[[1.0, 2.0]])
    np.testing.assert_array_equal(tensor.codes[:, :32], get("e4m3fn").encode(x[:, :32]))
    np.testing.assert_array_equal(tensor.codes[:, 32:], get("e4m3fn").encode(x[:, 32:] / 2))
    with pytest.raises(
        SystolabError, match=r"broadcast to the shape \(2, 2\), not have shape \(3,"
    ):
        get("mxfp8").quantize(x, scale=np.ones(3))
    for scale in (None, 1.0):
        with pytest.raises(SystolabError, match="within the tensor's 0 dimensions, not -1"):
            get("mxfp8").quantize(np.float32(1), scale=scale)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_blocks_with_a_short_last_one(axis: int) -> None:
    rng = np.random.default_rng(4)
    x = (rng.standard_normal((70, 50)) * np.exp(rng.standard_normal((70, 50)))).astype(np.float32)
    fmt = get("mxfp8")
    tensor = fmt.quantize(x, axis)
    assert tensor.scale.shape == ((3, 50) if axis == 0 else (70, 2))
    lines = np.moveaxis(x, axis, -1)
    for line, got in zip(lines, np.moveaxis(tensor.dequantize(), axis, -1), strict=True):
        for start in range(0, len(line), 32):
            part = line[start : start + 32]
            scale = 2.0 ** (np.floor(np.log2(np.abs(part).max())) - 8)
            expected = fmt.values[fmt.encode(part / scale)] * scale
            np.testing.assert_array_equal(got[start : start + 32], expected)


def test_nvfp4_scales_are_e4m3_times_one_binary32() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((8, 64)).astype(np.float32)
    x[3, 16:32] = 0
    scale = get("nvfp4").fit_scale(x)
    tensor = np.float32(np.abs(x).max() / (6 * 448))
    e4m3 = get("e4m3fn")
    ratio = scale.astype(np.float64) / tensor
    nearest = e4m3.values[e4m3.encode(ratio)]
    np.testing.assert_allclose(ratio, nearest, rtol=1e-6)
    assert nearest.max() == 448
    assert nearest[3, 1] == 2.0**-9
    error = np.abs(get("nvfp4").quantize(x).dequantize() - x)
    assert error.max() <= np.abs(x).max() / 6 * 1.01


def test_bfp_is_integers_under_a_shared_exponent() -> None:
    x = np.array([1.0, 0.5, -0.99, 0.013] * 4, np.float32)
    tensor = get("bfp:5,8").quantize(x)
    assert tensor.scale.tolist() == [2.0**-3, 2.0**-3]
    np.testing.assert_array_equal(tensor.dequantize(), np.rint(x * 8) / 8)


def test_block_size_is_checked() -> None:
    with pytest.raises(SystolabError, match="Block size must be from 1 to 65536, not -3"):
        Scaling(ScaleKind.POW2, block=-3)


def test_calibration_by_maximum() -> None:
    rng = np.random.default_rng(6)
    batches = [rng.standard_normal((5, 7)).astype(np.float32) for _ in range(4)]
    for axis in (None, 1):
        calibration = Calibration(get("int:8"), axis=axis)
        for batch in batches:
            calibration.observe(batch)
        together = get("int:8").fit_scale(np.concatenate(batches), axis)
        np.testing.assert_array_equal(calibration.scale(), together)


def test_calibration_by_percentile() -> None:
    x = np.arange(1, 10_001, dtype=np.float32)
    calibration = Calibration(get("int:8"), CalibrationMethod.PERCENTILE, percent=99)
    for part in np.split(np.random.default_rng(0).permutation(x), 10):
        calibration.observe(part)
    assert float(calibration.scale()) * 127 == pytest.approx(9900, rel=2**-11)


def test_calibration_by_squared_error_beats_the_maximum_on_outliers() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal(20_000).astype(np.float32)
    x[0] = 60
    for name in ("int:4", "int:4,scale=pow2"):
        fmt = get(name)
        calibration = Calibration(fmt, CalibrationMethod.MSE)
        for part in np.split(x, 4):
            calibration.observe(part)
        error = [
            float(np.mean((fmt.quantize(x, scale=scale).dequantize() - x) ** 2))
            for scale in (calibration.scale(), fmt.fit_scale(x))
        ]
        assert error[0] < 0.9 * error[1]


def test_calibration_errors() -> None:
    with pytest.raises(SystolabError, match="not of mxfp8: its block scales follow the data"):
        Calibration(get("mxfp8"))
    with pytest.raises(SystolabError, match="percent must be above 0 and up to 100, not 0"):
        Calibration(get("int:8"), percent=0)
    with pytest.raises(SystolabError, match="must observe at least one batch"):
        Calibration(get("int:8")).scale()
    channels = Calibration(get("int:8"), axis=0)
    channels.observe(np.ones((3, 2)))
    with pytest.raises(SystolabError, match="Batch must have 3 channels, not 4"):
        channels.observe(np.ones((4, 2)))
