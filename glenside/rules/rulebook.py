"""All rules of the compiler, by name, and the version of their text."""

from __future__ import annotations

from hashlib import sha256

from systolab.glenside.rules import algebra, depthwise, fusion, im2col, layouts, lowering, operands
from systolab.glenside.rules.rule import Rule

__all__ = ["ALL", "BY_NAME", "VERSION"]

ALL: tuple[Rule, ...] = (
    *algebra.RULES,
    *im2col.RULES,
    *operands.RULES,
    *depthwise.RULES,
    *lowering.RULES,
    *fusion.RULES,
    *layouts.RULES,
)

BY_NAME = {rule.name: rule for rule in ALL}

VERSION = sha256("\n".join(rule.program() for rule in ALL).encode()).hexdigest()[:16]
