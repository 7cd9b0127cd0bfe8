"""Stages on single blocks: the table in software, decoders and encoder in hardware."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.check import inputs
from systolab.cosim.check.context import Context
from systolab.cosim.check.report import Coverage, Finding, StageResult
from systolab.cosim.check.value import binary32_text, code_text, comparison, exact
from systolab.formats.codes import Codes
from systolab.formats.describe.decompose import decompose
from systolab.formats.errors import SystolabError
from systolab.formats.format import Format
from systolab.formats.registry.validation import validate
from systolab.rtl.hardware.parameters import Parameters, operand_words
from systolab.rtl.kernel.kernel import Array

__all__ = ["Tally", "decoder", "encoder", "formats_of", "table", "table_of"]

_U32 = NDArray[np.uint32]
_U64 = NDArray[np.uint64]
_Words = NDArray[np.uint32] | NDArray[np.uint16]


class Tally:
    """Counts the comparisons of one stage; makes a finding of the first difference."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases = 0
        self.differ = 0
        self.finding: Finding | None = None
        self._begin = time.perf_counter()

    def compare(
        self,
        expected: NDArray[np.generic],
        found: NDArray[np.generic],
        explain: Callable[[int], Finding],
    ) -> None:
        """Count the rows of ``found`` and those that differ; explain the first one."""
        wrong = expected != found
        if wrong.ndim > 1:
            wrong = wrong.any(axis=1)
        self.cases += len(wrong)
        count = int(np.count_nonzero(wrong))
        self.differ += count
        if count and self.finding is None:
            self.finding = explain(int(np.argmax(wrong)))

    def result(self, coverage: Coverage, what: str) -> StageResult:
        """The result of the stage."""
        seconds = time.perf_counter() - self._begin
        return StageResult(
            self.name, self.cases, self.differ, coverage, what, seconds, self.finding
        )


def formats_of(array: Array) -> list[Format]:
    """The array's formats, each once."""
    return list({fmt.name: fmt for fmt in (array.act, array.weight, array.out)}.values())


def table(context: Context) -> StageResult:
    """Software alone: the table, its decomposition and its projection agree with each other."""
    return table_of(context.array)


def table_of(array: Array) -> StageResult:
    """The table stage of an array's formats, which needs no hardware."""
    tally = Tally("table")
    what = []
    for fmt in formats_of(array):
        problem = _validated(fmt)
        if problem is not None:
            tally.cases, tally.differ, tally.finding = 1, 1, Finding(problem)
            break
        codes = np.arange(1 << fmt.bits)

        def explain_decode(i: int, fmt: Format = fmt) -> Finding:
            rows = (("code", code_text(fmt, i)), ("decode", exact(fmt.decode(i))))
            return Finding(f"decode({i}) is not what the table of {fmt.name} says", rows)

        decoded = np.array([fmt.decode(int(code)) for code in codes])
        tally.compare(_bits64(fmt.values), _bits64(decoded), explain_decode)

        parts = decompose(fmt)
        rebuilt = np.ldexp(parts.significand * fmt.quantum, parts.exponent)
        rebuilt = np.where(parts.sign == 1, -rebuilt, rebuilt)
        finite = np.where(np.isfinite(fmt.values), fmt.values, 0.0) + 0.0  # without -0

        def explain_parts(
            i: int, fmt: Format = fmt, rebuilt: NDArray[np.float64] = rebuilt
        ) -> Finding:
            rows = (("code", code_text(fmt, i)), ("decomposed", exact(float(rebuilt[i]))))
            return Finding(f"the decomposition of code {i} of {fmt.name} has another value", rows)

        tally.compare(_bits64(finite), _bits64(rebuilt + 0.0), explain_parts)

        book = fmt.codebook
        own = fmt.encode(book.points.astype(np.float32))

        def explain_own(i: int, fmt: Format = fmt, own: Codes = own) -> Finding:
            code = int(fmt.codebook.codes[i])
            return Finding(
                f"a value of {fmt.name} is not projected to its own code",
                comparison(fmt, code, int(own[i])),
            )

        tally.compare(book.codes, own.astype(np.int64), explain_own)

        bits = inputs.boundaries(fmt)
        x = bits.view(np.float32)
        expected = _projected(fmt, bits)
        found = fmt.encode(x).astype(np.uint16)

        def explain_encode(
            i: int,
            fmt: Format = fmt,
            bits: _U32 = bits,
            expected: Codes = expected,
            found: Codes = found,
        ) -> Finding:
            rows = (
                ("input", binary32_text(int(bits[i]))),
                *comparison(fmt, int(expected[i]), int(found[i])),
            )
            return Finding(f"the binary32 and binary64 projections of {fmt.name} differ", rows)

        tally.compare(expected, found, explain_encode)
        what.append(f"all {len(codes)} codes of {fmt.name}")
    return tally.result(Coverage.EXHAUSTIVE, ", ".join(what))


def _projected(fmt: Format, bits: _U32) -> NDArray[np.uint16]:
    """Codes of binary32 values given by their bits, through the binary64 projection."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return fmt.projection.encode64(bits.view(np.float32).astype(np.float64))


def _validated(fmt: Format) -> str | None:
    try:
        validate(fmt)
    except SystolabError as error:
        return str(error)
    return None


def _bits64(values: NDArray[np.float64]) -> _U64:
    """Bits of binary64 values, every NaN alike."""
    canonical = np.where(np.isnan(values), np.nan, values)
    return np.ascontiguousarray(canonical).view(np.uint64)


def decoder(context: Context) -> StageResult:
    """Every code through the RTL decoders, active and inactive."""
    tally = Tally("decoder")
    array, parameters = context.array, context.hardware.parameters
    for weight, fmt in ((False, array.act), (True, array.weight)):
        instance = "weight decoder" if weight else "activation decoder"
        codes = np.arange(1 << fmt.bits, dtype=np.uint16)
        operands = context.units.decode(codes, weight)
        if parameters.own_pe:
            _passing(tally, fmt, operands, operand_words(fmt, parameters), instance)
        else:
            _decoding(tally, fmt, operands, parameters, weight, instance)
        silent = context.units.decode(codes, weight, False)

        def explain_inactive(
            i: int, fmt: Format = fmt, instance: str = instance, silent: _U64 = silent
        ) -> Finding:
            rows = (("code", code_text(fmt, i)), ("found", f"operand {int(silent[i]):#x}"))
            return Finding(f"an inactive lane of the {instance} must decode to zero", rows)

        tally.compare(np.zeros_like(silent), silent, explain_inactive)
    what = "every code, active and inactive, both operands"
    if parameters.own_pe:
        what += ": passed on as it is, the processing elements work on codes"
    return tally.result(Coverage.EXHAUSTIVE, what)


def _passing(
    tally: Tally, fmt: Format, operands: _U64, words: Sequence[int], instance: str
) -> None:
    """Codes that processing elements take as they are."""

    def explain(i: int) -> Finding:
        rows = (
            ("code", code_text(fmt, i)),
            ("expected", f"operand {words[i]:#x}"),
            ("found", f"operand {int(operands[i]):#x}"),
            ("signal", f"operand_o of the {instance}"),
        )
        return Finding(f"the {instance} of {fmt.name} does not pass code {i} on", rows)

    tally.compare(np.array(words, np.uint64), operands, explain)


def _decoding(
    tally: Tally, fmt: Format, operands: _U64, parameters: Parameters, weight: bool, instance: str
) -> None:
    """Codes whose value the decoder must give."""
    if parameters.float32:
        expected, found = _decoded_binary32(fmt, operands)
    else:
        operand = parameters.weight if weight else parameters.act
        expected, found = _decoded_integer(fmt, operands, operand.sig_bits)

    def explain(i: int) -> Finding:
        rows = (
            ("code", code_text(fmt, i)),
            ("expected", exact(float(fmt.values[i]))),
            ("found", f"{exact(float(found[i]))} (operand {int(operands[i]):#x})"),
            ("signal", f"operand_o of the {instance}"),
        )
        return Finding(f"the {instance} of {fmt.name} decodes code {i} wrongly", rows)

    tally.compare(_bits64(expected), _bits64(found), explain)


def _decoded_binary32(
    fmt: Format, operands: _U64
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected and found values; an operand without its active flag is found as NaN or 0."""
    values = (operands & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
    active = (operands >> np.uint64(32)) == 1
    return fmt.values, np.where(active, values.astype(np.float64), -1e300)


def _decoded_integer(
    fmt: Format, operands: _U64, sig_bits: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected and found values of {exponent, signed significand}; specials must be zero."""
    up = np.uint64(64 - sig_bits)
    significand = (operands << up).view(np.int64) >> np.int64(64 - sig_bits)
    exponent = (operands >> np.uint64(sig_bits)).astype(np.int64)
    found = np.ldexp(significand.astype(np.float64) * fmt.quantum, exponent)
    expected = np.where(np.isfinite(fmt.values), fmt.values, 0.0)
    return expected + 0.0, found + 0.0


def encoder(context: Context) -> StageResult:
    """Every decision boundary with its neighbours, specials and random values through the RTL."""
    tally = Tally("encoder")
    fmt = context.array.out
    effort = context.effort
    count = effort.random_wide if fmt.bits > 10 else effort.random_values
    edges = inputs.boundaries(fmt)
    bits = np.concatenate([edges, inputs.random_binary32(context.random("encoder"), count, fmt)])
    expected = _projected(fmt, bits)
    found = context.units.encode(bits)

    def explain(i: int) -> Finding:
        rows = (
            ("input", binary32_text(int(bits[i]))),
            *comparison(fmt, int(expected[i]), int(found[i])),
            ("signal", "code_o of the output encoder"),
        )
        return Finding(f"the output encoder of {fmt.name} rounds a value wrongly", rows)

    tally.compare(expected, found, explain)
    boundaries = len(fmt.encoder().keys)
    what = (
        f"all {boundaries} decision boundaries with 4 neighbours each side, all values, midpoints, "
        f"specials; {count:,} random"
    )
    return tally.result(Coverage.SAMPLED, what)
