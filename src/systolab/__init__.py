"""Systolab: co-simulation of systolic accelerators with custom number formats.

    import systolab as sl

    sl.fake_quantize(x, "adaptivfloat:8,3")                            # what a format does to data
    sl.run("net.onnx", "adaptivfloat:8,3", array="16x16", data="x.npz")  # a network, both sides
    sl.check("mine.py:MyFormat")                                       # software against RTL

Formats, arrays and accumulators are given as text in the command line's spelling, or as objects.
What cannot be used raises ``SystolabError`` with one sentence. Reports have ``text()``,
``as_data()`` and a table that notebooks show.

The four folders at the top of the repository are this package's: ``systolab.formats``,
``systolab.rtl``, ``systolab.glenside`` and ``systolab.cosim``. Nothing else is installed. Names are
loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from systolab import cosim, formats, glenside, rtl
    from systolab.cosim.api.cache import CacheReport, cache
    from systolab.cosim.api.check import check, mutate
    from systolab.cosim.api.describe import Description, FormatList, describe, list_formats
    from systolab.cosim.api.hardware import Design, hardware
    from systolab.cosim.api.mapping import MapReport, compile, map
    from systolab.cosim.api.quantize import LossReport, dot, fake_quantize, loss, quantize
    from systolab.cosim.api.run import RunReport, run
    from systolab.cosim.check.report import Report as CheckReport
    from systolab.cosim.mutation.campaign import Campaign as MutationReport
    from systolab.cosim.simulator.model import Model
    from systolab.formats.arithmetic.accumulator import Exact, Float, Float32, Saturate, Wrap
    from systolab.formats.arithmetic.accumulator import parse_accumulator as accumulator
    from systolab.formats.dot.product import DotResult
    from systolab.formats.errors import SystolabError
    from systolab.formats.format import Format, QuantizedTensor
    from systolab.formats.projection.rounding import Rounding, Saturation
    from systolab.formats.registry.registry import get as format
    from systolab.formats.scaling.scaling import ScaleKind, ScaleRule, Scaling
    from systolab.glenside.network.network import Network
    from systolab.glenside.onnx.importer import load
    from systolab.glenside.program import Program
    from systolab.rtl.kernel.configuration import array
    from systolab.rtl.kernel.kernel import Array

    __version__: str

__all__ = [
    "Array",
    "CacheReport",
    "CheckReport",
    "Description",
    "Design",
    "DotResult",
    "Exact",
    "Float",
    "Float32",
    "Format",
    "FormatList",
    "LossReport",
    "MapReport",
    "Model",
    "MutationReport",
    "Network",
    "Program",
    "QuantizedTensor",
    "Rounding",
    "RunReport",
    "Saturate",
    "Saturation",
    "ScaleKind",
    "ScaleRule",
    "Scaling",
    "SystolabError",
    "Wrap",
    "__version__",
    "accumulator",
    "array",
    "cache",
    "check",
    "compile",
    "cosim",
    "describe",
    "dot",
    "fake_quantize",
    "format",
    "formats",
    "glenside",
    "hardware",
    "list_formats",
    "load",
    "loss",
    "map",
    "mutate",
    "quantize",
    "rtl",
    "run",
]

# Where each name is, as in the imports above; tests/test_front_door.py holds the two together.
_HOMES = {
    "Array": "rtl.kernel.kernel:Array",
    "CacheReport": "cosim.api.cache:CacheReport",
    "CheckReport": "cosim.check.report:Report",
    "Description": "cosim.api.describe:Description",
    "Design": "cosim.api.hardware:Design",
    "DotResult": "formats.dot.product:DotResult",
    "Exact": "formats.arithmetic.accumulator:Exact",
    "Float": "formats.arithmetic.accumulator:Float",
    "Float32": "formats.arithmetic.accumulator:Float32",
    "Format": "formats.format:Format",
    "FormatList": "cosim.api.describe:FormatList",
    "LossReport": "cosim.api.quantize:LossReport",
    "MapReport": "cosim.api.mapping:MapReport",
    "Model": "cosim.simulator.model:Model",
    "MutationReport": "cosim.mutation.campaign:Campaign",
    "Network": "glenside.network.network:Network",
    "Program": "glenside.program:Program",
    "QuantizedTensor": "formats.format:QuantizedTensor",
    "Rounding": "formats.projection.rounding:Rounding",
    "RunReport": "cosim.api.run:RunReport",
    "Saturate": "formats.arithmetic.accumulator:Saturate",
    "Saturation": "formats.projection.rounding:Saturation",
    "ScaleKind": "formats.scaling.scaling:ScaleKind",
    "ScaleRule": "formats.scaling.scaling:ScaleRule",
    "Scaling": "formats.scaling.scaling:Scaling",
    "SystolabError": "formats.errors:SystolabError",
    "Wrap": "formats.arithmetic.accumulator:Wrap",
    "accumulator": "formats.arithmetic.accumulator:parse_accumulator",
    "array": "rtl.kernel.configuration:array",
    "cache": "cosim.api.cache:cache",
    "check": "cosim.api.check:check",
    "compile": "cosim.api.mapping:compile",
    "describe": "cosim.api.describe:describe",
    "dot": "cosim.api.quantize:dot",
    "fake_quantize": "cosim.api.quantize:fake_quantize",
    "format": "formats.registry.registry:get",
    "hardware": "cosim.api.hardware:hardware",
    "list_formats": "cosim.api.describe:list_formats",
    "load": "glenside.onnx.importer:load",
    "loss": "cosim.api.quantize:loss",
    "map": "cosim.api.mapping:map",
    "mutate": "cosim.api.check:mutate",
    "quantize": "cosim.api.quantize:quantize",
    "run": "cosim.api.run:run",
}
_FOLDERS = ("cosim", "formats", "glenside", "rtl")

if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that this may give

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name in _FOLDERS:
            return import_module(f"systolab.{name}")
        if name == "__version__":
            from importlib.metadata import version

            found = version("systolab")
        elif name in _HOMES:
            home, _, original = _HOMES[name].partition(":")
            found = getattr(import_module(f"systolab.{home}"), original)
        else:
            raise AttributeError(f"module 'systolab' has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
