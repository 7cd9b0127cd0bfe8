"""What a network is run on: the bundled digits, a user's `.npz` file, or seeded random inputs.

Every source yields two disjoint parts. Scales are fitted to the *calibration* part, and only the
other part is scored, so that accuracy is never measured on data the scales have seen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.formats.outside.arrays import read_archive
from systolab.glenside.network.elements import Elements

__all__ = [
    "Dataset",
    "DigitsSplit",
    "Inputs",
    "Samples",
    "Shapes",
    "Source",
    "digits_split",
    "load",
]

Shapes = Mapping[str, tuple[int, ...]]
Inputs = dict[str, NDArray[Any]]
Samples: TypeAlias = NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]
Source: TypeAlias = str | Path | Samples | None

_DEFAULT_IMAGES = 100
_MAX_CALIBRATION = 128
_RANDOM_CALIBRATION = 32
_RANDOM_LIMIT = 1 << 28  # elements of random inputs, which are all made at once
_DIGITS = Parameter("data", "digits")


@dataclass(frozen=True)
class Dataset:
    """Inputs of a network, one entry of each list per call of the network.

    A call is a mapping from input name to a tensor of the input's type and shape. `labels` has one
    class index per scored sample, flattened over the calls, or is None where there are no labels.
    """

    name: str
    calibration: list[Inputs]
    calls: list[Inputs]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class DigitsSplit:
    """The fixed split of scikit-learn's digits: images [N, 1, 8, 8] in 0..1, labels [N]."""

    calibration_x: NDArray[np.float32]
    calibration_y: NDArray[np.int64]
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def digits_split() -> DigitsSplit:
    """Every third image is for testing (599); of the others the first 128 calibrate."""
    try:
        from sklearn.datasets import load_digits  # an extra, not a requirement
    except ImportError as error:
        raise SystolabError(
            _DIGITS, " must have scikit-learn installed (pip install 'systolab[examples]')"
        ) from error
    bunch = load_digits()
    x = (bunch.images / 16.0).astype(np.float32)[:, np.newaxis]
    y = bunch.target.astype(np.int64)
    test = np.arange(len(x)) % 3 == 0
    other_x, other_y = x[~test], y[~test]
    return DigitsSplit(
        other_x[:_MAX_CALIBRATION],
        other_y[:_MAX_CALIBRATION],
        other_x[_MAX_CALIBRATION:],
        other_y[_MAX_CALIBRATION:],
        x[test],
        y[test],
    )


def load(
    source: Source,
    shapes: Shapes,
    images: int | None,
    seed: int,
    holds: Mapping[str, Elements] | None = None,
) -> Dataset:
    """Load what the parameters of a run name, for a network with these input shapes.

    Args:
        source: "digits", the path of an `.npz` file, samples with or without their labels, or
            None for seeded random inputs.
        shapes: the network's input shapes by name; the first dimension is the batch of one call.
        images: how many samples are scored; None for up to 100.
        seed: of the random inputs.
        holds: what the inputs hold; None: binary32.

    Raises:
        SystolabError: the source cannot be read or does not fit the network.
    """
    if images is not None and images < 1:
        raise SystolabError(Parameter("images"), f" must be at least 1, not {images}")
    holds = {name: Elements() for name in shapes} if holds is None else holds
    if source is None:
        return _random(shapes, images or _DEFAULT_IMAGES, seed, holds)
    if isinstance(source, str) and source == "digits":
        name, shape = _only_input(shapes, _DIGITS)
        if holds[name].kind != "float32":
            raise SystolabError(
                _DIGITS, f" must be used with an input of float32, not {holds[name].kind}"
            )
        split = digits_split()
        fitting = _shaped(split.calibration_x, shape)
        scored = _limit(name, shape, _shaped(split.test_x, shape), split.test_y, images, _DIGITS)
        return Dataset("digits", _calls(name, shape, fitting, _DIGITS), *scored)
    if isinstance(source, np.ndarray):
        return _samples(source, None, "data", Parameter("data"), shapes, images, holds)
    if isinstance(source, tuple) and len(source) == 2:
        x, y = map(np.asarray, source)
        return _samples(x, y, "data", Parameter("data"), shapes, images, holds)
    if not isinstance(source, str | Path):
        raise SystolabError(
            Parameter("data"),
            f" must be 'digits', an .npz file, an array x or a pair (x, y), not {source!r}",
        )
    return _npz(Path(source), shapes, images, holds)


def _only_input(shapes: Shapes, what: Parameter) -> tuple[str, tuple[int, ...]]:
    if len(shapes) != 1:
        raise SystolabError(what, f" must be used with a network of one input, not {len(shapes)}")
    return next(iter(shapes.items()))


def _shaped(x: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give images the dimensions that the network expects, where the element counts agree."""
    fits = math.prod(shape[1:]) == math.prod(x.shape[1:])
    return x.reshape(len(x), *shape[1:]) if fits else x


def _random(shapes: Shapes, images: int, seed: int, holds: Mapping[str, Elements]) -> Dataset:
    """Independent inputs; both parts come from one stream of the seed.

    Numbers are standard normal, integers and truth values even over those that are valid.
    """
    total = (images + _RANDOM_CALIBRATION) * sum(map(math.prod, shapes.values()))
    if total > _RANDOM_LIMIT:
        raise SystolabError(
            Parameter("images"),
            f" must give at most {_RANDOM_LIMIT} elements of random inputs together, not {total} "
            f"({images} inputs, and {_RANDOM_CALIBRATION} that fit the scales)",
        )
    if seed < 0:
        raise SystolabError(Parameter("seed"), f" must be at least 0, not {seed}")
    rng = np.random.default_rng(seed)

    def call() -> Inputs:
        return {name: _drawn(rng, shape, holds[name]) for name, shape in shapes.items()}

    calibration = [call() for _ in range(_RANDOM_CALIBRATION)]
    return Dataset(f"random, seed {seed}", calibration, [call() for _ in range(images)], None)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], holds: Elements) -> NDArray[Any]:
    if holds.kind == "float32":
        return rng.standard_normal(shape, dtype=np.float32)
    return rng.integers(0, max(holds.below, 1), shape).astype(holds.kind)


def _npz(path: Path, shapes: Shapes, images: int | None, holds: Mapping[str, Elements]) -> Dataset:
    """Read `x` (and `y`, where there are labels)."""
    what = Parameter("data", str(path))
    try:
        path.stat()
    except OSError as error:
        raise SystolabError(
            what,
            f" must be 'digits' or a readable .npz file: {error.strerror}"
            + meant(path, [_DIGITS.value or ""]),
        ) from error
    except ValueError:
        pass  # an impossible name, which opening it tells
    arrays = read_archive(path, what, ["x"], ["y"])
    return _samples(arrays["x"], arrays.get("y"), path.name, what, shapes, images, holds)


def _samples(
    x: NDArray[Any],
    y: NDArray[Any] | None,
    title: str,
    what: Parameter,
    shapes: Shapes,
    images: int | None,
    holds: Mapping[str, Elements],
) -> Dataset:
    """Samples and labels; the first quarter, at most 128, calibrates."""
    name, shape = _only_input(shapes, what)
    x = _elements(x, holds[name], what)
    batch = _batch(shape, x, what)
    labels = None if y is None else _labels(y, len(x), what)
    part = min(len(x) // 4, _MAX_CALIBRATION)
    part -= part % batch
    if part == 0:
        raise SystolabError(what, f": x must have at least {4 * batch} samples, not {len(x)}")
    calibration = _calls(name, shape, x[:part], what)
    rest = None if labels is None else labels[part:]
    return Dataset(title, calibration, *_limit(name, shape, x[part:], rest, images, what))


def _elements(x: NDArray[Any], holds: Elements, what: Parameter) -> NDArray[Any]:
    """Samples in the type of the input they are for, if it has their values."""
    if holds.kind != "float32":
        kind = np.dtype(holds.kind)
        whole = x.dtype.kind == "b" if kind.kind == "b" else x.dtype.kind in "iu"
        if not whole:
            raise SystolabError(what, f": x must be an array of {kind}, not {x.dtype}")
        result = x.astype(kind)
        if (result != x).any():
            raise SystolabError(what, f": x must fit {kind}, not reach {x.max()}")
        return result
    if not (np.issubdtype(x.dtype, np.number) and not np.issubdtype(x.dtype, np.complexfloating)):
        raise SystolabError(what, f": x must be an array of real numbers, not {x.dtype}")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise SystolabError(what, ": x must be finite in binary32, not NaN or infinite")
    return x


def _labels(y: NDArray[np.generic], count: int, what: Parameter) -> NDArray[np.int64]:
    if not np.issubdtype(y.dtype, np.integer):
        raise SystolabError(what, f": y must be an array of integers, not {y.dtype}")
    if y.ndim == 0 or len(y) != count:
        raise SystolabError(what, f": y must have a label for each of {count} samples")
    if (y.astype(np.int64) < 0).any():
        raise SystolabError(what, f": y must hold indices of classes, from 0, not {y.min()}")
    return y.astype(np.int64)


def _batch(shape: tuple[int, ...], x: NDArray[np.float32], what: Parameter) -> int:
    """Rows of `x` that one call takes: 1 where a row is a whole input, else the batch size."""
    row = x.shape[1:]
    if row == shape:
        return 1
    if shape and row == shape[1:]:
        return shape[0]
    raise SystolabError(
        what,
        f": x must have samples of shape {list(shape[1:])}, as the network's input, "
        f"not {list(row)}",
    )


def _calls(
    name: str, shape: tuple[int, ...], x: NDArray[np.float32], what: Parameter
) -> list[Inputs]:
    batch = _batch(shape, x, what)
    return [
        {name: x[start : start + batch].reshape(shape)}
        for start in range(0, len(x) - batch + 1, batch)
    ]


def _limit(
    name: str,
    shape: tuple[int, ...],
    x: NDArray[np.float32],
    y: NDArray[np.int64] | None,
    images: int | None,
    what: Parameter,
) -> tuple[list[Inputs], NDArray[np.int64] | None]:
    """Keep the first `images` samples, in whole calls."""
    batch = _batch(shape, x, what)
    wanted = min(images or _DEFAULT_IMAGES, len(x))
    wanted -= wanted % batch
    if wanted == 0:
        raise SystolabError(
            Parameter("images"), f" must be at least {batch}, the network's batch size"
        )
    return _calls(name, shape, x[:wanted], what), None if y is None else y[:wanted].reshape(-1)
