"""Terms in an egglog e-graph: encoding, saturation, and reading the result back.

Constructs become constructors of the same name; dimensions become vectors of integers. The shape of
every class is a function without merge, so an unsound rule that equates terms of different shapes
stops the run. Python's side never takes part in rewriting.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypedDict

from systolab.glenside.language.grammar import CONSTRUCTS
from systolab.glenside.language.movement import Transpose
from systolab.glenside.language.term import Dims, Term, signature
from systolab.glenside.rules.rule import Rule

__all__ = ["ClassId", "EGraph", "Node", "Snapshot"]

_ITERATION_LIMIT = 100

_INTEGER = re.compile(r"-?[0-9]+")

_KINDS: dict[object, str] = {Term: "Term", int: "i64", float: "f64", str: "String", Dims: "Ints"}


class _RawNode(TypedDict):
    op: str
    children: list[str]
    eclass: str


def _constructor(head: str) -> str:
    return "".join(part.capitalize() for part in head.split("-"))


def _declaration(name: str, construct: type[Term]) -> str:
    kinds = (_KINDS[operand.kind] for operand in signature(construct))
    return f"  ({name} {' '.join(kinds)})"


_HEADS = {_constructor(head): construct for head, construct in CONSTRUCTS.items()}
_CONSTRUCTORS = "\n".join(_declaration(*item) for item in _HEADS.items())


def _declarations(purposes: Iterable[str]) -> str:
    """The sorts, functions and rulesets that rules are written in."""
    return "\n".join(
        (
            "(sort Ints (Vec i64))",
            f"(datatype Term\n{_CONSTRUCTORS})",
            "(function access-dims (Term) Ints :no-merge)",
            "(function item-dims (Term) Ints :no-merge)",
            "(function product (Ints) i64 :no-merge)",
            "(function inverse (Ints) Ints :no-merge)",
            "(relation fired (String Term))",
            "(relation root (String Term))",
            *(f"(ruleset {purpose})" for purpose in purposes),
        )
    )


def _ints(values: Iterable[int]) -> str:
    items = " ".join(map(str, values))
    return f"(vec-of {items})" if items else "(vec-empty)"


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return _ints(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value)
    return str(value)


@dataclass(frozen=True)
class ClassId:
    """A class of equal terms in a Snapshot; the name has no meaning beyond it."""

    name: str


@dataclass(frozen=True)
class Node:
    """An e-node as read back: a construct over classes and literals, in field order."""

    construct: type[Term]
    operands: tuple[object, ...]  # class ids are ClassId

    def build(self, operands: Iterable[object]) -> Term:
        """The construct over other operands."""
        construct: Callable[..., Term] = self.construct
        return construct(*operands)

    def children(self) -> tuple[ClassId, ...]:
        """The operands that are classes."""
        return tuple(value for value in self.operands if isinstance(value, ClassId))


@dataclass(frozen=True)
class Snapshot:
    """The e-graph at one moment.

    Attributes:
        classes: the nodes of every class, in a canonical order.
        roots: class of every inserted term.
        fired: names of the rules that added a form to a class.
        stated: access and item dimensions of every class as insertion and rules stated them.
        products: numbers of elements, as stated.
    """

    classes: Mapping[ClassId, tuple[Node, ...]]
    roots: Mapping[str, ClassId]
    fired: Mapping[ClassId, tuple[str, ...]]
    stated: Mapping[ClassId, tuple[Dims, Dims]]
    products: Mapping[Dims, int]

    @property
    def nodes(self) -> int:
        """Nodes of all classes."""
        return sum(map(len, self.classes.values()))


class EGraph:
    """Terms, rules, and everything known to be equal."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Imported here and in `step`: egglog brings black and others, for which whoever only
        # imports the compiler, or has all knowledge already, should not wait.
        from egglog.bindings import EGraph as Engine

        rules = tuple(rules)
        self._engine = Engine()
        self._purposes = tuple(dict.fromkeys(rule.purpose for rule in rules))
        self._bound: dict[Term, str] = {}
        self._products: set[Dims] = set()
        self._pending: list[str] = []
        self._loads = 0
        self.matches: Counter[str] = Counter()
        self.iterations = 0
        self._run(_declarations(self._purposes))
        for rule in rules:
            self._run(rule.program())

    def _run(self, text: str) -> list[object]:
        """Runs one program. It should be short: each node of its tree keeps a copy of its text."""
        return list(self._engine.run_program(*self._engine.parse_program(text)))

    def insert(self, name: str, term: Term) -> None:
        """Adds ``term`` under ``name``, subterm by subterm with shapes, before the next reading."""
        actions: list[str] = []
        self._bound.clear()
        for node in term.walk():
            if node in self._bound:
                continue
            variable = self._bound[node] = f"t{len(self._bound)}"
            operands = " ".join(
                self._bound[value] if isinstance(value, Term) else _literal(value)
                for value in node.operands()
            )
            actions.append(f"(let {variable} ({_constructor(node.head)} {operands}))")
            actions.append(f"(set (access-dims {variable}) {_ints(node.access)})")
            actions.append(f"(set (item-dims {variable}) {_ints(node.item)})")
            for dims in (node.access, node.item):
                if dims not in self._products:
                    self._products.add(dims)
                    actions.append(f"(set (product {_ints(dims)}) {prod(dims)})")
            if isinstance(node, Transpose):
                p = node.permutation
                q = tuple(p.index(i) for i in range(len(p)))
                actions.append(f"(set (inverse {_ints(p)}) {_ints(q)})")
                actions.append(f"(set (inverse {_ints(q)}) {_ints(p)})")
        actions.append(f"(root {json.dumps(name)} {self._bound[term]})")
        self._pending.append(" ".join(actions))

    def _flush(self) -> None:
        """Runs the pending insertions, each as a short program of its own."""
        for i, actions in enumerate(self._pending):
            load = f"load-{self._loads + i}"
            self._run(f"(ruleset {load}) (rule () ({actions}) :ruleset {load}) (run {load} 1)")
        self._loads += len(self._pending)
        self._pending = []

    def step(self) -> bool:
        """Runs every ruleset once; whether anything changed."""
        from egglog.bindings import RunScheduleOutput

        self._flush()
        rulesets = " ".join(f"(run {purpose})" for purpose in self._purposes)
        (output,) = self._run(f"(run-schedule (seq {rulesets}))")
        assert isinstance(output, RunScheduleOutput)
        self.iterations += 1
        self.matches.update(output.report.num_matches_per_rule)
        return bool(output.report.updated)

    def saturate(self) -> bool:
        """Runs every rule until nothing changes; False if the iteration limit came first."""
        return any(not self.step() for _ in range(_ITERATION_LIMIT))

    def snapshot(self) -> Snapshot:
        """Every class with its nodes, as Python data."""
        self._flush()
        return _read(json.loads(self._engine.serialize([]).to_json())["nodes"])


def _read(raw: Mapping[str, _RawNode]) -> Snapshot:
    values = {node["eclass"]: _value(node["op"]) for key, node in raw.items() if "primitive" in key}
    for node in raw.values():
        if node["op"] in ("vec-of", "vec-empty"):
            items = (values[raw[child]["eclass"]] for child in node["children"])
            values[node["eclass"]] = tuple(item for item in items if isinstance(item, int))

    classes: dict[ClassId, list[Node]] = {}
    roots: dict[str, ClassId] = {}
    fired: dict[ClassId, set[str]] = {}
    dims: dict[str, dict[ClassId, Dims]] = {"access-dims": {}, "item-dims": {}}
    products: dict[Dims, int] = {}
    for node in raw.values():
        operands = tuple(
            values[e] if (e := raw[child]["eclass"]) in values else ClassId(e)
            for child in node["children"]
        )
        construct = _HEADS.get(node["op"])
        if construct is not None:
            classes.setdefault(ClassId(node["eclass"]), []).append(Node(construct, operands))
        elif node["op"] in ("root", "fired"):
            name, target = operands
            assert isinstance(name, str)
            assert isinstance(target, ClassId)
            if node["op"] == "root":
                roots[name] = target
            else:
                fired.setdefault(target, set()).add(name)
        elif node["op"] in dims:
            (target,), value = operands, values[node["eclass"]]
            assert isinstance(target, ClassId)
            assert isinstance(value, tuple)
            dims[node["op"]][target] = value
        elif node["op"] == "product":
            (size,), count = operands, values[node["eclass"]]
            assert isinstance(size, tuple)
            assert isinstance(count, int)
            products[size] = count
    access, item = dims.values()
    return Snapshot(
        {key: tuple(nodes) for key, nodes in classes.items()},
        roots,
        {key: tuple(sorted(names)) for key, names in fired.items()},
        {key: (access[key], item[key]) for key in access},
        products,
    )


def _value(op: str) -> object:
    if op.startswith('"'):
        return json.loads(op)
    if _INTEGER.fullmatch(op):
        return int(op)
    try:
        return float(op)
    except ValueError:
        return op
