"""Number formats: codebooks, projections, scales, accumulators, emulation engines."""

from systolab.formats.arithmetic.accumulator import (
    Exact,
    Float,
    Float32,
    Saturate,
    Wrap,
    parse_accumulator,
)
from systolab.formats.describe.decompose import Decomposition, decompose
from systolab.formats.errors import SystolabError
from systolab.formats.families.adaptivfloat import AdaptivFloat
from systolab.formats.format import Format, QuantizedTensor
from systolab.formats.projection.projection import EncoderTable, binary32_key
from systolab.formats.projection.rounding import Rounding, Saturation
from systolab.formats.registry.registry import families, get
from systolab.formats.scaling.scaling import ScaleKind, ScaleRule, Scaling

__all__ = [
    "AdaptivFloat",
    "Decomposition",
    "EncoderTable",
    "Exact",
    "Float",
    "Float32",
    "Format",
    "QuantizedTensor",
    "Rounding",
    "Saturate",
    "Saturation",
    "ScaleKind",
    "ScaleRule",
    "Scaling",
    "SystolabError",
    "Wrap",
    "binary32_key",
    "decompose",
    "families",
    "get",
    "parse_accumulator",
]
