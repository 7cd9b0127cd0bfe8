"""`systolab show`: one number format in detail."""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from systolab.cosim.commands.formats import write_json
from systolab.cosim.terminal.columns import columns
from systolab.formats import Format, get
from systolab.formats.arithmetic.accumulator import parse_accumulator
from systolab.formats.describe.plot import plot
from systolab.formats.describe.properties import Properties, properties
from systolab.formats.dot.product import choose_engine, exact_k
from systolab.formats.errors import SystolabError
from systolab.formats.projection.rounding import Rounding

NAME = "show"
HELP = "show a number format: range, precision, special codes, exactness, encodings"

_REDUCTION = 512
_SAMPLES = (0.0, -0.0, 0.1, 1.0, 1.5, -2.7, 100.0, float("inf"), float("nan"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `systolab show`."""
    parser.add_argument("format", metavar="F", help="for example adaptivfloat:8,3")
    parser.add_argument(
        "--encode", metavar="X", type=float, nargs="+", default=_SAMPLES, help="values to encode"
    )
    parser.add_argument("--table", action="store_true", help="print the value of every code")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the number line and the relative error"
    )
    parser.add_argument(
        "--beside", metavar="F", nargs="+", default=(), help="other formats to draw in the plot"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the description."""
    fmt = get(args.format)
    facts = properties(fmt)
    engines = _engines(fmt)
    if args.beside and args.plot is None:
        raise SystolabError("Option --beside must come with --plot")
    if args.plot is not None:
        plot([fmt, *map(get, args.beside)], args.plot)
    bound = exact_k(fmt, fmt)
    codes = fmt.encode(np.array(args.encode, dtype=np.float64)).tolist()
    print("\n".join(f"{key:<16}{value}" for key, value in _lines(fmt, facts, bound, engines)))
    print()
    body = [
        (repr(x), f"{code:#0{2 + (fmt.bits + 3) // 4}x}", f"{code:0{fmt.bits}b}", _value(fmt, code))
        for x, code in zip(args.encode, codes, strict=True)
    ]
    print(columns(("value", "code", "bits", "means"), body, right=(0, 3)))
    if args.table:
        print()
        table = [
            (f"{code:#x}", f"{code:0{fmt.bits}b}", _value(fmt, code)) for code in range(2**fmt.bits)
        ]
        print(columns(("code", "bits", "means"), table, right=(2,)))
    if args.json is not None:
        encodings = [{"value": repr(x), "code": c} for x, c in zip(args.encode, codes, strict=True)]
        plain = asdict(facts) | {"exact_k": bound, "engines": engines, "encodings": encodings}
        write_json(args.json, plain)
    return 0


def _value(fmt: Format, code: int) -> str:
    return repr(float(fmt.values[code]))


def _engines(fmt: Format) -> dict[str, str]:
    """The engine for a reduction of 512 terms under each accumulator."""
    return {
        name: choose_engine(fmt, fmt, parse_accumulator(name), _REDUCTION)
        for name in ("exact", "float32")
    }


def _lines(
    fmt: Format, facts: Properties, bound: int, engines: dict[str, str]
) -> list[tuple[str, str]]:
    specials = {
        "zero": facts.zero,
        "-0": facts.negative_zero,
        "NaN": facts.nan,
        "+inf": facts.plus_inf,
        "-inf": facts.minus_inf,
    }
    present = [f"{key} {code:#x}" for key, code in specials.items() if code is not None]
    nan = "NaN" if facts.nan is not None else f"code {fmt.nan_code:#x} (zero)"
    lines = [
        ("format", facts.name),
        ("bits", str(facts.bits)),
        ("values", f"{facts.values} finite, {facts.unused} codes repeat another"),
        ("range", f"{facts.smallest:.9g} to {facts.largest:.9g}, unscaled magnitudes"),
        ("quantum", f"{facts.quantum:.9g} = 2^{np.log2(facts.quantum):.0f}"),
        ("max / quantum", f"2^{facts.log2_ratio:.2f}"),
        ("dynamic range", f"{facts.dynamic_range_db:.1f} dB"),
        ("special codes", ", ".join(present)),
        ("NaN becomes", nan),
        (
            "rounding",
            facts.rounding
            + ("" if fmt.rounding is not Rounding.STOCHASTIC else f", seed {fmt.seed}"),
        ),
        ("saturation", facts.saturation),
        ("scale", facts.scaling),
        (
            "exact binary64",
            f"sums of up to {bound:,} products" if bound else "one product, no sums",
        ),
        ("engines", ", ".join(f"{key}: {value}" for key, value in engines.items())),
    ]
    if facts.decimals is not None:
        low, high = facts.decimals
        lines.insert(7, ("decimal digits", f"{low:.2f} to {high:.2f}"))
    return lines
