"""The text form of terms: s-expressions that parse back to the same term.

    (compute dot-product (cartesian-product (access (tensor w (8 27)) 1) ... 0))

Strings are bare words, dimensions are parenthesised numbers, operands come in field order and
may be left out at the end where the construct has a default.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from typing import get_type_hints

from systolab.glenside.language.terms import CONSTRUCTS, ShapeError, Term

_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_NAME = re.compile(r"[^\s()]+")

Sexp = str | list["Sexp"]


def to_text(term: Term) -> str:
    """One line, fully parenthesised."""
    parts = [term.head]
    for value in term.operands():
        if isinstance(value, Term):
            parts.append(to_text(value))
        elif isinstance(value, tuple):
            parts.append("(" + " ".join(map(str, value)) + ")")
        else:
            text = repr(value) if isinstance(value, float) else str(value)
            if not _NAME.fullmatch(text):
                raise ShapeError(f"a name in a term must be one word, not {text!r}")
            parts.append(text)
    return "(" + " ".join(parts) + ")"


def parse(text: str) -> Term:
    """The term written in `text`. Raises ShapeError on malformed text or ill-formed terms."""
    tokens = _TOKEN.findall(text)
    tree, end = _read(tokens, 0)
    if end != len(tokens):
        raise ShapeError(f"a term must end at its closing parenthesis, not with {tokens[end]!r}")
    return _build(tree)


def _read(tokens: list[str], start: int) -> tuple[Sexp, int]:
    if start >= len(tokens):
        raise ShapeError("a term must have balanced parentheses, not end early")
    token = tokens[start]
    if token == ")":
        raise ShapeError("a term must have balanced parentheses, not a stray ')'")
    if token != "(":
        return token, start + 1
    items: list[Sexp] = []
    at = start + 1
    while at < len(tokens) and tokens[at] != ")":
        item, at = _read(tokens, at)
        items.append(item)
    if at >= len(tokens):
        raise ShapeError("a term must have balanced parentheses, not end early")
    return items, at + 1


def _signature(construct: type[Term]) -> tuple[tuple[str, object, bool], ...]:
    hints = get_type_hints(construct)
    return tuple(
        (f.name, hints[f.name], f.default is not MISSING) for f in fields(construct) if f.init
    )


def _build(tree: Sexp) -> Term:
    if isinstance(tree, str) or not tree or not isinstance(tree[0], str):
        raise ShapeError(f"a term must be '(construct operands..)', not {tree!r}")
    head, arguments = tree[0], tree[1:]
    construct = CONSTRUCTS.get(head)
    if construct is None:
        raise ShapeError(f"a construct must be one of {', '.join(sorted(CONSTRUCTS))}, not {head}")
    signature = _signature(construct)
    required = sum(not optional for _, _, optional in signature)
    if not required <= len(arguments) <= len(signature):
        raise ShapeError(f"{head} must have {len(signature)} operands, not {len(arguments)}")
    return construct(
        *(
            _value(head, kind, argument)
            for (_, kind, _), argument in zip(signature, arguments, strict=False)
        )
    )


def _value(head: str, kind: object, tree: Sexp) -> object:
    if kind is Term:
        return _build(tree)
    try:
        if kind is int and isinstance(tree, str):
            return int(tree)
        if kind is float and isinstance(tree, str):
            return float(tree)
        if kind is str and isinstance(tree, str):
            return tree
        if isinstance(tree, list):
            return tuple(int(item) for item in tree if isinstance(item, str))
    except ValueError:
        pass
    raise ShapeError(f"{head}: operand must be a {getattr(kind, '__name__', kind)}, not {tree!r}")
