"""Formats by name: ``get("adaptivfloat:8,3")``.

A spelling is ``family[:item,...]``, parameters before ``option=value``, and means the same in
Python and on the command line. Every format takes the options ``rounding``, ``saturation``,
``seed``, ``scale``, ``rule`` and ``block``; families may add their own. A class of a file,
``path/to/mine.py:MyFormat``, is a family too.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TypeAlias, TypedDict
from weakref import WeakValueDictionary

from systolab.formats.errors import SystolabError, meant
from systolab.formats.families.arguments import Arguments, Family
from systolab.formats.families.builtin import BUILTIN
from systolab.formats.families.floating import p3109
from systolab.formats.format import Format
from systolab.formats.outside.choices import shown
from systolab.formats.projection.rounding import Rounding, Saturation
from systolab.formats.registry.plugins import entry_point_families, instance, load_file
from systolab.formats.registry.validation import validate
from systolab.formats.scaling.scaling import ScaleKind, ScaleRule

__all__ = ["FormatLike", "families", "get"]

FormatLike: TypeAlias = str | Format | type[Format]

# Formats whose codes are known not to contradict each other, by identity: they are immutable.
_SOUND: WeakValueDictionary[int, Format] = WeakValueDictionary()

#: What ml_dtypes, PyTorch, ONNX and papers call formats, without "-" and "_".
_OTHERS = {
    **dict.fromkeys(("fp16", "float16", "half", "f16"), "binary16"),
    **dict.fromkeys(("bf16", "brainfloat", "brainfloat16"), "bfloat16"),
    **{f"{kind}{bits}": f"{kind}:{bits}" for kind in ("int", "uint") for bits in (2, 4, 8, 16)},
    **{f"i{bits}": f"int:{bits}" for bits in (4, 8, 16)},
    **{
        f"{prefix}{layout}": layout
        for layout in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "e3m4")
        for prefix in ("float8", "fp8", "f8")
    },
    "fp8e4m3": "e4m3fn",  # NVIDIA's and OCP's name; of ml_dtypes and MLIR it is another format
    **dict.fromkeys(("float8e4m3", "f8e4m3"), "e4m3"),
    **{f"{prefix}{layout}": layout for layout in ("e2m3", "e3m2") for prefix in ("float6", "fp6")},
    **dict.fromkeys(("fp4", "float4", "float4e2m1fn", "float4e2m1", "fp4e2m1"), "e2m1"),
    **{f"posit{bits}": f"posit:{bits},2" for bits in (8, 16)},
    **dict.fromkeys(("normalfloat", "normalfloat4"), "nf4"),
}


class _Switches(TypedDict):
    rounding: Rounding | None
    saturation: Saturation | None
    seed: int | None
    scale: ScaleKind | None
    rule: ScaleRule | None
    block: int | None


@cache
def _known() -> dict[str, Family]:
    """All families by name; a plug-in must not take the name of one that is built in."""
    known = {family.name: family for family in BUILTIN}
    for family in entry_point_families():
        if family.name in known:
            raise SystolabError(
                f"Name of a format plug-in must be new, not {family.name!r} ({family.summary})"
            )
        known[family.name] = family
    return known


def families() -> tuple[Family, ...]:
    """All families, plug-ins included, in the order of their names."""
    return tuple(family for _, family in sorted(_known().items()))


def get(spec: FormatLike) -> Format:
    """The format that a spelling names, or one of your own, checked.

    Formats are immutable, so equal spellings of built-in ones share an instance and its tables.

    >>> import systolab as sl
    >>> fmt = sl.format("adaptivfloat:8,3")
    >>> fmt.bits, fmt.max
    (8, 248.0)
    >>> fmt.values[fmt.encode([1.3, -0.01])]
    array([1.3125, 0.    ])

    Args:
        spec: ``"family[:item,...]"``, parameters before ``option=value``, where the family is a
            built-in one, that of an installed plug-in, or ``file.py:ClassName``, a file that is
            executed. Or an instance of a class that derives from ``systolab.Format``, or such a
            class.

    Returns:
        The format; its ``name`` is the canonical spelling. An instance is returned as it is.

    Raises:
        SystolabError: unknown family, wrong parameters or options, or a format whose codes
            contradict each other.
    """
    if isinstance(spec, type) and issubclass(spec, Format):
        return _sound(instance(spec, spec.__name__))
    if isinstance(spec, Format):
        return _sound(spec)
    if not isinstance(spec, str):
        raise SystolabError(
            "Format must be a spelling such as 'adaptivfloat:8,3' or an instance of "
            f"systolab.Format, not {shown(spec)}"
        )
    spec = spec.strip()
    head, _, rest = spec.partition(":")
    if head.endswith(".py"):
        first, *options = rest.split(",")
        name, colon, parameter = first.partition(":")
        arguments = Arguments(spec, [*([parameter] if colon else []), *options])
        if arguments.parameters and not colon:
            raise SystolabError(
                f"Parameters of {spec!r} must follow a colon: "
                f"{head}:{name}:{','.join(arguments.parameters)}"
            )
        return _configured(load_file(head, name, arguments), arguments)
    family = _known().get(head)
    if family is None:
        return _p3109(spec)
    if family in BUILTIN and head != "codebook":
        return _builtin(spec, family)
    return _made(spec, family)


def _sound(fmt: Format) -> Format:
    """A format that a person made, after its check; once for each."""
    if _SOUND.get(id(fmt)) is not fmt:
        validate(fmt)
        _SOUND[id(fmt)] = fmt
    return fmt


@lru_cache(maxsize=256)
def _builtin(spec: str, family: Family) -> Format:
    return _made(spec, family)


def _made(spec: str, family: Family) -> Format:
    _, _, rest = spec.partition(":")
    arguments = Arguments(spec, rest.split(",") if rest else ())
    return _configured(family.make(arguments), arguments)


def _p3109(spec: str) -> Format:
    head, _, rest = spec.partition(":")
    standard = p3109(head)
    if standard is None:
        known = sorted(_known())
        hint = _elsewhere(spec) or _in_a_file(spec) or meant(head.partition(",")[0], known)
        raise SystolabError(
            f"Format family must be one of the known ones, not {shown(head)}{hint}"
            f"{'' if hint.endswith('?') else ';'} 'systolab formats' lists them"
        )
    arguments = Arguments(spec, rest.split(",") if rest else ())
    arguments.integers()
    return _configured(standard, arguments)


def _elsewhere(spec: str) -> str:
    """What to write here for what others write: other libraries' names, a comma for a colon."""
    head, comma, options = spec.replace(":", ",").partition(",")
    name = _OTHERS.get(head.lower().replace("-", "").replace("_", ""), head.lower())
    spelt = name + (":" if ":" not in name else ",") + options if comma else name
    family = name.partition(":")[0]
    return f"; write {spelt}" if family in _known() and spelt != spec else ""


def _in_a_file(spec: str) -> str:
    """What to write for a class of one's own that is spelt without the file's suffix."""
    head, _, rest = spec.partition(":")
    name = rest.partition(":")[0].partition(",")[0]
    by_looks = "/" in head or name[:1].isupper()  # parameters are numbers or begin in lower case
    if name.isidentifier() and (by_looks or Path(f"{head}.py").is_file()):
        return f"; a class of a file is spelt {head}.py:{rest}"
    return ""


def _configured(fmt: Format, arguments: Arguments) -> Format:
    switches = _Switches(
        rounding=arguments.choice("rounding", Rounding),
        saturation=arguments.choice("saturation", Saturation),
        seed=arguments.integer_option("seed"),
        scale=arguments.choice("scale", ScaleKind),
        rule=arguments.choice("rule", ScaleRule),
        block=arguments.integer_option("block"),
    )
    arguments.finish()
    changed = fmt
    if any(value is not None for value in switches.values()):
        changed = fmt.replace(**switches)
        _ = changed.projection  # an impossible combination must fail here, not at the first use
    _SOUND[id(changed)] = changed
    return changed
