"""A whole network in one e-graph: which tensor is in memory in which layout, and how it gets so.

Classes are (tensor, layout) pairs. What is known of each region (its options) is bound to the
network's tensors by a rule, copies between layouts by another; extraction then picks kernels,
dataflows and layouts of the whole network together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from systolab.glenside.search.extract import Choice

__all__ = ["Assembly", "Copied", "Given", "Label", "OnHost", "Run", "buffer_name"]

_PROGRAM = """
(datatype* (Buffer
  (Stored String String)
  (Given String String)
  (Run String i64 Buffers)
  (Host String String Buffers)
  (Copy Buffer String))
 (Buffers (Nil) (Cons Buffer Buffers)))
(relation applies (String String String String))
(relation option (String i64 String String String))
(relation given (String String))
(relation layout (String String))
(relation hosts (String String Buffers String String))
(ruleset bind)
(rule ((applies y region x "") (option region i l "" m))
      ((union (Stored y m) (Run y i (Cons (Stored x l) (Nil)))))
      :ruleset bind :name "bind-one-operand")
(rule ((applies y region x z) (!= z "") (option region i l k m))
      ((union (Stored y m) (Run y i (Cons (Stored x l) (Cons (Stored z k) (Nil))))))
      :ruleset bind :name "bind-two-operands")
(rule ((given t l)) ((union (Stored t l) (Given t l))) :ruleset bind :name "given")
(rule ((hosts step l operands y m)) ((union (Stored y m) (Host step l operands)))
      :ruleset bind :name "host")
(rule ((layout t l) (layout t m) (!= l m)) ((union (Stored t m) (Copy (Stored t l) m)))
      :ruleset bind :name "copy")
"""


_CHUNK = 50


@dataclass(frozen=True)
class Run:
    """Option ``index`` of the region that computes ``output``."""

    output: str
    index: int


@dataclass(frozen=True)
class OnHost:
    """A host step, all operands and results in one kind of layout."""

    step: str
    layout: str


@dataclass(frozen=True)
class Copied:
    """A tensor copied from one layout into another."""

    tensor: str
    source: str
    target: str


@dataclass(frozen=True)
class Given:
    """A tensor that is there from the start."""

    tensor: str
    layout: str


Label = Run | OnHost | Copied | Given


def buffer_name(tensor: str, layout: str) -> str:
    """The class of a tensor in a layout."""
    return f"{tensor} {layout}"


class Assembly:
    """Collects the facts about a network and reads the choices back.

    Names become numbers on the way: nothing a model file spells reaches egglog.
    """

    def __init__(self) -> None:
        self._facts: list[str] = []
        self._numbers: dict[str, str] = {"": ""}

    def _fact(self, relation: str, *values: str | int) -> None:
        self._facts.append(f"({relation} {' '.join(map(self._text, values))})")

    def _text(self, value: str | int) -> str:
        if isinstance(value, int):
            return str(value)
        return f'"{self._numbers.setdefault(value, str(len(self._numbers)))}"'

    def given(self, tensor: str, layout: str) -> None:
        """The tensor stands in memory in this layout from the start."""
        self._fact("given", tensor, layout)

    def applies(self, output: str, region: str, operands: tuple[str, ...]) -> None:
        """A region of known options computes ``output`` from up to two activations."""
        first, second = (*operands, "", "")[:2]
        self._fact("applies", output, region, first, second)

    def option(self, region: str, index: int, layouts: tuple[str, ...], output: str) -> None:
        """Option ``index`` of a region reads and writes these layouts."""
        first, second = (*layouts, "", "")[:2]
        self._fact("option", region, index, first, second, output)

    def host(
        self, step: str, layout: str, operands: Iterable[tuple[str, str]], output: tuple[str, str]
    ) -> None:
        """A host step computes a tensor in a layout from tensors in layouts."""
        listed = "(Nil)"
        for tensor, name in reversed(list(operands)):
            listed = f"(Cons (Stored {self._text(tensor)} {self._text(name)}) {listed})"
        before, after = (" ".join(map(self._text, pair)) for pair in ((step, layout), output))
        self._facts.append(f"(hosts {before} {listed} {after})")

    def layouts(self, tensor: str, names: Iterable[str]) -> None:
        """Layouts that the tensor may be copied between."""
        for name in names:
            self._fact("layout", tensor, name)

    def choices(self, cost: Callable[[Label], int]) -> Mapping[str, list[Choice[Label]]]:
        """Saturates, and returns every way to have every (tensor, layout), in a fixed order."""
        from egglog.bindings import EGraph as Engine  # slow to import: see search/egraph.py

        engine = Engine()
        pieces = (_PROGRAM, *_chunks(self._facts), "(run-schedule (saturate bind))")
        for piece in pieces:
            engine.run_program(*engine.parse_program(piece))
        raw = json.loads(engine.serialize([]).to_json())["nodes"]
        names = {number: name for name, number in self._numbers.items()}
        return _choices(raw, names, cost)


def _chunks(facts: Sequence[str]) -> Iterator[str]:
    """Short programs: egglog's parser takes quadratic time."""
    for start in range(0, len(facts), _CHUNK):
        yield "\n".join(facts[start : start + _CHUNK])


def _choices(
    raw: Mapping[str, Mapping[str, object]],
    spelled: Mapping[str, str],
    cost: Callable[[Label], int],
) -> Mapping[str, list[Choice[Label]]]:
    def children(key: str) -> list[str]:
        found = raw[key]["children"]
        assert isinstance(found, list)
        return found

    def literal(key: str) -> str:
        return spelled[str(json.loads(str(raw[key]["op"])))]

    names: dict[object, tuple[str, str]] = {}
    for key, node in raw.items():
        if node["op"] == "Stored":
            tensor, layout = map(literal, children(key))
            names[node["eclass"]] = tensor, layout

    def needs(key: str) -> tuple[str, ...]:
        if raw[key]["op"] == "Nil":
            return ()
        head, tail = children(key)
        return (buffer_name(*names[raw[head]["eclass"]]), *needs(tail))

    found: dict[str, list[Choice[Label]]] = {buffer_name(*name): [] for name in names.values()}
    for key, node in raw.items():
        target = names.get(node["eclass"])
        if target is None or node["op"] == "Stored":
            continue
        parts = children(key)
        label: Label
        if node["op"] == "Run":
            label, wants = Run(literal(parts[0]), int(str(raw[parts[1]]["op"]))), needs(parts[2])
        elif node["op"] == "Host":
            label, wants = OnHost(literal(parts[0]), literal(parts[1])), needs(parts[2])
        elif node["op"] == "Copy":
            tensor, source = names[raw[parts[0]]["eclass"]]
            label = Copied(tensor, source, literal(parts[1]))
            wants = (buffer_name(tensor, source),)
        else:
            label, wants = Given(*target), ()
        found[buffer_name(*target)].append(Choice(cost(label), wants, label))
    return {
        name: sorted(choices, key=lambda c: (c.cost, c.needs, repr(c.label)))
        for name, choices in sorted(found.items())
    }
