"""Sources of data: splits never overlap, shapes fit, bad files are named in a sentence."""

import re
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits

from systolab.cosim.network.data import Shapes, digits_split, load
from systolab.formats.errors import SystolabError
from systolab.glenside.network.elements import Elements
from systolab.glenside.network.network import Tensor

SHAPES = {"image": (1, 1, 8, 8)}
PAIR = {"v": (1, 3)}


def _save(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub confuses it with allow_pickle
    return str(path)


def _error(source: str | None, shapes: Shapes, images: int | None = None) -> str:
    with pytest.raises(SystolabError) as error:
        load(source, shapes, images, 0)
    return str(error.value)


def test_digits_parts_are_the_whole_set_once() -> None:
    split = digits_split()
    parts = np.concatenate([split.calibration_x, split.train_x, split.test_x])
    rows = (parts.reshape(len(parts), -1) * 16).astype(int)
    original = load_digits().data.astype(int)
    assert np.array_equal(rows[np.lexsort(rows.T)], original[np.lexsort(original.T)])
    assert len(split.test_y) == 599
    assert len(split.calibration_y) == 128


def test_digits_calls_are_the_first_test_images() -> None:
    dataset = load("digits", SHAPES, 7, seed=0)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == load_digits().target[0:21:3].tolist()
    assert np.array_equal(
        dataset.calls[2]["image"][0, 0], load_digits().images[6].astype(np.float32) / 16
    )


def test_digits_are_flattened_for_a_network_of_vectors() -> None:
    assert load("digits", {"v": (1, 64)}, 2, 0).calls[0]["v"].shape == (1, 64)


def test_default_and_upper_limit_of_images() -> None:
    assert len(load("digits", SHAPES, None, 0).calls) == 100
    assert len(load("digits", SHAPES, 10_000, 0).calls) == 599


def test_random_inputs_depend_on_the_seed_only() -> None:
    shapes = {"a": (1, 2), "b": (3,)}
    one, same, other = load(None, shapes, 3, 5), load(None, shapes, 3, 5), load(None, shapes, 3, 6)
    assert one.labels is None
    assert [c["b"].tobytes() for c in one.calls] == [c["b"].tobytes() for c in same.calls]
    assert one.calls[0]["a"].tobytes() != other.calls[0]["a"].tobytes()
    assert one.calls[0]["a"].tobytes() != one.calibration[0]["a"].tobytes()


def test_npz_calibration_is_never_scored(tmp_path: Path) -> None:
    x = np.arange(60, dtype=np.float64).reshape(20, 3)
    dataset = load(_save(tmp_path / "d.npz", x=x, y=np.arange(20)), PAIR, None, 0)
    assert [c["v"][0, 0] for c in dataset.calibration] == [0, 3, 6, 9, 12]
    assert [c["v"][0, 0] for c in dataset.calls] == list(range(15, 60, 3))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == list(range(5, 20))


def test_npz_batches(tmp_path: Path) -> None:
    path = _save(tmp_path / "d.npz", x=np.arange(60).reshape(20, 3), y=np.arange(20))
    dataset = load(path, {"v": (4, 3)}, 9, 0)
    assert [c["v"][0, 0] for c in dataset.calibration] == [0]
    assert [c["v"][0, 0] for c in dataset.calls] == [12, 24]
    assert dataset.labels is not None
    assert dataset.labels.tolist() == list(range(4, 12))


def test_npz_rows_that_are_whole_inputs(tmp_path: Path) -> None:
    path = _save(tmp_path / "d.npz", x=np.zeros((8, 4, 3)))
    assert load(path, {"v": (4, 3)}, None, 0).calls[0]["v"].shape == (4, 3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros(3)}, "must hold an array named x, not z"),
        (
            {"x": np.zeros((8, 4))},
            "x must have samples of shape [3], as the network's input, not [4]",
        ),
        ({"x": np.zeros(())}, "x must have samples of shape [3], as the network's input, not []"),
        ({"x": np.zeros((3, 3))}, "x must have at least 4 samples, not 3"),
        ({"x": np.full((8, 3), np.nan)}, "x must be finite in binary32, not NaN or infinite"),
        ({"x": np.full((8, 3), 1e300)}, "x must be finite in binary32, not NaN or infinite"),
        ({"x": np.full((8, 3), "a")}, "x must be an array of real numbers, not <U1"),
        ({"x": np.full((8, 3), 1j)}, "x must be an array of real numbers, not complex128"),
        ({"x": np.full((8, 3), None)}, "array x holds objects or records, not numbers"),
        ({"x": np.zeros((8, 3)), "y": np.zeros(8)}, "y must be an array of integers, not float64"),
        ({"x": np.zeros((8, 3)), "y": [1, 2]}, "y must have a label for each of 8 samples"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    assert _error(_save(tmp_path / "d.npz", **arrays), PAIR).endswith(message)


def test_bad_files(tmp_path: Path) -> None:
    missing = _error(str(tmp_path / "none.npz"), PAIR)
    assert re.fullmatch(
        r"data='.*none.npz' must be .digits. or a readable .npz file: No such file.*", missing
    )
    (tmp_path / "text").write_text("hello")
    assert _error(str(tmp_path / "text"), PAIR).endswith(
        "must be an .npz file of plain arrays: File is not a zip file"
    )
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert _error(str(tmp_path / "one.npy"), PAIR).endswith("an .npz file, not a single array")
    whole = Path(_save(tmp_path / "cut.npz", x=np.zeros((50, 3)))).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    assert _error(str(tmp_path / "cut.npz"), PAIR).endswith(
        "must be an .npz file of plain arrays: File is not a zip file"
    )
    assert _error(str(tmp_path), PAIR).endswith("must be a regular file, not a directory")


def test_labels_are_indices(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.npz", x=np.zeros((4, 3)), y=np.array([0, 1, -1, 2]))
    assert _error(path, PAIR).endswith(": y must hold indices of classes, from 0, not -1")


def test_bad_numbers() -> None:
    assert _error("digits", SHAPES, 0) == "images must be at least 1, not 0"
    with pytest.raises(SystolabError, match=r"^seed must be at least 0, not -1$"):
        load(None, SHAPES, 1, -1)
    assert _error("digits", {**SHAPES, "b": (1,)}) == (
        "data='digits' must be used with a network of one input, not 2"
    )
    assert _error("digits", {"v": (200, 64)}, 100) == (
        "images must be at least 200, the network's batch size"
    )


def test_the_committed_network_is_small_and_good() -> None:
    model = Path("examples/digits_cnn.onnx")
    assert model.stat().st_size < 100_000
    evaluator = ReferenceEvaluator(str(model))
    dataset = load("digits", SHAPES, 599, 0)
    outputs = [cast(list[Tensor], evaluator.run(None, dict(call)))[0] for call in dataset.calls]
    correct = int((np.argmax(np.concatenate(outputs), axis=1) == dataset.labels).sum())
    assert correct >= 0.97 * 599


IDS = {"ids": Elements("int64", 10)}


@pytest.mark.parametrize(("kind", "below"), [("int64", 10), ("int32", 3), ("bool", 2)])
def test_random_integers_are_valid(kind: str, below: int) -> None:
    dataset = load(None, {"ids": (1, 50)}, 20, 0, {"ids": Elements(kind, below)})
    values = np.concatenate([call["ids"] for call in dataset.calibration + dataset.calls])
    assert values.dtype == kind
    assert np.unique(values).tolist() == list(range(below))


def test_random_numbers_are_the_same_with_and_without_types() -> None:
    one = load(None, {"v": (2, 3)}, 2, 0)
    other = load(None, {"v": (2, 3)}, 2, 0, {"v": Elements()})
    assert [c["v"].tobytes() for c in one.calls] == [c["v"].tobytes() for c in other.calls]


def test_integers_of_a_user_stay_integers() -> None:
    x = np.arange(40, dtype=np.uint8).reshape(20, 2) % 10
    dataset = load(x, {"ids": (1, 2)}, 5, 0, IDS)
    assert dataset.calls[0]["ids"].dtype == np.int64
    assert dataset.calls[0]["ids"].tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.zeros((20, 2), np.float32), "int64", ": x must be an array of int64, not float32"),
        (np.zeros((20, 2), np.int64), "bool", ": x must be an array of bool, not int64"),
        (np.zeros((20, 2), np.bool_), "int32", ": x must be an array of int32, not bool"),
        (np.full((20, 2), 1 << 40), "int32", ": x must fit int32, not reach 1099511627776"),
        (np.full((20, 2), 1 << 63, np.uint64), "int64", ": x must fit int64, not reach 92233"),
    ],
)
def test_data_of_another_type(x: np.ndarray, kind: str, message: str) -> None:
    with pytest.raises(SystolabError, match=f"^data{message}"):
        load(x, {"ids": (1, 2)}, None, 0, {"ids": Elements(kind, 10)})


def test_digits_are_no_integers() -> None:
    with pytest.raises(SystolabError, match="must be used with an input of float32, not int64"):
        load("digits", SHAPES, None, 0, {"image": Elements("int64", 10)})


def test_images_without_end() -> None:
    assert _error(None, SHAPES, 1_000_000_000) == (
        "images must give at most 268435456 elements of random inputs together, not 64000002048 "
        "(1000000000 inputs, and 32 that fit the scales)"
    )
