"""All stages of the check in order, one table, and the run through them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from systolab.cosim.check import blocks, machine, postprocessing, proof
from systolab.cosim.check.context import Context, Level, Meter
from systolab.cosim.check.machine import Explain, Machine
from systolab.cosim.check.report import Coverage, Report, StageResult
from systolab.formats.errors import Parameter, SystolabError, meant
from systolab.rtl.codecs import Codec, NoCodecError
from systolab.rtl.hardware import handwritten
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.kernel import Array

__all__ = ["STAGES", "Part", "Request", "Stage", "check", "stages_of"]


class Part(StrEnum):
    """What has to be built before a stage can run."""

    NOTHING = "nothing"
    UNITS = "units"  #: the arithmetic blocks, one by one
    MODEL = "model"  #: the whole machine


@dataclass(frozen=True)
class Stage:
    """One stage of the check.

    Attributes:
        name: as it is chosen and reported.
        run: compares both sides.
        needs: what is built for it.
        only_if: whether it concerns an array.
        after: stages whose cases it reports on, which run even where they are not chosen.
        software: what is left of it for a format without hardware; None: it is skipped.
    """

    name: str
    run: Callable[[Machine], StageResult]
    needs: Part = Part.MODEL
    only_if: Callable[[Array], bool] = lambda _: True
    after: tuple[str, ...] = ()
    software: Callable[[Array], StageResult] | None = None


def _block(stage: Callable[[Context], StageResult]) -> Callable[[Machine], StageResult]:
    """A stage that looks at blocks, and needs nothing of the machine but its context."""
    return lambda machine: stage(machine.context)


STAGES = (
    Stage("table", _block(blocks.table), Part.NOTHING, software=blocks.table_of),
    Stage("decoder", _block(blocks.decoder), Part.UNITS),
    Stage("encoder", _block(blocks.encoder), Part.UNITS),
    Stage("proof", _block(proof.proof), Part.NOTHING),
    Stage("product", machine.product),
    Stage("PE", machine.element),
    Stage("column", machine.column),
    Stage("tile", machine.tile),
    Stage("scales", machine.scales, only_if=lambda array: array.block_scaled),
    Stage("kernels", machine.whole_kernels),
    Stage("directed", machine.directed_kernels),
    Stage("pipeline", machine.pipeline),
    Stage("post-processing", _block(postprocessing.postprocessing), Part.UNITS),
    Stage("cycles", Machine.cycles, after=("kernels", "directed")),
)


def stages_of(array: Array) -> tuple[Stage, ...]:
    """The stages that concern an array, in order."""
    return tuple(stage for stage in STAGES if stage.only_if(array))


@dataclass(frozen=True)
class Request:
    """What to check.

    Attributes:
        array: formats, accumulator and size of the machine.
        level: how much to do.
        seed: of all random inputs.
        stages: names of the stages to run; None: all that concern the array.
        codec: how decoders and encoder are built.
    """

    array: Array
    level: Level = Level.NORMAL
    seed: int = 0
    stages: Collection[str] | None = None
    codec: Codec = Codec.AUTO

    @property
    def chosen(self) -> Collection[str]:
        """Names of the stages to run."""
        if self.stages is not None:
            return self.stages
        return [stage.name for stage in stages_of(self.array)]

    @property
    def subject(self) -> dict[str, str]:
        """What was checked, for the report's heading."""
        array = self.array
        formats = {fmt.name: None for fmt in (array.act, array.weight, array.out)}
        files = {source.file: None for source in handwritten.used(array).values()}
        return {
            "format": " / ".join(formats),
            "array": array.name,
            "accumulator": array.sums,
            **({"Verilog": " ".join(files)} if files else {}),
            **({} if self.codec is Codec.AUTO else {"codec": str(self.codec)}),
            "level": str(self.level),
            "seed": str(self.seed),
        }


def check(
    request: Request,
    explainer: Callable[[Context], Explain],
    sources: Hardware | None = None,
    progress: Callable[[str], None] = lambda _: None,
    meter: Meter | None = None,
) -> Report:
    """Run the stages of a check.

    Args:
        request: what to check.
        explainer: makes, for the context of the check, what minimises and locates a difference.
        sources: the sources to check, where they are not the generated ones.
        progress: told the name of every stage before it runs.
        meter: measures what the runs reach in the RTL.

    Raises:
        SystolabError: a stage is unknown, or the array cannot be generated or built.
    """
    array = request.array
    known = [stage.name for stage in stages_of(array)]
    for name in request.chosen:
        if name not in known:
            raise SystolabError(
                Parameter("stages"),
                f" must be among {', '.join(known)}, not {name!r}{meant(name, known)}",
            )
    report = Report(request.subject)
    try:
        built = hardware(array, request.codec) if sources is None else sources
    except NoCodecError as error:
        if request.codec is not Codec.AUTO:
            raise
        return _software_only(request, report, f"no RTL: {error}")
    context = Context(built, request.level, request.seed, meter)
    _run(request, context, explainer(context), report, progress)
    if meter is not None:
        report.reached = meter.measured(built, context.model)
    return report


def _run(
    request: Request,
    context: Context,
    explain: Explain,
    report: Report,
    progress: Callable[[str], None],
) -> None:
    chosen = [stage for stage in STAGES if stage.name in request.chosen]
    needs = {stage.needs for stage in chosen}
    awaited = {name for stage in chosen for name in stage.after}
    progress("build")
    if Part.UNITS in needs:
        _ = context.units
    if Part.MODEL in needs:
        _ = context.model
    both = Machine(context, explain)
    for stage in STAGES:
        if stage in chosen or stage.name in awaited:
            progress(stage.name)
            result = stage.run(both)
            if stage in chosen:
                report.stages.append(result)


def _software_only(request: Request, report: Report, reason: str) -> Report:
    """What is left of the chosen stages for a format that has no hardware."""
    for stage in STAGES:
        if stage.name in request.chosen:
            report.stages.append(
                StageResult(stage.name, 0, 0, Coverage.SKIPPED, reason)
                if stage.software is None
                else stage.software(request.array)
            )
    return report
