"""Reading the text of terms: s-expressions, as ``str(term)`` writes them.

    (compute dot-product (cartesian-product (access (tensor w (8 27)) 1) ... 0))

Strings are bare words, dimensions are parenthesised numbers, operands come in field order and
may be left out at the end where the construct has a default.
"""

from __future__ import annotations

import re

from systolab.glenside.language.grammar import CONSTRUCTS
from systolab.glenside.language.term import MAX_DEPTH, ShapeError, Term, signature

__all__ = ["layout", "parse"]

_TOKEN = re.compile(r"\(|\)|[^\s()]+")

_Sexp = str | list["_Sexp"]


def parse(text: str) -> Term:
    """The term written in ``text``; ``parse(str(term))`` is ``term``.

    Raises:
        ShapeError: the text is malformed, or the term is.
    """
    tokens = _tokens(text)
    tree, end = _read(tokens, 0)
    if end != len(tokens):
        raise ShapeError(f"a term must end at its closing parenthesis, not with {tokens[end]!r}")
    return _build(tree)


def layout(text: str, width: int) -> list[str]:
    """The text of a term over lines of at most ``width`` characters, where its words allow that.

    What fits a line stands on it; else the operands stand below their construct, indented.
    """
    tree, _ = _read(_tokens(text), 0)
    return _lines(tree, width, 0)


def _tokens(text: str) -> list[str]:
    """Parentheses and words; parentheses within one another are few enough to recurse over."""
    tokens = _TOKEN.findall(text)
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth > MAX_DEPTH + 1:  # a term's innermost operands may be parenthesised, too
            raise ShapeError(f"a term must be at most {MAX_DEPTH} constructs deep, not more")
    return tokens


def _lines(tree: _Sexp, width: int, closing: int) -> list[str]:
    """Lines of a tree that ``closing`` more parentheses follow."""
    flat = _flat(tree)
    if isinstance(tree, str) or len(flat) + closing <= width:
        return [flat]
    head = [_flat(item) for item in tree[:1]]
    rest = tree[1:]
    # Short words stay beside their construct: (transpose (0 2 1)
    while len(rest) > 1 and (isinstance(rest[0], str) or all(isinstance(x, str) for x in rest[0])):
        if len(" ".join([*head, _flat(rest[0])])) + 1 > width:
            break
        head.append(_flat(rest[0]))
        rest = rest[1:]
    lines = ["(" + " ".join(head)]
    for i, item in enumerate(rest):
        last = i == len(rest) - 1
        lines += [f"  {line}" for line in _lines(item, width - 2, closing + 1 if last else 0)]
    lines[-1] += ")"
    return lines


def _flat(tree: _Sexp) -> str:
    return tree if isinstance(tree, str) else "(" + " ".join(map(_flat, tree)) + ")"


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
