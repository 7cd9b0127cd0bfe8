"""The families that come with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from systolab.formats.errors import SystolabError
from systolab.formats.families.adaptivfloat import AdaptivFloat
from systolab.formats.families.adaptivfloat2022 import AdaptivFloat2022
from systolab.formats.families.arguments import Arguments, Family, Switch
from systolab.formats.families.block import NvFp4, bfp, mx
from systolab.formats.families.flexasr import FlexAsr
from systolab.formats.families.floating import NAMED, Float, Layout, Specials, default_bias, named
from systolab.formats.families.integer import Fixed, Int, UInt
from systolab.formats.families.logarithmic import Lns
from systolab.formats.families.posit import Posit
from systolab.formats.families.tables import NF4_VALUES, TableFormat, load_codebook
from systolab.formats.format import Format

__all__ = ["BUILTIN"]


def _adaptivfloat(arguments: Arguments) -> Format:
    return AdaptivFloat(*arguments.integers("n", "e"))


def _adaptivfloat2022(arguments: Arguments) -> Format:
    return AdaptivFloat2022(*arguments.integers("n", "e"))


def _flexasr(arguments: Arguments) -> Format:
    arguments.integers()
    return FlexAsr()


def _float(arguments: Arguments) -> Format:
    exponent, mantissa = arguments.integers("e", "m")
    layout = Layout(exponent, mantissa, default_bias(exponent))
    bias = arguments.integer_option("bias")
    specials = arguments.choice("specials", Specials)
    subnormals = arguments.choice("subnormals", Switch)
    signed = arguments.choice("signed", Switch)
    return Float(
        replace(
            layout,
            bias=layout.bias if bias is None else bias,
            specials=layout.specials if specials is None else specials,
            subnormals=subnormals is not Switch.NO,
            signed=signed is not Switch.NO,
        )
    )


def _posit(arguments: Arguments) -> Format:
    return Posit(*arguments.integers("n", "es"))


def _int(arguments: Arguments) -> Format:
    (bits,) = arguments.integers("n")
    return Int(bits, arguments.choice("symmetric", Switch) is Switch.YES)


def _uint(arguments: Arguments) -> Format:
    return UInt(*arguments.integers("n"))


def _fixed(arguments: Arguments) -> Format:
    return Fixed(*arguments.integers("n", "f"))


def _lns(arguments: Arguments) -> Format:
    return Lns(*arguments.integers("n", "f"))


def _nf4(arguments: Arguments) -> Format:
    arguments.integers()
    return TableFormat(NF4_VALUES, "nf4")


def _codebook(arguments: Arguments) -> Format:
    if len(arguments.parameters) != 1:
        raise SystolabError(
            f"Parameters of {arguments.spec!r} must be one file, "
            f"not {','.join(arguments.parameters)!r}"
        )
    return load_codebook(arguments.parameters[0])


def _named(name: str) -> Callable[[Arguments], Format]:
    def make(arguments: Arguments) -> Format:
        arguments.integers()
        return named(name)

    return make


def _mx(family: str) -> Callable[[Arguments], Format]:
    def make(arguments: Arguments) -> Format:
        if len(arguments.parameters) > 1:
            arguments.integers()
        return mx(family, arguments.parameters[0] if arguments.parameters else None)

    return make


def _bfp(arguments: Arguments) -> Format:
    return bfp(*arguments.integers("m", "block"))


def _nvfp4(arguments: Arguments) -> Format:
    arguments.integers()
    return NvFp4()


_SUMMARIES = {
    "binary16": "IEEE 754 half precision; overflow gives an infinity",
    "bfloat16": "upper half of binary32; overflow gives an infinity",
    "e5m2": "OCP OFP8 with infinities",
    "e4m3": "8-bit float with IEEE 754's specials, largest 240",
    "e3m4": "8-bit float with IEEE 754's specials, largest 15.5",
    "e4m3fn": "OCP OFP8 without infinities, largest 448",
    "e5m2fnuz": "one NaN, no infinities, no -0, bias 16",
    "e4m3fnuz": "one NaN, no infinities, no -0, bias 8",
    "e4m3b11fnuz": "one NaN, no infinities, no -0, bias 11",
    "e3m2": "OCP MX 6-bit float without specials",
    "e2m3": "OCP MX 6-bit float without specials",
    "e2m1": "OCP MX 4-bit float without specials",
}

BUILTIN: tuple[Family, ...] = (
    Family(
        "adaptivfloat",
        "n,e",
        "AdaptivFloat as in the paper: nearest value, half the minimum goes up",
        "adaptivfloat:8,3",
        _adaptivfloat,
    ),
    Family(
        "adaptivfloat2022",
        "n,e",
        "AdaptivFloat of its authors' 2022 code: two binades fewer, flushing",
        "adaptivfloat2022:8,3",
        _adaptivfloat2022,
    ),
    Family(
        "flexasr",
        "",
        "AdaptivFloat<8,3> as FlexASR's hardware rounds it",
        "flexasr",
        _flexasr,
    ),
    Family(
        "float",
        "e,m",
        "binary float; options bias, specials, subnormals, signed",
        "float:4,3,specials=fn",
        _float,
    ),
    *(Family(name, "", _SUMMARIES[name], name, _named(name)) for name in NAMED),
    Family("posit", "n,es", "posit, rounded on the bit string", "posit:8,2", _posit),
    Family("int", "n", "two's complement integer; option symmetric", "int:8", _int),
    Family("uint", "n", "unsigned integer", "uint:8", _uint),
    Family("fixed", "n,f", "two's complement fixed point, f fraction bits", "fixed:8,4", _fixed),
    Family("lns", "n,f", "sign and fixed-point logarithm, f fraction bits", "lns:8,3", _lns),
    Family("nf4", "", "16 quantiles of the normal distribution (QLoRA)", "nf4", _nf4),
    Family("codebook", "file", "values from a CSV or NumPy file", "codebook:my.csv", _codebook),
    Family(
        "mxfp8", "[e4m3fn|e5m2]", "OCP MX: blocks of 32 under a power of two", "mxfp8", _mx("mxfp8")
    ),
    Family(
        "mxfp6", "[e2m3|e3m2]", "OCP MX: blocks of 32 under a power of two", "mxfp6", _mx("mxfp6")
    ),
    Family("mxfp4", "[e2m1]", "OCP MX: blocks of 32 under a power of two", "mxfp4", _mx("mxfp4")),
    Family("mxint8", "", "OCP MX: blocks of 32 under a power of two", "mxint8", _mx("mxint8")),
    Family("nvfp4", "", "e2m1 in blocks of 16 under e4m3 and a tensor's binary32", "nvfp4", _nvfp4),
    Family("bfp", "m,block", "m-bit integers under a shared power of two", "bfp:8,16", _bfp),
)
