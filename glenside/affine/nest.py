"""A batched dot product as a loop nest over flat memories.

    for every batch, row, column:   o[...] = sum over reduction of a[...] * w[...]

Every address is affine in the loop indices. Conditions say where an operand's element exists: an
element of A or W whose condition fails counts as zero, one of O is not written. ``split`` and
``fuse`` rewrite the nest without changing what it computes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from systolab.formats.errors import SystolabError

__all__ = ["TOUCHED", "A", "Condition", "Loop", "Nest", "O", "P", "Role", "W"]

A, W, O, P = range(4)  # noqa: E741 - the operands, in the order of every per-operand tuple


class Role(StrEnum):
    """What a loop means: which operands can tell its iterations apart."""

    BATCH = "batch"  # A, W and O
    ROW = "row"  # A and O
    COLUMN = "column"  # W and O
    REDUCTION = "reduction"  # A and W


TOUCHED = {
    Role.BATCH: (A, W, O),
    Role.ROW: (A, O),
    Role.COLUMN: (W, O),
    Role.REDUCTION: (A, W),
}


@dataclass(frozen=True)
class Loop:
    """One loop: its name, role, length, and how far it moves each operand (in codes)."""

    name: str
    role: Role
    length: int
    strides: tuple[int, int, int, int]


@dataclass(frozen=True)
class Condition:
    """An operand's element exists iff ``0 <= offset + sum(coefficients * indices) < bound``."""

    operand: int
    offset: int
    coefficients: tuple[int, ...]
    bound: int

    def always(self, lengths: Sequence[int]) -> bool:
        """Whether it holds for all indices."""
        spans = [c * (n - 1) for c, n in zip(self.coefficients, lengths, strict=True)]
        low = self.offset + sum(min(span, 0) for span in spans)
        high = self.offset + sum(max(span, 0) for span in spans)
        return low >= 0 and high < self.bound


@dataclass(frozen=True)
class Nest:
    """The loop nest.

    Attributes:
        loops: in any order, which the meaning does not depend on; names are unique.
        bases: addresses of A, W, O and the parameter index P at all-zero indices.
        conditions: see ``Condition``.

    Raises:
        SystolabError: a loop moves an operand that its role does not touch.
    """

    loops: tuple[Loop, ...]
    bases: tuple[int, int, int, int]
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if len({loop.name for loop in self.loops}) < len(self.loops):
            raise SystolabError(f"Loop names must be unique, not {[x.name for x in self.loops]}")
        for loop in self.loops:
            moved = {operand for operand in (A, W, O) if loop.strides[operand]}
            if loop.strides[P] and loop.role is Role.REDUCTION:
                moved.add(P)
            if not moved <= set(TOUCHED[loop.role]):
                raise SystolabError(
                    f"Loop '{loop.name}' must move only what a {loop.role} loop may, "
                    f"not have strides {loop.strides}"
                )
        for condition in self.conditions:
            if len(condition.coefficients) != len(self.loops):
                raise SystolabError(
                    f"Condition must have {len(self.loops)} coefficients, "
                    f"not {len(condition.coefficients)}"
                )

    @property
    def lengths(self) -> tuple[int, ...]:
        """How often each loop runs."""
        return tuple(loop.length for loop in self.loops)

    def of(self, role: Role) -> tuple[Loop, ...]:
        """The loops with a role."""
        return tuple(loop for loop in self.loops if loop.role is role)

    def index(self, name: str) -> int:
        """Position of a loop."""
        return next(i for i, loop in enumerate(self.loops) if loop.name == name)

    def loop(self, name: str) -> Loop:
        """The loop of that name."""
        return self.loops[self.index(name)]

    def ordered(self, names: Sequence[str]) -> Nest:
        """The same nest with its loops in another order."""
        return self._picked([self.index(name) for name in names])

    def _picked(self, kept: Sequence[int]) -> Nest:
        return Nest(
            tuple(self.loops[i] for i in kept),
            self.bases,
            tuple(
                dataclasses.replace(c, coefficients=tuple(c.coefficients[i] for i in kept))
                for c in self.conditions
            ),
        )

    def without(self, operand: int) -> Nest:
        """Without the conditions of one operand."""
        kept = tuple(c for c in self.conditions if c.operand != operand)
        return dataclasses.replace(self, conditions=kept)

    def trimmed(self) -> Nest:
        """Without loops of length one and without conditions that always hold."""
        conditions = tuple(c for c in self.conditions if not c.always(self.lengths))
        nest = dataclasses.replace(self, conditions=conditions)
        return nest._picked([i for i, loop in enumerate(self.loops) if loop.length != 1])

    def split(self, name: str, size: int) -> Nest:
        """Loop x becomes ``x/size`` and, right behind it, ``x%size`` of that length.

        When the length is not a multiple, conditions exclude what lies past the end.
        """
        index = self.index(name)
        loop = self.loops[index]
        count = -(-loop.length // size)
        outer = Loop(f"{name}/{size}", loop.role, count, _scaled(loop.strides, size))
        inner = Loop(f"{name}%{size}", loop.role, size, loop.strides)
        conditions = [
            dataclasses.replace(
                c, coefficients=_replaced(c.coefficients, index, c.coefficients[index] * size)
            )
            for c in self.conditions
        ]
        if count * size != loop.length:
            cover = [0] * (len(self.loops) + 1)
            cover[index], cover[index + 1] = size, 1
            conditions += [
                Condition(operand, 0, tuple(cover), loop.length) for operand in TOUCHED[loop.role]
            ]
        loops = (*self.loops[:index], outer, inner, *self.loops[index + 1 :])
        return Nest(loops, self.bases, tuple(conditions))

    def fuse(self, slower: str, faster: str, ignored: Sequence[int] = ()) -> Nest | None:
        """Both loops as one, standing where ``faster`` stood; None where that is not affine.

        A condition on the outer loop alone is restated on addresses: with inner length n,
        ``0 <= e + outer < b`` is ``0 <= n*e + (n*outer + inner) < n*b``.

        Args:
            slower: name of the outer loop.
            faster: name of the inner loop.
            ignored: operands whose strides need not fit (they are laid out afterwards).
        """
        outer, inner = self.index(slower), self.index(faster)
        slow, fast = self.loops[outer], self.loops[inner]
        if slow.role is not fast.role:
            return None
        for operand in (A, W, O, P):
            if operand in ignored:
                continue
            if slow.strides[operand] != fast.strides[operand] * fast.length:
                return None
        conditions = []
        for condition in self.conditions:
            c = condition
            if c.coefficients[outer] == 1 and c.coefficients[inner] == 0:
                scaled = [item * fast.length for item in c.coefficients]
                scaled[inner] = 1
                c = Condition(
                    c.operand, c.offset * fast.length, tuple(scaled), c.bound * fast.length
                )
            if c.coefficients[outer] != c.coefficients[inner] * fast.length:
                return None
            conditions.append(
                dataclasses.replace(
                    c, coefficients=(*c.coefficients[:outer], *c.coefficients[outer + 1 :])
                )
            )
        loops = list(self.loops)
        loops[inner] = Loop(
            f"{slow.name}*{fast.name}", fast.role, slow.length * fast.length, fast.strides
        )
        del loops[outer]
        return Nest(tuple(loops), self.bases, tuple(conditions))


def _scaled(strides: tuple[int, int, int, int], factor: int) -> tuple[int, int, int, int]:
    a, w, o, p = strides
    return a * factor, w * factor, o * factor, p * factor


def _replaced(coefficients: tuple[int, ...], index: int, outer: int) -> tuple[int, ...]:
    return (*coefficients[:index], outer, *coefficients[index:])
