"""All stages in order, and the run through them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from systolab.cosim.check import blocks, machine, postprocessing, proof
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Explain, Machine
from systolab.cosim.check.report import Coverage, Report, StageResult
from systolab.formats.errors import SystolabError
from systolab.rtl.codecs import Codec, NoCodecError
from systolab.rtl.hardware import handwritten
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.kernel.kernel import Array

_FIRST: tuple[tuple[str, Callable[[Context], StageResult]], ...] = (
    ("table", blocks.table),
    ("decoder", blocks.decoder),
    ("encoder", blocks.encoder),
    ("proof", proof.proof),
)
MACHINE_STAGES: tuple[tuple[str, Callable[[Machine], StageResult]], ...] = (
    ("product", machine.product),
    ("PE", machine.element),
    ("column", machine.column),
    ("tile", machine.tile),
    ("scales", machine.scales),
    ("kernels", machine.whole_kernels),
    ("pipeline", machine.pipeline),
)

STAGES = (
    *(name for name, _ in _FIRST),
    *(name for name, _ in MACHINE_STAGES),
    "post-processing",
    "cycles",
)
_BLOCK_SCALED_ONLY = ("scales",)

# The stages that run single hardware blocks.
BLOCK_STAGES: tuple[tuple[str, Callable[[Context], StageResult]], ...] = (
    ("decoder", blocks.decoder),
    ("encoder", blocks.encoder),
    ("post-processing", postprocessing.postprocessing),
)

_NEED_UNITS = ("decoder", "encoder", "post-processing")
_NEED_MODEL = (*(name for name, _ in MACHINE_STAGES), "cycles")


def stages_of(array: Array) -> tuple[str, ...]:
    """The stages that concern an array."""
    return tuple(x for x in STAGES if array.block_scaled or x not in _BLOCK_SCALED_ONLY)


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
        return stages_of(self.array) if self.stages is None else self.stages

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
) -> Report:
    """Run the stages of a check.

    Args:
        request: what to check.
        explainer: makes, for the context of the check, what minimises and locates a difference.
        sources: the sources to check, where they are not the generated ones.
        progress: told the name of every stage before it runs.

    Raises:
        SystolabError: a stage is unknown, or the array cannot be generated or built.
    """
    array = request.array
    for name in request.chosen:
        if name not in stages_of(array):
            known = ", ".join(stages_of(array))
            raise SystolabError(f"Stage must be one of {known}, not {name!r}")
    report = Report(request.subject)
    try:
        built = hardware(array, request.codec) if sources is None else sources
    except NoCodecError as error:
        if request.codec is not Codec.AUTO:
            raise
        return _software_only(request, report, f"no RTL: {error}")
    context = Context(built, request.level, request.seed)
    _run(request, context, explainer(context), report, progress)
    return report


def _run(
    request: Request,
    context: Context,
    explain: Explain,
    report: Report,
    progress: Callable[[str], None],
) -> None:
    progress("build")
    if any(name in request.chosen for name in _NEED_UNITS):
        _ = context.units
    if any(name in request.chosen for name in _NEED_MODEL):
        _ = context.model
    for name, block in _FIRST:
        if name in request.chosen:
            progress(name)
            report.stages.append(block(context))
    both = Machine(context, explain)
    timing = "cycles" in request.chosen
    for name, stage in MACHINE_STAGES:
        # The cycle count is that of the kernels: without other stages it runs those.
        needed = name in request.chosen or (timing and name == "kernels")
        if needed:
            progress(name)
            result = stage(both)
            if name in request.chosen:
                report.stages.append(result)
    if "post-processing" in request.chosen:
        progress("post-processing")
        report.stages.append(postprocessing.postprocessing(context))
    if timing:
        report.stages.append(both.cycles())


def _software_only(request: Request, report: Report, reason: str) -> Report:
    """The stages of a format that has no hardware: the table, the others skipped."""
    for name in request.chosen:
        if name == "table":
            report.stages.append(blocks.table_of(request.array))
        else:
            report.stages.append(StageResult(name, 0, 0, Coverage.SKIPPED, reason))
    return report
