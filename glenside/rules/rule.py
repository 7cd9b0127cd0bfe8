"""What a rewrite rule is: a named egglog rule with its meaning and its side conditions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule", "shape"]


@dataclass(frozen=True)
class Rule:
    """One small rewrite.

    Attributes:
        name: unique; what explanations print.
        meaning: one line.
        conditions: side conditions in words ("none" if it always holds).
        when: egglog patterns and guards; must bind ``target``, the class that gains a form.
        then: egglog actions.
        purpose: the ruleset it belongs to.
        target: variable of the class that the rule adds to.
    """

    name: str
    meaning: str
    conditions: str
    when: str
    then: str
    purpose: str
    target: str = "t"

    def program(self) -> str:
        """The rule as egglog text; every firing is recorded against its target."""
        return (
            f"(rule ({self.when}) ({self.then} "
            f'(fired "{self.name}" {self.target})) :ruleset {self.purpose} :name "{self.name}")'
        )


def shape(term: str, access: str, item: str) -> str:
    """Actions that state the shape of a term which a rule creates."""
    return f"(set (access-dims {term}) {access}) (set (item-dims {term}) {item})"
