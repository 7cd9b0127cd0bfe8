"""Seeded faults in the emulator: the inputs of the check tell it from a sound machine.

The sound software model stands for the RTL, which equals it; the faulty one is checked against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from systolab import formats
from systolab.cosim.case import Case, Device, Outcome, software
from systolab.cosim.check import machine
from systolab.cosim.check.context import Context, Level
from systolab.cosim.check.machine import Machine
from systolab.cosim.check.report import Finding
from systolab.formats.arithmetic.accumulator import Accumulator, Exact, Float32, Saturate, Wrap
from systolab.formats.dot.product import DotResult, dot
from systolab.formats.format import Format
from systolab.formats.projection.rounding import Rounding
from systolab.rtl import values
from systolab.rtl.hardware.hardware import Hardware
from systolab.rtl.hardware.parameters import specialise
from systolab.rtl.kernel.kernel import Array

FAMILIES = [
    "adaptivfloat:8,3",
    "adaptivfloat2022:8,3",
    "e4m3fn",
    "posit:8,1",
    "int:8",
    "uint:8",
    "fixed:8,4",
    "lns:8,3",
    "nf4",
]


def array_of(fmt: Format, accumulator: Accumulator) -> Array:
    return Array(2, 2, fmt, fmt, fmt, accumulator)


def finds(sound: Array, faulty: Device) -> list[str]:
    """Names of the stages that see a difference."""
    context = Context(Hardware(sound, specialise(sound), {}), Level.QUICK, 0)
    vars(context).update(rtl=software(sound), software=faulty)
    both = Machine(context, lambda stage, case: Finding(""))
    stages = (machine.product, machine.column, machine.tile, machine.whole_kernels)
    results = [stage(both) for stage in (*stages, machine.pipeline)]
    return [result.name for result in results if result.differ]


class OneWrong(Format):
    """A format of which one code has its neighbour's value."""

    def __init__(self, base: Format, code: int) -> None:
        self.base, self.code, self.bits = base, code, base.bits
        self.name = f"{base.name} with code {code} wrong"

    def decode(self, code: int) -> float:
        return self.base.decode(code - 1 if code == self.code else code)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_wrong_value_of_a_table(name: str) -> None:
    fmt = formats.get(name)
    sound = array_of(fmt, Exact())
    code = next(c for c in range(5, 1 << fmt.bits) if fmt.values[c] != fmt.values[c - 1])
    wrong = OneWrong(fmt, code)
    faulty = replace(sound, act=wrong)
    assert "product" in finds(sound, software(faulty))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_AWAY, Rounding.TOWARD_ZERO])
def test_a_wrong_rounding_rule(name: str, rounding: Rounding) -> None:
    fmt = formats.get(name)
    sound = array_of(fmt, Exact())
    faulty = replace(sound, out=fmt.replace(rounding=rounding))
    same = np.array_equal(fmt.encoder().keys, faulty.out.encoder().keys)
    assert ("pipeline" in finds(sound, software(faulty))) is not same


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        (Wrap(28), Wrap(27)),
        (Wrap(28), Exact()),
        (Wrap(28), Saturate(28)),
        (Saturate(28), Saturate(27)),
        (Saturate(28), Exact()),
        (Exact(), Float32()),
        (Float32(), Exact()),
    ],
)
def test_a_wrong_accumulator(sound: Accumulator, faulty: Accumulator) -> None:
    fmt = formats.get("adaptivfloat:8,3")
    assert "column" in finds(array_of(fmt, sound), software(array_of(fmt, faulty)))


def one_unit(result: DotResult) -> DotResult:
    """The first sum of every product of matrices is one unit off."""
    acc = result.acc.copy()
    acc[0, 0] += 1
    return replace(result, acc=acc)


def one_column(result: DotResult) -> DotResult:
    """The last column is lost."""
    acc = result.acc.copy()
    acc[:, -1] = 0
    return replace(result, acc=acc)


def exchanged(result: DotResult) -> DotResult:
    """The rows are in the wrong order."""
    return replace(result, acc=result.acc[::-1])


@pytest.mark.parametrize("fault", [one_unit, one_column, exchanged])
def test_a_fault_of_an_engine(
    fault: Callable[[DotResult], DotResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = array_of(formats.get("adaptivfloat:8,3"), Exact())
    model = software(sound)

    def faulty(case: Case) -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(values, "dot", lambda *args, **options: fault(dot(*args, **options)))
            return model(case)

    assert "kernels" in finds(sound, faulty)


def test_a_sound_emulator_passes() -> None:
    sound = array_of(formats.get("adaptivfloat:8,3"), Exact())
    assert finds(sound, software(sound)) == []
