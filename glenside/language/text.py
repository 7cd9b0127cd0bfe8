"""Reading the text of terms: s-expressions, as ``str(term)`` writes them.

    (compute dot-product (cartesian-product (access (tensor w (8 27)) 1) ... 0))

Strings are bare words, dimensions are parenthesised numbers, operands come in field order and
may be left out at the end where the construct has a default.
"""

from __future__ import annotations

import re

from systolab.glenside.language.grammar import CONSTRUCTS
from systolab.glenside.language.term import ShapeError, Term, signature

__all__ = ["parse"]

_TOKEN = re.compile(r"\(|\)|[^\s()]+")

_Sexp = str | list["_Sexp"]


def parse(text: str) -> Term:
    """The term written in ``text``; ``parse(str(term))`` is ``term``.

    Raises:
        ShapeError: the text is malformed, or the term is.
    """
    tokens = _TOKEN.findall(text)
    tree, end = _read(tokens, 0)
    if end != len(tokens):
        raise ShapeError(f"a term must end at its closing parenthesis, not with {tokens[end]!r}")
    return _build(tree)


def _read(tokens: list[str], start: int) -> tuple[_Sexp, int]:
    if start >= len(tokens):
        raise ShapeError("a term must have balanced parentheses, not end early")
    token = tokens[start]
    if token == ")":
        raise ShapeError("a term must have balanced parentheses, not a stray ')'")
    if token != "(":
        return token, start + 1
    items: list[_Sexp] = []
    at = start + 1
    while at < len(tokens) and tokens[at] != ")":
        item, at = _read(tokens, at)
        items.append(item)
    if at >= len(tokens):
        raise ShapeError("a term must have balanced parentheses, not end early")
    return items, at + 1


def _build(tree: _Sexp) -> Term:
    if isinstance(tree, str) or not tree or not isinstance(tree[0], str):
        raise ShapeError(f"a term must be '(construct operands..)', not {tree!r}")
    head, arguments = tree[0], tree[1:]
    construct = CONSTRUCTS.get(head)
    if construct is None:
        raise ShapeError(f"a construct must be one of {', '.join(sorted(CONSTRUCTS))}, not {head}")
    operands = signature(construct)
    required = sum(operand.default is None for operand in operands)
    if not required <= len(arguments) <= len(operands):
        raise ShapeError(f"{head} must have {len(operands)} operands, not {len(arguments)}")
    return construct(
        *(
            _value(head, operand.kind, argument)
            for operand, argument in zip(operands, arguments, strict=False)
        )
    )


def _value(head: str, kind: object, tree: _Sexp) -> object:
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
