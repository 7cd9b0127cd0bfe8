"""What makes no job is refused when it is made: no machine reads it in a way of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from systolab.formats import Exact, SystolabError, get
from systolab.rtl import Array, Job
from systolab.rtl.kernel.gemm import gemm_kernel

INT8, INT4 = get("int:8"), get("int:4")
ARRAY = Array(2, 2, INT8, INT8, INT8, Exact())
KERNEL = gemm_kernel(ARRAY, 2, 2, 2)
GOOD: dict[str, Any] = {
    "a": np.arange(4, dtype=np.uint8),
    "w": np.arange(4, dtype=np.uint8),
    "scale": np.ones(2, np.float32),
    "bias": np.zeros(2, np.float32),
    "lo": -np.inf,
    "hi": np.inf,
    "o": np.zeros(4, np.uint8),
}


def test_a_good_one() -> None:
    Job(KERNEL, **GOOD).check(ARRAY)
    Job(KERNEL, **GOOD | {"lo": 1, "hi": 1, "o": np.zeros(4, np.uint16)}).check(ARRAY)


@pytest.mark.parametrize("memory", ["a", "w", "o"])
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.array([-1, 0, 0, 0]), "1-dimensional int64"),
        (np.zeros(4, np.int8), "1-dimensional int8"),
        (np.zeros(4), "1-dimensional float64"),
        (np.zeros((2, 2), np.uint8), "2-dimensional uint8"),
        ([0, 0, 0, 0], "list"),
        (None, "NoneType"),
    ],
)
def test_memories_are_flat_codes(memory: str, given: object, found: str) -> None:
    message = f"^Memory {memory.upper()} must be flat uint8 or uint16, not {found}$"
    with pytest.raises(SystolabError, match=message):
        Job(KERNEL, **GOOD | {memory: given})


@pytest.mark.parametrize("parameter", ["scale", "bias"])
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.ones(2), "1-dimensional float64"),
        (np.ones(2, np.int32), "1-dimensional int32"),
        (np.ones((1, 2), np.float32), "2-dimensional float32"),
        ([1.0, 1.0], "list"),
        (None, "NoneType"),
    ],
)
def test_parameters_are_flat_binary32(parameter: str, given: object, found: str) -> None:
    message = f"^{parameter.capitalize()} must be flat float32, not {found}$"
    with pytest.raises(SystolabError, match=message):
        Job(KERNEL, **GOOD | {parameter: given})


@pytest.mark.parametrize(
    ("lo", "hi"), [(3, -3), (np.nan, 1), (0, np.nan), (None, 1), ("a", 1), (1.0, 1 - 2.0**-20)]
)
def test_the_clamp_is_an_interval(lo: object, hi: object) -> None:
    with pytest.raises(SystolabError, match=f"^Clamp must have lo <= hi, not {lo} and {hi}$"):
        Job(KERNEL, **GOOD | {"lo": lo, "hi": hi})


@pytest.mark.parametrize(("memory", "stream"), [("a", "A"), ("w", "W"), ("o", "O")])
def test_codes_fit_their_formats(memory: str, stream: str) -> None:
    array = Array(2, 2, INT4, INT4, INT4, Exact())
    job = Job(KERNEL, **GOOD | {memory: np.full(4, 16, np.uint8)})
    with pytest.raises(SystolabError, match=f"^Codes of stream {stream} must be below 16 in"):
        job.check(array)
