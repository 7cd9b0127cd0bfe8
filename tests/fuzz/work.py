"""What is done with an input: the command, and behind it an emulated run."""

from __future__ import annotations

import warnings
from pathlib import Path

from systolab.cosim.cli import main
from systolab.cosim.network import data, execute
from systolab.cosim.network.execute import Emulator
from systolab.cosim.network.plan import Plan
from systolab.formats.errors import SystolabError
from systolab.glenside.compile import compile as compile_network
from systolab.glenside.network.elements import elements
from systolab.glenside.network.limits import work
from systolab.glenside.network.network import Network
from systolab.glenside.onnx.importer import load
from systolab.rtl.kernel.configuration import array

__all__ = ["command", "emulate", "mapped"]

_PRODUCTS = 1 << 26  # multiplications that are emulated within the time of a case
_CYCLES = 1 << 20


def command(*words: object) -> str:
    """Run the command line: "done" or "refused", or the status that it must not end with."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as end:  # argparse
        status = end.code if isinstance(end.code, int) else 70
    return {0: "done", 2: "refused"}.get(status, f"status {status}")


def mapped(model: Path, *options: object) -> str:
    """Import and map a model with the command; where it maps, run it emulated."""
    shape = ("--array", "4x4")
    outcome = command("map", model, *shape, "--json", "result.json", *options)
    dims = options[options.index("--dims") + 1] if "--dims" in options else None
    return emulate(model, None if dims is None else str(dims)) if outcome == "done" else outcome


def emulate(model: Path, dims: str | None = None) -> str:
    """Compile a model that maps, fit its scales and run it on the software model."""
    machine = array("4x4", "adaptivfloat:8,3")
    network = load(model, dims=dims)
    if work(network) > _PRODUCTS or _codes(network) > _PRODUCTS >> 4:
        return "mapped, too long to be emulated here"
    program = compile_network(network, machine)
    if program.cycles > _CYCLES:
        return "mapped, too long to be emulated here"
    try:
        calls = data.load(None, network.inputs, 1, 0, elements(network))
        plan = Plan(program, calls.calibration[:2])
        emulator = Emulator(machine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            observed = execute.run(plan, emulator, emulator, calls.calls)
    except SystolabError:  # an index or a size that only data show to be wrong
        return "mapped, refused with data"
    if observed.first is not None:
        return "status 1: the software model differs from itself"
    return "ran" if program.kernels else "ran on the host"


def _codes(network: Network) -> int:
    return sum(len(shape) and max(shape) for shape in network.inputs.values())
