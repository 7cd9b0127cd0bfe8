"""What an engine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from systolab.formats.engines.spec import Operands, Spec

__all__ = ["Engine", "Result", "nothing"]

Result: TypeAlias = NDArray[np.int64] | NDArray[np.float32] | NDArray[np.object_]


@dataclass(frozen=True)
class Engine:
    """One way to compute dot products.

    Attributes:
        name: what ``dot`` knows it by.
        lacks: gives what a dot product would have to be for this engine to be right ("accumulator
            float32, not exact"), or None when the tables prove that it is.
        run: gives the accumulators [M, N]; may be called only then.
    """

    name: str
    lacks: Callable[[Spec], str | None]
    run: Callable[[Spec, Operands], Result]


def nothing(spec: Spec) -> None:
    """The precondition of an engine that computes everything."""
    return None
