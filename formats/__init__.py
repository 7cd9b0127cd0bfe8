"""Number formats: codebooks, projections, scales, accumulators, emulation engines."""

from formats.accumulator import Exact, Float, Float32, Saturate, Wrap, parse_accumulator
from formats.adaptivfloat import AdaptivFloat
from formats.decompose import Decomposition, decompose
from formats.errors import SystolabError
from formats.format import Format
from formats.projection import EncoderTable, binary32_key
from formats.registry import families, get
from formats.rounding import Rounding, Saturation
from formats.scaling import ScaleKind, ScaleRule, Scaling
from formats.tensor import QuantizedTensor

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
