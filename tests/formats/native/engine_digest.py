"""A digest of what the engines compute, whichever implementation does it."""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from systolab.formats import get, native
from systolab.formats.arithmetic.accumulator import (
    Accumulator,
    Exact,
    Float,
    Float32,
    Saturate,
    Wrap,
)
from systolab.formats.dot.postprocess import postprocess
from systolab.formats.dot.product import dot

ACCUMULATORS = ("e4m3fn", "bfloat16", "adaptivfloat:8,3", "posit:8,1")


def main() -> None:
    """Print the state of the native library and the digest."""
    digest = hashlib.sha256()
    rng = np.random.default_rng(1)
    for name in ("adaptivfloat:8,3", "e4m3fn", "int:8", "posit:8,1", "binary16"):
        fmt = get(name)
        finite = np.flatnonzero(np.isfinite(fmt.values))
        wide = (fmt.ratio**2).bit_length()
        registers = [Saturate(wide + 1), Saturate(wide + 3)] if wide < 50 else []
        for m, k, n in ((1, 5, 3), (5, 33, 70), (9, 20, 300)):
            a, w = (
                chosen.astype(np.uint8) if fmt.bits <= 8 else chosen.astype(np.uint16)
                for chosen in (rng.choice(finite, (m, k)), rng.choice(finite, (k, n)))
            )
            scale, bias = rng.standard_normal((2, n)).astype(np.float32)
            narrow = [Float(get(other)) for other in ACCUMULATORS]
            kinds: list[Accumulator] = [Exact(), Wrap(20), Float32(), *registers, *narrow]
            for accumulator in kinds:
                for group in (1, 8):
                    result = dot(a, w, fmt, fmt, accumulator, group)
                    wide_integers = result.acc.dtype == np.object_
                    text = str(result.acc.tolist()) if wide_integers else result.acc.tobytes().hex()
                    digest.update(text.encode())
                    y = postprocess(result, scale, bias, -np.inf, 1e30)
                    digest.update(y.tobytes())
                    digest.update(fmt.encode(y).tobytes())
                    digest.update(fmt.quantize(y, scale=0.3).codes.tobytes())
    sys.stdout.write(f"{native.status()}\n{digest.hexdigest()}\n")


if __name__ == "__main__":
    main()
