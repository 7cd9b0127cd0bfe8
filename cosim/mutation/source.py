"""Single faults in SystemVerilog sources, all in one build, one selected at run time.

Every run-time expression of a source (right-hand sides, conditions, inputs of instances) is parsed
into tokens; mutation operators derive faulty variants of it. A *schema* holds the original and all
chosen variants side by side, ``(selected == 7) ? variant : original``, so that hundreds of mutants
cost one compilation. Expressions that are constant at elaboration (parameters, generate conditions)
are left alone: they cannot be switched at run time.

The subset of the language is that of this project's own sources: one statement per construct, no
preprocessor, no macros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from systolab.formats.errors import SystolabError

__all__ = [
    "SELECTED",
    "Expression",
    "Mutant",
    "Token",
    "expressions",
    "mutants",
    "mutated",
    "package",
    "schema",
    "tokens",
    "variants",
]

_PACKAGE = "systolab_mutant_pkg"
SELECTED = f"{_PACKAGE}::selected"

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>\d*'s?[bdhoBDHO][0-9a-fA-F_xzXZ]+|'[01]|\d[\d_]*)
  | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<operator><<<|>>>|===|!==|<<|>>|<=|>=|==|!=|&&|\|\||\+:|-:|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)


# A signal with an unpacked dimension: it can be copied as a whole but not compared with a number.
_ARRAY = re.compile(r"^ *logic\b[^;=]*?\b(\w+) \[[^\]]*\][^;\w]*(?:/\*.*?\*/)?;", re.MULTILINE)

_CONSTANT = re.compile(r"'[01]|\d*'s?[bdh][0-9a-fA-F_]+")


@dataclass(frozen=True)
class Token:
    """A token with its place in the source."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Expression:
    """An expression evaluated at run time.

    Attributes:
        start, end: its place in the source.
        role: "condition", "value" (of an assignment), "register" (of a nonblocking one),
            "input" (of an instance).
        target: what is assigned, empty for others.
        where: "reset value", "default" (a constant at the head of a combinational block, mostly
            overwritten later), or empty.
    """

    start: int
    end: int
    role: str
    target: str = ""
    where: str = ""


@dataclass(frozen=True)
class Mutant:
    """One fault: an expression replaced by another.

    Attributes:
        number: what selects it, from 1.
        source: name of the source file.
        line: line of the expression.
        operator: name of the mutation operator.
        start, end: place of the expression in the source.
        original, variant: the expression before and after.
        where, target: as of the expression.
    """

    number: int
    source: str
    line: int
    operator: str
    start: int
    end: int
    original: str
    variant: str
    where: str = ""
    target: str = ""

    @property
    def block(self) -> str:
        """The module it is in, or whose package, without the project's prefix."""
        return Path(self.source).stem.removesuffix("_pkg").removeprefix("systolab_")

    def __str__(self) -> str:
        """Place and change on one line."""
        before, after = (" ".join(x.split()) for x in (self.original, self.variant))
        where = f" ({self.where})" if self.where else ""
        return f"{self.source}:{self.line}: {self.operator}: {before} -> {after}{where}"


def tokens(text: str) -> list[Token]:
    """The tokens of a source, white space and comments left out."""
    found = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), match.start(), match.end()))
    return found


class _Parser:
    """Finds the run-time expressions of one source."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._text = text
        self._at = 0
        self._where = ""
        self.found: list[Expression] = []

    def run(self) -> list[Expression]:
        while self._at < len(self._tokens):
            match self._peek():
                case "assign":
                    self._at += 1
                    self._assignment()
                case "always_comb":
                    self._at += 1
                    self._where = "default"
                    self._statement()
                    self._where = ""
                case "always_ff" | "always":
                    self._at += 2  # and the @
                    if self._peek() == "*":
                        self._at += 1
                    else:
                        self._skip_group()
                    self._statement()
                case "wire":
                    self._net()
                case "function":
                    self._function()
                case ".":
                    self._connection()
                case _:
                    self._at += 1
        return self.found

    def _peek(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._tokens[position].text if position < len(self._tokens) else ""

    def _skip_group(self) -> tuple[int, int]:
        """Skip a bracketed group; return the token indices of its inside."""
        first = self._at + 1
        depth = 0
        while True:
            text = self._peek()
            if text == "":
                raise SystolabError("Source to mutate must have matching brackets")
            depth += (text in "([{") - (text in ")]}")
            self._at += 1
            if depth == 0:
                return first, self._at - 1

    def _add(self, first: int, last: int, role: str, target: str = "") -> None:
        if first < last:
            start, end = self._tokens[first].start, self._tokens[last - 1].end
            where = self._where
            if where == "default" and not _CONSTANT.fullmatch(self._text[start:end]):
                where = ""
            self.found.append(Expression(start, end, role, target, where))

    def _until(self, *stops: str) -> tuple[int, int]:
        """Skip to one of ``stops`` outside brackets; return the token indices before it."""
        first = self._at
        while self._peek() not in stops:
            if self._peek() in ("(", "[", "{"):
                self._skip_group()
            elif self._peek() == "":
                raise SystolabError(f"Source to mutate must have {' or '.join(stops)}")
            else:
                self._at += 1
        return first, self._at

    def _assignment(self) -> None:
        """``target = expression ;`` or ``target <= expression ;``."""
        first, last = self._until("=", "<=", ";")
        if self._peek() == ";":  # a declaration or a call
            self._at += 1
            return
        role = "register" if self._peek() == "<=" else "value"
        target = self._text[self._tokens[first].start : self._tokens[last - 1].end]
        self._at += 1
        self._add(*self._until(";"), role, target)
        self._at += 1

    def _net(self) -> None:
        """``wire name = expression``, in a list or alone; a port has no expression."""
        while self._peek() in ("wire", ","):
            self._at += 1
            first, last = self._until("=", ",", ";", ")")
            if self._peek() != "=":
                return
            target = self._tokens[last - 1].text if first < last else ""
            self._at += 1
            self._add(*self._until(",", ";"), "value", target)

    def _statement(self) -> None:
        match self._peek():
            case "begin":
                self._at += 1
                if self._peek() == ":":
                    self._at += 2
                while self._peek() != "end":
                    self._statement()
                self._at += 1
            case "if":
                self._at += 1
                condition = self._skip_group()
                self._where = ""
                self._add(*condition, "condition")
                if [t.text for t in self._tokens[slice(*condition)]] == ["!", "rst_ni"]:
                    self._where = "reset value"
                self._statement()
                self._where = ""
                if self._peek() == "else":
                    self._at += 1
                    self._statement()
            case "unique" | "priority":
                self._at += 1
                self._statement()
            case "case":
                self._at += 1
                self._where = ""
                self._add(*self._skip_group(), "value")
                while self._peek() != "endcase":
                    self._until(":")
                    self._at += 1
                    self._statement()
                self._at += 1
            case "for":
                self._at += 1
                self._skip_group()  # its bounds are constant
                self._where = ""
                self._statement()
            case "return":
                self._at += 1
                self._add(*self._until(";"), "value")
                self._at += 1
            case ";":
                self._at += 1
            case _:
                self._assignment()

    def _function(self) -> None:
        self._until(";", "(")
        if self._peek() == "(":
            self._skip_group()
        self._at += 1
        while self._peek() != "endfunction":
            self._statement()
        self._at += 1

    def _connection(self) -> None:
        """``.port_i(expression)``; parameters and outputs are left alone."""
        name, bracket = self._peek(1), self._peek(2)
        self._at += 2
        if bracket == "(":
            inside = self._skip_group()
            if name.endswith("_i") and name not in ("clk_i", "rst_ni"):
                self._add(*inside, "input")


def expressions(text: str) -> list[Expression]:
    """The run-time expressions of a source, in order; none contains another."""
    return _Parser(text).run()


_SWAPS = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "<<": (">>",),
    ">>": ("<<",),
    "<<<": (">>>",),
    ">>>": ("<<<",),
    "<": ("<=", ">"),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|",),
    "|": ("&",),
    "^": ("|", "&"),
}


def variants(text: str, role: str, target: str = "") -> Iterator[tuple[str, str]]:
    """Mutations of one expression: the operator's name and the new text.

    Variants keep the width and the signedness of the expression, so that the expression beside
    them in the schema keeps its meaning.
    """
    found = tokens(text)

    def with_token(token: Token, new: str) -> str:
        return text[: token.start] + new + text[token.end :]

    widths = _widths(found)
    for i, token in enumerate(found):
        if i in widths:
            continue
        before = found[i - 1] if i else None
        binary = before is not None and (
            before.kind in ("number", "name") or before.text in (")", "]", "}")
        )
        if token.text in _SWAPS and (binary or token.text in "&|"):
            for new in _SWAPS[token.text]:
                yield f"{token.text} to {new}", with_token(token, new)
        elif token.text in ("!", "~") and not binary:
            yield f"{token.text} dropped", with_token(token, "")
        elif token.kind == "number":
            yield from (("constant", with_token(token, new)) for new in _numbers(token.text))
    yield from _branches(text, found)
    if role == "condition":
        yield "negated", f"!({text})"
        yield "always", "1'b1"
        yield "never", "1'b0"
    elif role == "register" and text.strip() != target.strip():
        yield "not stored", target
    if role in ("value", "register", "input") and text not in ("'0", "1'b0"):
        yield "zero", "'0"


def _widths(found: Sequence[Token]) -> set[int]:
    """Indices of the tokens that set a width or name an instance.

    They are in part selects ``[a:b]``, the second part of ``[a+:b]``, the count of a replication
    ``{a {b}}``, the size of a cast ``a'(b)`` and the index of a generate block ``a[b].c``.
    """
    result: set[int] = set()
    opened: list[int] = []
    for i, token in enumerate(found):
        after = found[i + 1].text if i + 1 < len(found) else ""
        if token.text in ("(", "[", "{"):
            opened.append(i)
            continue
        first = i
        if token.text in (")", "]", "}"):
            first = opened.pop()
            if token.text == "]" and after == ".":
                result |= set(range(first, i + 1))
            elif token.text == "]":
                result |= _select_widths(found, first, i)
        countable = token.text == ")" or token.kind in ("number", "name")
        if countable and after in ("'", "{"):
            result |= set(range(first, i + 1))
    return result


def _select_widths(found: Sequence[Token], opening: int, closing: int) -> set[int]:
    depth = 0
    for i in range(opening + 1, closing):
        text = found[i].text
        if depth == 0 and text in ("+:", "-:"):
            return set(range(i, closing))
        if depth == 0 and text == ":" and not any(t.text == "?" for t in found[opening:i]):
            return set(range(opening, closing))
        depth += (text in ("[", "(", "{")) - (text in ("]", ")", "}"))
    return set()


def _numbers(text: str) -> Iterator[str]:
    if text in ("'0", "'1"):
        yield "'1" if text == "'0" else "'0"
        return
    match = re.fullmatch(r"(\d*)'(s?)([bdhoBDHO])([0-9a-fA-F_]+)", text)
    if match is None:
        if text.isdecimal():
            yield str(int(text) + 1)
            if int(text) > 0:
                yield str(int(text) - 1)
        return
    width, signed, base, digits = match.groups()
    radix = {"b": 2, "d": 10, "h": 16, "o": 8}[base.lower()]
    value, mask = int(digits.replace("_", ""), radix), (1 << int(width or "32")) - 1
    for new in dict.fromkeys(((value + 1) & mask, (value - 1) & mask)):
        yield f"{width}'{signed}d{new}"


def _branches(text: str, found: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """The outermost ``condition ? a : b``: its branches exchanged."""
    depth = 0
    question = None
    nested = 0
    for token in found:
        depth += (token.text in ("[", "(", "{")) - (token.text in ("]", ")", "}"))
        if depth:
            continue
        if token.text == "?":
            if question is None:
                question = token
            else:
                nested += 1
        elif token.text == ":" and question is not None:
            if nested:
                nested -= 1
                continue
            condition, a = text[: question.start], text[question.end : token.start]
            b = text[token.end :].strip()
            yield "branches exchanged", f"({condition.strip()}) ? ({b}) : ({a.strip()})"
            return


def mutants(sources: Mapping[str, str]) -> list[Mutant]:
    """All mutants of the given sources (file name to text), in order, numbered from 1."""
    found: list[Mutant] = []
    for name in sorted(sources):
        text = sources[name]
        arrays = set(_ARRAY.findall(text))
        for expression in expressions(text):
            if expression.target.startswith("unused"):
                continue  # tells linters what is left unread on purpose
            original = text[expression.start : expression.end]
            seen = {original}
            for operator, variant in variants(original, expression.role, expression.target):
                if variant in seen or (original in arrays and variant == "'0"):
                    continue
                seen.add(variant)
                line = text.count("\n", 0, expression.start) + 1
                place = (expression.start, expression.end)
                number = len(found) + 1
                context = expression.where, expression.target
                mutant = Mutant(number, name, line, operator, *place, original, variant, *context)
                found.append(mutant)
    return found


def schema(name: str, text: str, chosen: Sequence[Mutant]) -> str:
    """The source with all chosen mutants of it side by side, selected at run time."""
    places: dict[tuple[int, int], list[Mutant]] = {}
    for mutant in chosen:
        if mutant.source == name:
            places.setdefault((mutant.start, mutant.end), []).append(mutant)
    for (start, end), group in sorted(places.items(), reverse=True):
        original = text[start:end]
        if any(mutant.original != original for mutant in group):
            raise SystolabError(f"Mutants of {name} must be those of the given text")
        cases = "".join(f"({SELECTED} == {m.number}) ? ({m.variant}) : " for m in group)
        text = f"{text[:start]}({cases}({original})){text[end:]}"
    return text


def mutated(text: str, mutant: Mutant) -> str:
    """The source with one mutant applied for good."""
    return f"{text[: mutant.start]}{mutant.variant}{text[mutant.end :]}"


def package() -> str:
    """The package that holds the number of the selected mutant, set through a DPI function."""
    return (
        "// Selects one mutant; 0 selects none.\n"
        f"package {_PACKAGE};\n"
        '  import "DPI-C" function int systolab_selected_mutant();\n'
        "  int selected = systolab_selected_mutant();\n"
        f"endpackage : {_PACKAGE}\n"
    )
