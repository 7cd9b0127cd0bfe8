"""Many decoders and encoders in one Verilated module: one build for a whole test module."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab import rtl
from systolab.cosim.simulator.build import build_library

DRIVER = Path(__file__).with_name("codec_units.cpp")
TOP = "systolab_codecs"
SHARED = Path(rtl.__file__).parent / "sv" / "binary32" / "systolab_int_to_f32.sv"


@dataclass(frozen=True)
class Block:
    """A decoder or encoder: its module is named ``block``, which every instance replaces.

    Attributes:
        source: SystemVerilog of the module.
        bits: width of its code.
        operand: width of its operand (decoders).
        package: SystemVerilog of a package ``block_pkg`` that it uses.
    """

    source: str
    bits: int
    operand: int = 0
    package: str = ""


class CodecUnits:
    """Decoders and encoders by name, evaluated in batches."""

    def __init__(self, decoders: Mapping[str, Block], encoders: Mapping[str, Block]) -> None:
        """Build them."""
        self.decoders, self.encoders = list(decoders), list(encoders)
        files = sources(decoders, encoders)
        built = build_library(files, TOP, DRIVER, {}, {"codecs": self.decoders})
        self._library = built.load()
        self._library.codecs_new.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._library.codecs_new())

    def __del__(self) -> None:
        """Free the model."""
        if hasattr(self, "_handle"):
            self._library.codecs_delete(self._handle)

    def decode(
        self, name: str, codes: NDArray[np.uint16], active: bool = True
    ) -> NDArray[np.uint64]:
        """Operands of codes [n]."""
        out = np.empty(len(codes), np.uint64)
        self._call("codecs_decode", self.decoders.index(name), active, codes, out)
        return out

    def encode(
        self, name: str, values: NDArray[np.uint32], valid: bool = True
    ) -> NDArray[np.uint16]:
        """Codes of binary32 values [n] given by their bits."""
        out = np.empty(len(values), np.uint16)
        self._call("codecs_encode", self.encoders.index(name), valid, values, out)
        return out

    def _call(
        self,
        function: str,
        select: int,
        enable: bool,
        inputs: NDArray[np.unsignedinteger],
        out: NDArray[np.unsignedinteger],
    ) -> None:
        source = np.ascontiguousarray(inputs)
        getattr(self._library, function)(
            self._handle,
            ctypes.c_int64(select),
            ctypes.c_int64(enable),
            ctypes.c_int64(len(source)),
            ctypes.c_void_p(source.ctypes.data),
            ctypes.c_void_p(out.ctypes.data),
        )


def sources(decoders: Mapping[str, Block], encoders: Mapping[str, Block]) -> dict[str, str]:
    """All sources by file name, the top module last."""
    files = {SHARED.name: SHARED.read_text(encoding="utf-8")}
    for kind, blocks in (("decoder", decoders), ("encoder", encoders)):
        for i, block in enumerate(blocks.values()):
            name = f"{kind}_{i}"
            for suffix, source in (("_pkg", block.package), ("", block.source)):
                if source:
                    own = re.sub(r"\bblock(_pkg)?\b", rf"{name}\1", source)
                    files[f"{name}{suffix}.sv"] = own
    files[f"{TOP}.sv"] = _harness(decoders, encoders)
    return files


def _harness(decoders: Mapping[str, Block], encoders: Mapping[str, Block]) -> str:
    lines = [
        f"module {TOP} (",
        "  input  logic [7:0]  decode_i,",
        "  input  logic        active_i,",
        "  input  logic [15:0] code_i,",
        "  output logic [63:0] operand_o,",
        "  input  logic [7:0]  encode_i,",
        "  input  logic        valid_i,",
        "  input  logic [31:0] value_i,",
        "  output logic [15:0] code_o",
        ");",
        *(f"  logic [{block.operand - 1}:0] o{i};" for i, block in enumerate(decoders.values())),
        *(f"  logic [{block.bits - 1}:0] c{i};" for i, block in enumerate(encoders.values())),
        "  always_comb begin",
        "    operand_o = '0;",
        "    code_o = '0;",
        *(f"    if (decode_i == 8'd{i}) operand_o = 64'(o{i});" for i in range(len(decoders))),
        *(f"    if (encode_i == 8'd{i}) code_o = 16'(c{i});" for i in range(len(encoders))),
        "  end",
    ]
    for i, block in enumerate(decoders.values()):
        lines.append(
            f"  decoder_{i} u_decoder_{i} (.active_i(active_i && decode_i == 8'd{i}), "
            f".code_i(code_i[{block.bits - 1}:0]), .operand_o(o{i}));"
        )
    for i in range(len(encoders)):
        lines.append(
            f"  encoder_{i} u_encoder_{i} (.valid_i(valid_i && encode_i == 8'd{i}), "
            f".value_i(value_i), .code_o(c{i}));"
        )
    return "\n".join([*lines, "endmodule", ""])
