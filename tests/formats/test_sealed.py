"""What a person may write into a class, and what then becomes of its instances."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from systolab.formats import (
    Format,
    Rounding,
    Saturation,
    ScaleKind,
    ScaleRule,
    Scaling,
    SystolabError,
    get,
)
from systolab.formats.outside.contained import quiet
from systolab.formats.scaling.calibration import Calibration


class Table(Format):
    """A table of the author's, which decides how wide its codes are."""

    def __init__(self, table: Any, peek: bool = False) -> None:
        self.bits = 3
        self.table = table
        if peek:
            _ = self.max, self.values, self.codebook, self.projection
            self.table = [2 * value for value in table]

    def decode(self, code: int) -> float:
        return float(self.table[code])


VALUES = [0.0, 1.0, 2.0, 3.0, -0.0, -1.0, -2.0, -3.0]


def test_what_was_computed_in_init_is_forgotten() -> None:
    fmt = Table(VALUES, peek=True)
    assert (fmt.max, fmt.values[1], fmt.codebook.points[-1]) == (6.0, 2.0, 6.0)
    assert fmt.encode([6.0]) == 3
    assert fmt == Table([2 * value for value in VALUES])
    assert fmt.replace(rounding=Rounding.UP).max == 6.0


@pytest.mark.parametrize("kind", [list, np.array])
def test_containers_are_taken_as_they_are(kind: Any) -> None:
    given = kind(VALUES)
    fmt = Table(given)
    given[1] = 100.0
    assert fmt.values[1] == 1.0
    assert fmt.replace(seed=1).values[1] == 1.0
    with pytest.raises((TypeError, ValueError), match="does not support item|read-only"):
        fmt.table[1] = 100.0


class Nested(Table):
    def __init__(self) -> None:
        super().__init__({"levels": [VALUES, bytearray(b"ab"), {1, 2}]})

    def decode(self, code: int) -> float:
        return float(self.table["levels"][0][code])


@pytest.mark.parametrize(
    "copy_of", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_nested_containers_are_frozen_and_copied(copy_of: Any) -> None:
    fmt = copy_of(Nested())
    assert fmt.table["levels"] == (tuple(VALUES), b"ab", frozenset({1, 2}))
    assert fmt == Nested()
    with pytest.raises(TypeError, match="mappingproxy"):
        fmt.table["levels"] = ()


@pytest.mark.parametrize(
    ("attribute", "other"),
    [
        ("bits", 2),
        ("redundant", (0,)),
        ("hardware", {"decoder": Path("x.v")}),
        ("rounding", Rounding.UP),
        ("name", "other"),
    ],
)
def test_what_becomes_of_the_class_changes_no_instance(attribute: str, other: object) -> None:
    class Edited(Format):
        bits = 3
        redundant = ()
        hardware: dict[str, Path] = {}  # noqa: RUF012  a person would write it so
        table = (0.0, *VALUES[1:4], 0.0, *VALUES[5:])

        def decode(self, code: int) -> float:
            return self.table[code]

    made = Edited()
    before = getattr(made, attribute)
    twin = made.replace(seed=made.seed)
    setattr(Edited, attribute, other)
    for fmt in (made, twin, made.replace(seed=1).replace(seed=0), copy.copy(made)):
        assert getattr(fmt, attribute) == before
    assert getattr(Edited(), attribute) == other
    assert Edited() != made


def test_a_dictionary_of_hardware_cannot_be_changed_from_outside() -> None:
    files: dict[str, Any] = {"decoder": "x.v"}

    class WithVerilog(Table):
        hardware = files

    fmt = WithVerilog(VALUES)
    files["encoder"] = Path("y.v")
    assert fmt.hardware == {"decoder": Path("x.v")}
    held: object = fmt.hardware
    assert isinstance(held, MappingProxyType)


def test_formats_with_other_hardware_are_other_formats() -> None:
    """They build other arrays: what is kept of one must not be taken for the other."""

    class Generated(Table):
        name = "Plain"

    class Verilog(Table):
        name = "Plain"
        hardware = {"decoder": Path("x.v")}  # noqa: RUF012

    assert Generated(VALUES) != Verilog(VALUES)
    assert Verilog(VALUES) == Verilog(VALUES)
    assert hash(Generated(VALUES)) == hash(Verilog(VALUES)) == hash(Generated(VALUES))


def test_equality_with_others() -> None:
    assert Table(VALUES) != "Table"
    assert Table(VALUES) != Table([*VALUES[:7], -4.0])
    assert {Table(VALUES): 1}[Table(VALUES)] == 1
    fmt = get("e5m2")
    assert fmt == fmt.replace(rounding=Rounding.NEAREST_EVEN)
    assert fmt != fmt.replace(scale=ScaleKind.POW2)
    assert fmt != fmt.replace(saturation=Saturation.NONE)
    assert fmt != fmt.named("e5m2,")


def test_a_format_without_a_spelling_is_shown_as_none() -> None:
    assert repr(Table(VALUES)) == "<Format Table>"
    assert repr(Table(VALUES).named("int:3")) == "systolab.format('int:3')"


class Slots(Format):
    __slots__ = ("__private", "bits", "table")

    def __init__(self, table: list[float]) -> None:
        self.bits = 3
        self.table = table
        self.__private = 1.0

    def decode(self, code: int) -> float:
        return self.table[code] * self.__private


@pytest.mark.parametrize(
    "copy_of",
    [copy.copy, lambda x: pickle.loads(pickle.dumps(x)), lambda x: x.replace(seed=0)],
)
def test_slots_are_kept(copy_of: Any) -> None:
    fmt = copy_of(Slots(VALUES))
    assert fmt.values.tolist() == VALUES
    assert fmt == Slots(VALUES)
    with pytest.raises(SystolabError, match="Format Slots must not be changed: set table in"):
        fmt.table = []


@dataclass(eq=False)
class Steps(Format):
    bits: int = 3
    step: float = 0.5

    def decode(self, code: int) -> float:
        return code * self.step


@dataclass(frozen=True, eq=False)
class FrozenSteps(Format):
    bits: int = 3
    step: float = 0.5

    def decode(self, code: int) -> float:
        return code * self.step


@pytest.mark.parametrize("kind", [Steps, FrozenSteps])
def test_dataclasses_work(kind: Any) -> None:
    fmt = kind(4, 0.25)
    assert (fmt.bits, fmt.max) == (4, 3.75)
    assert fmt == kind(4, 0.25)
    assert fmt != kind(4, 0.5)
    assert fmt != fmt.replace(rounding=Rounding.UP)
    assert get(fmt) is fmt
    with pytest.raises((SystolabError, AttributeError), match="must not be changed|cannot assign"):
        fmt.step = 1.0


class Plain(Format):
    bits: int = 3

    def decode(self, code: int) -> float:
        return float(code)


@pytest.mark.parametrize("decorate", [dataclass, dataclass(frozen=True)])
def test_formats_keep_their_equality(decorate: Any) -> None:
    """A dataclass's would take a format that rounds up for the one that rounds down."""

    class Compared(Plain):
        bits: int = 4

    made: Any = decorate(Compared)
    with pytest.raises(
        SystolabError,
        match=r"^Format Compared must keep the equality of formats, not define __eq__ or __hash__ "
        r"of its own: of a dataclass, write @dataclass\(eq=False\)$",
    ):
        made()


def test_another_name_is_kept_by_what_is_switched() -> None:
    fmt = get("e5m2:rounding=up").named("mine")
    assert fmt.replace(seed=3).name == "mine:seed=3"
    assert fmt.replace(seed=3).named("yours").replace(rounding=Rounding.DOWN).name == (
        "yours:rounding=down"
    )
    assert fmt.replace(rounding=Rounding.UP).name == "mine"
    with pytest.raises(SystolabError, match="^Name of mine must be a text, not ''$"):
        fmt.named("")


@pytest.mark.parametrize(
    ("switch", "value", "member"),
    [
        ("rounding", "stochastic", Rounding.STOCHASTIC),
        ("rounding", "toward-zero", Rounding.TOWARD_ZERO),
        ("saturation", "none", Saturation.NONE),
        ("scale", "pow2", ScaleKind.POW2),
        ("rule", "rceil", ScaleRule.RCEIL),
        ("block", np.int64(16), 16),
    ],
)
def test_switches_take_the_command_lines_spelling(switch: str, value: str, member: object) -> None:
    fmt, other = get("e5m2"), get("e5m2")
    changed = fmt.replace(**{switch: value})  # type: ignore[arg-type]
    assert changed == other.replace(**{switch: member})  # type: ignore[arg-type]
    kept = {**vars(changed.switches), "scale": changed.scaling.kind}
    kept |= {"rule": changed.scaling.rule, "block": changed.scaling.block}
    assert type(kept[switch]) is type(member)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (
            {"rounding": "banana"},
            "Rounding must be one of nearest-even, nearest-away, toward-zero, up, down, odd, "
            "stochastic, not 'banana'",
        ),
        (
            {"saturation": "finit"},
            "Saturation must be one of finite, propagate, none, not 'finit'; did you mean "
            "'finite'?",
        ),
        ({"scale": "bogus"}, "Scale must be one of none, pow2, binary32, not 'bogus'"),
        ({"scale": 2.0}, "Scale must be one of none, pow2, binary32, not 2.0"),
        ({"rule": "up"}, "Rule of scales must be one of floor, ceil, even, rceil, not 'up'"),
        ({"block": 1.5}, "Block size must be an integer, not 1.5"),
        ({"block": True}, "Block size must be an integer, not True"),
        ({"block": 0}, "Block size must be from 1 to 65536, not 0"),
        ({"seed": "7"}, "Seed of a format must be an integer, not '7'"),
    ],
)
def test_any_other_switch_is_one_sentence(switches: Any, message: str) -> None:
    with pytest.raises(SystolabError) as error:
        get("e5m2").replace(**switches)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scaling("pow"), "Scale must be one of none, pow2, binary32, not 'pow'; did"),  # type: ignore[arg-type]
        (lambda: Scaling(block=1.5), "Block size must be an integer, not 1.5"),  # type: ignore[arg-type]
        (lambda: Format(), "Format Format must define the method decode, it does not"),  # type: ignore[abstract]
    ],
)  # fmt: skip
def test_objects_are_checked_when_they_are_made(make: Any, message: str) -> None:
    with pytest.raises(SystolabError) as error:
        make()
    assert str(error.value).startswith(message)
    assert Scaling("pow2", "ceil") == Scaling(ScaleKind.POW2, ScaleRule.CEIL)  # type: ignore[arg-type]


def test_a_method_of_an_authors_is_named_with_its_line() -> None:
    class Broken(Table):
        def rounding_bounds(self, pairs: Any) -> Any:
            raise KeyError("x")

    with pytest.raises(
        SystolabError,
        match=r"^rounding_bounds of Broken must give a bound for every pair, not raise "
        r"KeyError: 'x' \(line \d+ of test_sealed\.py\)$",
    ):
        Broken(VALUES).encode([1.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Table([0.0, 0.1] * 4), "Value of code 0x1 of Table must be a binary32 value, not 0.1: "),
        (Table([1.0] * 8), "Codebook of Table must contain zero"),
        (Table([0.0]), "decode(0x1) of Table must return a number, not raise IndexError: "),
        (Table, "Format Table cannot be made: TypeError: "),
    ],
)
def test_objects_are_checked_as_plugins_are(given: Any, message: str) -> None:
    with pytest.raises(SystolabError) as error:
        get(given)
    assert str(error.value).startswith(message)


def test_a_class_stands_for_its_instance() -> None:
    assert get(Steps) == Steps()


@pytest.mark.parametrize("given", [None, 0.0, [-1.0], "1", np.inf, 1e300])
def test_scales_of_an_authors_rule_are_checked(given: Any) -> None:
    class Scaled(Table):
        scaling = Scaling(ScaleKind.BINARY32)

        def scale_for(self, amax: Any) -> Any:
            return given

    fmt = Scaled(VALUES)
    for fit in (lambda: fmt.quantize([1.0]), lambda: calibrated(fmt).scale()):
        with pytest.raises(SystolabError) as error:
            fit()
        assert str(error.value) == (
            f"scale_for of Scaled must give a positive binary32 for every magnitude, not {given!r}"
        )


def calibrated(fmt: Format) -> Calibration:
    calibration = Calibration(fmt, "mse")
    calibration.observe([1.0, -2.0])
    return calibration


def test_values_of_one_sign_fit_a_scale() -> None:
    class Down(Table):
        scaling = Scaling(ScaleKind.BINARY32)

    fmt = Down([0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0])
    assert float(fmt.fit_scale([-14.0])) == 2.0
    assert fmt.quantize([-14.0, 3.0]).dequantize().tolist() == [-14.0, 0.0]


def test_a_format_is_not_copied_before_it_is_made() -> None:
    class Early(Table):
        def __init__(self) -> None:
            super().__init__(VALUES)
            self.named("x")

    with pytest.raises(
        SystolabError,
        match="^Format Early must be made before it is copied, not copied in __init__$",
    ):
        Early()


def test_prints_of_threads_leave_standard_output_as_it_was() -> None:
    """The first in is the first out: what the last one found is not what it puts back."""
    before, order = sys.stdout, [threading.Event() for _ in range(3)]

    def first() -> None:
        with quiet():
            order[0].set()
            order[1].wait(10)
        order[2].set()

    thread = threading.Thread(target=first)
    thread.start()
    order[0].wait(10)
    with quiet():
        order[1].set()
        order[2].wait(10)
        assert sys.stdout is sys.stderr
    thread.join()
    assert sys.stdout is before
