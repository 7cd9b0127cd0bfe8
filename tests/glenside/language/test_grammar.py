"""The page that lists the language lists exactly what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from systolab.glenside.language import grammar
from systolab.glenside.language.term import Dims, Operand, Term, signature

PAGE = grammar.__doc__ or ""
KINDS = {"term": Term, "dims": Dims, "int": int, "float": float, "str": str}
CHOICES = {
    "function": grammar.FUNCTIONS,
    "padding": grammar.PADDINGS,
    "dataflow": grammar.DATAFLOWS,
}


def listed() -> Iterator[tuple[str, tuple[Operand, ...], str]]:
    """Head, operands and meaning of every construct on the page, in order."""
    for head, operands, meaning in re.findall(
        r"^      ([a-z-]+)\((.*?)\)\s+-- (\S.*(?:\n {40,}\S.*)*)$", PAGE, re.MULTILINE
    ):
        yield head, tuple(map(operand, operands.split(", "))), meaning


def operand(text: str) -> Operand:
    declared, _, default = text.partition(" = ")
    kind, name = declared.split()
    named = str if kind in CHOICES or kind == "layout" else KINDS[kind]  # choices are words
    return Operand(name, named, int(default) if default else None)


def test_page_lists_every_construct_with_its_operands_in_order() -> None:
    assert {head: operands for head, operands, _ in listed()} == {
        head: signature(construct) for head, construct in grammar.CONSTRUCTS.items()
    }
    assert [head for head, _, _ in listed()] == list(grammar.CONSTRUCTS)


def test_every_construct_that_a_module_defines_is_in_the_grammar() -> None:
    room = Path(grammar.__file__).parent
    written = [
        head
        for path in sorted(room.glob("*.py"))
        for head in re.findall(r'^@construct\("([a-z-]+)"\)', path.read_text(), re.MULTILINE)
    ]
    assert sorted(written) == sorted(grammar.CONSTRUCTS)


def test_page_lists_every_word_that_an_operand_may_be() -> None:
    for name, words in CHOICES.items():
        found = re.search(rf"^    {name} = (\S+(?:\s+\|\s+\S+)+)$", PAGE, re.MULTILINE)
        assert found is not None
        assert sorted(re.split(r"\s+\|\s+", found[1])) == sorted(words)


def test_page_is_one_page() -> None:
    lines = PAGE.splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 100
