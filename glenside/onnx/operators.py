"""What each ONNX operator becomes: the table from operator type to canonical layer.

Differences between operator set versions end here: static parameters that newer versions pass as
inputs and older ones as attributes are attributes of the layer in both cases.
"""

from __future__ import annotations

from systolab.glenside.onnx import (
    linear,
    movement,
    normalization,
    pointwise,
    pooling,
    recurrent,
    reduction,
    resize,
    values,
)
from systolab.glenside.onnx.registry import TRANSLATORS
from systolab.glenside.onnx.values import VALUES

__all__ = ["TRANSLATORS", "VALUES"]

# Importing them fills TRANSLATORS.
_FAMILIES = (
    linear, movement, normalization, pointwise, pooling, recurrent, reduction, resize, values,
)  # fmt: skip
