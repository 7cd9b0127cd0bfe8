"""The software and the RTL of a number format, compared stage by stage; and the check checked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from systolab.cosim.api.command_line import command_line, spelt_in_full
from systolab.cosim.check import stages as all_stages
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Explain
from systolab.cosim.check.report import Report
from systolab.cosim.check.stages import Request
from systolab.cosim.coverage.coverage import Meter
from systolab.cosim.divergence.divergence import WAVES, Divergence
from systolab.cosim.mutation.campaign import Campaign, campaign
from systolab.formats.arithmetic.accumulator import AccumulatorLike, Exact, Float32
from systolab.formats.errors import Parameter, SystolabError
from systolab.formats.outside.choices import choice, integer, path
from systolab.formats.registry.registry import FormatLike
from systolab.rtl.codecs import Codec
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.configuration import ArrayLike
from systolab.rtl.kernel.configuration import array as make_array
from systolab.rtl.kernel.kernel import Array

__all__ = ["check", "mutate"]

_Progress = Callable[[str], None]


def check(
    format: FormatLike | None = None,
    *,
    array: ArrayLike = "4x4",
    weight: FormatLike | None = None,
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    codec: str = Codec.AUTO,
    level: str = Level.NORMAL,
    seed: int = 0,
    stages: Collection[str] | None = None,
    coverage: bool = False,
    waves: str | Path = WAVES,
    progress: _Progress = lambda _: None,
) -> Report:
    """Compare the software and the RTL of a number format: table, blocks, kernels, cycles.

    >>> import systolab as sl
    >>> report = sl.check("e2m1", level="quick", stages=["table", "decoder"])
    >>> report.passed, [stage.name for stage in report.stages]
    (True, ['table', 'decoder'])
    >>> report.verdict
    'EQUAL: exhaustive in table, decoder'

    Args:
        format: number format of activations.
        array: rows and columns, or a whole ``Array``, which brings its formats and accumulator.
        weight: format of weights; None: as ``format``.
        out_format: format of outputs; None: as ``format``, bfloat16 where that is block-scaled.
        accumulator: how products are summed; None: exactly, or in float32 where an exact sum
            would be too wide.
        codec: decoders and encoder: ``"table"``, ``"closed"`` forms, or ``"auto"``.
        level: how much to do: ``"quick"``, ``"normal"`` or ``"full"``.
        seed: of random inputs.
        stages: names of the stages to run; None: all that concern the array.
        coverage: measure what the runs reach in the RTL: points, lines, toggles. All stages run.
        waves: folder of the waveform of a first divergence; made when there is one.
        progress: told the name of every stage before it runs.

    Raises:
        SystolabError: an argument cannot be used, alone or with the others.
    """
    machine = _machine(format, array, weight, out_format, accumulator)
    if coverage and stages is not None:
        raise SystolabError(
            Parameter("coverage"),
            " must not come with a choice of stages: what one leaves out another reaches",
        )
    request = Request(
        machine,
        choice(Parameter("level"), Level, level),
        integer(Parameter("seed"), seed, 0),
        _names(stages),
        choice(Parameter("codec"), Codec, codec),
    )
    folder = path(Parameter("waves"), waves)
    whole = isinstance(array, Array)
    command = command_line(
        "check",
        machine.act if whole else format,
        weight=machine.weight if whole else weight,
        out=machine.out if whole else out_format,
        array=machine.name,
        accumulator=str(machine.accumulator),
        codec=None if request.codec is Codec.AUTO else request.codec,
        quick=request.level is Level.QUICK,
        full=request.level is Level.FULL,
        seed=seed,
    )
    if whole and not spelt_in_full(machine):
        command = ""

    def explainer(context: Context) -> Explain:
        return Divergence(context, folder, command).explain

    meter = Meter() if coverage else None
    return all_stages.check(request, explainer, progress=progress, meter=meter)


def mutate(
    format: FormatLike | None = None,
    count: int = 100,
    *,
    array: ArrayLike = "4x4",
    weight: FormatLike | None = None,
    out_format: FormatLike | None = None,
    accumulator: AccumulatorLike | None = None,
    level: str = Level.FULL,
    seed: int = 0,
    progress: _Progress = lambda _: None,
) -> Campaign:
    """Plant single faults in the RTL, one at a time, and count those that the check finds.

    >>> import systolab as sl
    >>> report = sl.mutate("int:4", 2, array="2x2", level="quick")
    >>> [str(verdict.mutant) for verdict in report.survivors]
    []

    Args:
        format: number format of activations.
        count: how many faults, chosen by seed.
        array: rows and columns, or a whole ``Array``, which brings its formats and accumulator.
        weight: format of weights; None: as ``format``.
        out_format: format of outputs; None: as ``format``, bfloat16 where that is block-scaled.
        accumulator: how products are summed; None: exactly, or in float32 where an exact sum
            would be too wide.
        level: of the check. What its quick level leaves alive goes through this one, too.
        seed: of the choice and of the check's inputs.
        progress: told what is being done.

    Raises:
        SystolabError: an argument cannot be used, or the sound design fails the check.
    """
    machine = _machine(format, array, weight, out_format, accumulator)
    integer(Parameter("count"), count, 1)
    levels = list(dict.fromkeys((Level.QUICK, choice(Parameter("level"), Level, level))))
    return campaign(machine, count, integer(Parameter("seed"), seed, 0), levels, progress)


def _machine(
    format: FormatLike | None,
    array: ArrayLike,
    weight: FormatLike | None,
    out_format: FormatLike | None,
    accumulator: AccumulatorLike | None,
) -> Array:
    made = make_array(array, format, weight=weight, out_format=out_format, accumulator=accumulator)
    if isinstance(array, Array) or accumulator is not None or made.block_scaled:
        return made
    try:
        specialise(Array(1, 1, made.act, made.weight, made.act, Exact()))
    except SystolabError:
        return replace(made, accumulator=Float32())
    return made


def _names(stages: Collection[str] | None) -> Collection[str] | None:
    if isinstance(stages, str) or not isinstance(stages, Collection | None):
        raise SystolabError(Parameter("stages"), f" must be a list of names, not {stages!r}")
    return stages
