"""Refuse to compute where the processor is not doing IEEE arithmetic.

Loading some other library built with -Ofast or -ffast-math switches a thread to flush-to-zero;
every binary32 result with a subnormal in it would then be silently wrong.
"""

from __future__ import annotations

import numpy as np

from systolab.formats.errors import SystolabError

__all__ = ["require_ieee"]

_TINY = np.full(1, 2.0**-149, dtype=np.float32)
_SMALLEST_NORMAL = np.full(1, 2.0**-126, dtype=np.float32)
_HALF = np.full(1, 0.5, dtype=np.float32)


def require_ieee() -> None:
    """Make sure that this thread keeps subnormal inputs and results.

    Raises:
        SystolabError: it flushes them to zero.
    """
    if (_TINY + _TINY)[0] == 0.0 or (_SMALLEST_NORMAL * _HALF)[0] == 0.0:
        raise SystolabError(
            "Floating-point arithmetic must keep subnormals, not flush them to zero: some library "
            "loaded by this process was built with -ffast-math"
        )
