"""Inputs that tell one rounding from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from systolab.formats import Format


def hostile(fmt: Format, count: int = 1_000_000, seed: int = 0) -> NDArray[np.float32]:
    """At least ``count`` binary32 values: the table, every boundary, their neighbours, random ones.

    The random ones are one third any bit pattern, one third spread over the format's binades, one
    third a value of the table or a midpoint with a few low bits flipped.
    """
    rng = np.random.default_rng(seed)
    points = fmt.codebook.points
    with np.errstate(over="ignore"):
        middles = ((points[1:] + points[:-1]) / 2).astype(np.float32)
        step = points[-1] - points[-2]
        beyond = np.float32(points[-1]) + np.arange(-4, 5, dtype=np.float32) * np.float32(step / 4)
    exact = np.concatenate([points.astype(np.float32), middles, beyond, -beyond])
    specials = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38], np.float32)
    with np.errstate(over="ignore"):
        near = np.concatenate(
            [np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))]
        )
    third = max(count // 3 + 1, 1)
    patterns = rng.integers(0, 1 << 32, third, dtype=np.uint32).view(np.float32)
    smallest = np.abs(points[points != 0]).min()
    low, high = np.log2(smallest) - 3, min(np.log2(fmt.max) + 2, 127.9)
    spread = np.exp2(rng.uniform(low, high, third)) * rng.choice([-1.0, 1.0], third)
    flipped = rng.choice(exact, third).view(np.uint32) ^ rng.integers(0, 4, third, dtype=np.uint32)
    return np.concatenate(
        [exact, specials, near, patterns, spread.astype(np.float32), flipped.view(np.float32)]
    )


def same_values(got: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Equal values, signs of zeros included; NaN equals NaN."""
    both_nan = np.isnan(got) & np.isnan(expected)
    return np.asarray(
        both_nan | ((got == expected) & (np.signbit(got) == np.signbit(expected))), dtype=np.bool_
    )
